"""A Salesforce user at work over REST: looks at a record, writes it, and looks again when the page broke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

_VERSION = "v62.0"
_TIMEOUT_S = 30.0


class AnswerLost(Exception):
    """The request went out, no answer came: done or not, nobody knows."""


class Again(Exception):
    """Nothing happened, and the same may work in a moment."""


class Stale(Again):
    """Somebody changed the record between looking and writing."""


class Declined(Exception):
    """Salesforce refused for good; the text is its error code."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a user saw of a record; ``version`` proves later that nobody changed it since."""

    fields: Mapping[str, Any]
    version: str


class SalesforceUser:
    """People in Salesforce. They sign in by client credentials and name no client."""

    def __init__(self, url: str, client_id: str, client_secret: str) -> None:
        self._http = httpx2.AsyncClient(base_url=url.rstrip("/"), timeout=_TIMEOUT_S)
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        self._token = ""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def create(self, sobject: str, fields: Mapping[str, Any]) -> str:
        """The new record's id. Raises AnswerLost, Again, Declined."""
        answer = await self._call("POST", f"sobjects/{sobject}", json=dict(fields))
        return str(answer.json()["id"])

    async def look(self, sobject: str, identifier: str, *fields: str) -> Look:
        """Fields of a record. Raises Again, Declined; a lost answer is asked for again."""
        answer = await self._read(f"sobjects/{sobject}/{identifier}?fields={','.join(fields)}")
        return Look({name: answer.json()[name] for name in fields}, answer.headers.get("ETag", ""))

    async def write(self, sobject: str, identifier: str, fields: Mapping[str, Any], version: str) -> None:
        """Save a record that is still as it was seen. Raises Stale, AnswerLost, Again, Declined."""
        headers = {"If-Match": version} if version else {}
        await self._call("PATCH", f"sobjects/{sobject}/{identifier}", json=dict(fields), headers=headers)

    async def find(self, soql: str) -> list[dict[str, Any]]:
        """All records of a query."""
        answer = (await self._read(f"query?q={quote(soql)}")).json()
        rows: list[dict[str, Any]] = answer["records"]
        while not answer["done"]:
            answer = (await self._read(answer["nextRecordsUrl"].partition(f"{_VERSION}/")[2])).json()
            rows += answer["records"]
        return rows

    async def arm(self, fault: Mapping[str, Any]) -> None:
        """Have the sandbox do something wrong soon."""
        (await self._http.post("/_sandbox/faults", json=dict(fault))).raise_for_status()

    async def disarm(self) -> None:
        """Take back what did not strike."""
        (await self._http.delete("/_sandbox/faults")).raise_for_status()

    async def _read(self, path: str) -> httpx2.Response:
        try:
            return await self._call("GET", path)
        except AnswerLost as error:
            raise Again(str(error)) from error

    async def _call(
        self, method: str, path: str, json: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        if not self._token:
            await self._sign_in()
        token = self._token
        try:
            answer = await self._http.request(
                method,
                f"/services/data/{_VERSION}/{path}",
                json=json,
                headers={**(headers or {}), "Authorization": f"Bearer {token}"},
            )
        except httpx2.ConnectError as error:
            raise Again(type(error).__name__) from error
        except httpx2.TransportError as error:
            raise AnswerLost(type(error).__name__) from error
        if answer.is_success:
            return answer
        if answer.status_code == 401 and self._token == token:
            self._token = ""
        raise _refusal(answer)

    async def _sign_in(self) -> None:
        try:
            answer = await self._http.post("/services/oauth2/token", data=self._form)
        except httpx2.TransportError as error:
            raise Again(type(error).__name__) from error
        if not answer.is_success:
            raise Declined(f"sign-in: HTTP {answer.status_code}")
        self._token = str(answer.json()["access_token"])


def _refusal(answer: httpx2.Response) -> Exception:
    """What an error answer means to a user: look again, try again, or no."""
    try:
        code = str(answer.json()[0]["errorCode"])
    except (ValueError, LookupError, TypeError):
        code = f"HTTP {answer.status_code}"
    if answer.status_code == 412:
        return Stale(code)
    if answer.status_code in (401, 403, 429, 500, 503) or code == "UNABLE_TO_LOCK_ROW":
        return Again(code)
    return Declined(code)
