"""Reads the org by REST, with the standard library only."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from .mapping import OBJECTS, meanings
from .world import Holding, UnreachableError

_VERSION = "v62.0"
_TRIES = 6
_TIMEOUT_S = 60.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Login:
    """Where the org is and how to sign in (client credentials). ``ca_file`` holds its root, if private."""

    url: str
    client_id: str
    client_secret: str
    ca_file: str = ""


class SalesforceReader:
    """Customers, invoices and the write log of an org. Each call signs in anew: tokens get revoked."""

    def __init__(self, login: Login) -> None:
        self._login = login
        trusted = login.ca_file or None
        self._tls = ssl.create_default_context(cafile=trusted) if login.url.startswith("https:") else None

    def customers(self) -> list[Holding]:
        """All live Accounts."""
        rows = self._rows("Account", "customer", "")
        return [Holding(str(row["Id"]), meanings("customer", "salesforce", row)) for row in rows]

    def invoices(self) -> list[Holding]:
        """All live invoices; ``customer`` is the number of the account that they refer to."""
        found = []
        for row in self._rows("Invoice__c", "invoice", "Account__r.AccountNumber"):
            account = row.get("Account__r") or {}
            named = {**row, "customer": account.get("AccountNumber")}
            found.append(Holding(str(row["Id"]), meanings("invoice", "salesforce", named)))
        return found

    def writes(self) -> list[dict[str, Any]]:
        """Committed writes, oldest first; none where the org is no sandbox and keeps no such log."""
        try:
            answer = self._open(urllib.request.Request(f"{self._login.url}/_sandbox/log"))  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return []
            raise UnreachableError(f"Salesforce's write log: HTTP {error.code}") from None
        except OSError as error:
            raise UnreachableError(f"Salesforce's write log: {_reason(error)}") from None
        writes: list[dict[str, Any]] = answer["writes"]
        return sorted(writes, key=lambda entry: int(entry["n"]))

    def _rows(self, sobject: str, object_name: str, parent: str) -> list[dict[str, Any]]:
        own = [field.places["salesforce"][0] for field in OBJECTS[object_name]]
        columns = ["Id", *(name for name in own if name != "customer"), *([parent] if parent else [])]
        soql = f"SELECT {', '.join(columns)} FROM {sobject} ORDER BY Id"  # noqa: S608 - our own names
        return self._trying(lambda: list(self._pages(soql)))

    def _pages(self, soql: str) -> Iterator[dict[str, Any]]:
        base, token = self._sign_in()
        path: str | None = f"/services/data/{_VERSION}/query?q={urllib.parse.quote(soql)}"
        while path:
            request = urllib.request.Request(  # noqa: S310 - the address is the operator's
                base + path, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"}
            )
            page = self._open(request)
            yield from page["records"]
            path = None if page["done"] else page["nextRecordsUrl"]

    def _sign_in(self) -> tuple[str, str]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._login.client_id,
            "client_secret": self._login.client_secret,
        }
        data = urllib.parse.urlencode(form).encode()
        answer = self._open(urllib.request.Request(f"{self._login.url}/services/oauth2/token", data))  # noqa: S310
        return str(answer["instance_url"]), str(answer["access_token"])

    def _open(self, request: urllib.request.Request) -> Mapping[str, Any]:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=self._tls) as answer:  # noqa: S310
            body: Mapping[str, Any] = json.loads(answer.read(), parse_float=Decimal)
            return body

    def _trying(self, read: Callable[[], _T]) -> _T:
        """Again after refusals that pass and lost answers: reading changes nothing."""
        problem = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(0.1 * 2**attempt)
            try:
                return read()
            except urllib.error.HTTPError as error:
                problem = f"HTTP {error.code}"
                error.close()
            except (OSError, http.client.HTTPException) as error:
                problem = _reason(error)
        raise UnreachableError(f"Salesforce cannot be read: {problem}")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "")) or type(error).__name__
