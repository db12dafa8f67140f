"""People who work in Salesforce and in SAP, one call at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

_DATA = "/services/data/v62.0"
Row = dict[str, Any]
#: Fields of the journal of edits whose values are personal data.
_PERSONAL = frozenset({"Name", "Phone", "BillingStreet", "phone"})


def personal_data(edits: Path) -> set[str]:
    """Every name, street and phone number that somebody typed, by the journal of edits."""
    lines = [json.loads(line) for line in edits.read_text().splitlines()]
    return {str(edit["value"]) for edit in lines if edit["field"] in _PERSONAL}


class SalesforcePeople:
    """A user of the org over REST, and the org's own log of writes."""

    def __init__(self, org: Mapping[str, Any]) -> None:
        self._http = httpx2.Client(base_url=str(org["http"]), timeout=30.0)
        form = {
            "grant_type": "client_credentials",
            "client_id": str(org["client_id"]),
            "client_secret": str(org["client_secret"]),
        }
        token = self._sent("POST", "/services/oauth2/token", data=form).json()["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def create(self, sobject: str, **fields: str) -> str:
        """The new record's id."""
        return str(self._sent("POST", f"{_DATA}/sobjects/{sobject}", json=fields).json()["id"])

    def edit(self, sobject: str, identifier: str, **fields: object) -> None:
        """Save fields of a record."""
        self._sent("PATCH", f"{_DATA}/sobjects/{sobject}/{identifier}", json=fields)

    def delete(self, sobject: str, identifier: str) -> None:
        """Put a record into the bin."""
        self._sent("DELETE", f"{_DATA}/sobjects/{sobject}/{identifier}")

    def undelete(self, identifier: str) -> None:
        """Take a record out of the bin (SOAP API, undelete)."""
        self._soap(f"<undelete><ids>{identifier}</ids></undelete>")

    def merge(self, sobject: str, loser: str, winner: str) -> None:
        """Merge two records (SOAP API, merge)."""
        self._soap(
            f'<merge><request><masterRecord xsi:type="urn1:{sobject}"><urn1:type>{sobject}</urn1:type>'
            f"<urn1:Id>{winner}</urn1:Id></masterRecord><recordToMergeIds>{loser}</recordToMergeIds>"
            "</request></merge>"
        )

    def exists(self, sobject: str, identifier: str) -> bool:
        """Whether a record is there, and not in the bin."""
        return bool(self.query(f"SELECT Id FROM {sobject} WHERE Id = '{identifier}'"))

    def account(self, identifier: str) -> Row:
        """An account as it is now."""
        found: Row = self._sent("GET", f"{_DATA}/sobjects/Account/{identifier}").json()
        return found

    def settled(self, identifier: str) -> bool:
        """Whether the second of an account's last write is over: a guard tells no two in it apart."""
        written = datetime.fromisoformat(str(self.account(identifier)["LastModifiedDate"]))
        return datetime.now(UTC) - written > timedelta(seconds=1.5)

    def query(self, soql: str) -> list[Row]:
        """The records of a query (a page of them is enough here)."""
        found: list[Row] = self._sent("GET", f"{_DATA}/query", params={"q": soql}).json()["records"]
        return found

    def arm(self, kind: str, sobject: str, **more: object) -> None:
        """Have something go wrong once, soon."""
        self._sent("POST", "/_sandbox/faults", json={"kind": kind, "scope": sobject, **more})

    def armed(self) -> list[Row]:
        """What has not gone wrong yet."""
        found: list[Row] = self._sent("GET", "/_sandbox/faults").json()["armed"]
        return found

    def writes(self, identifier: str) -> list[Row]:
        """Everything that was written to a record, by whomever."""
        log: list[Row] = self._sent("GET", "/_sandbox/log").json()["writes"]
        return [entry for entry in log if entry["id"] == identifier]

    def _soap(self, body: str) -> None:
        session = self._http.headers["Authorization"].removeprefix("Bearer ")
        envelope = (
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns="urn:partner.soap.sforce.com" xmlns:urn1="urn:sobject.partner.soap.sforce.com"'
            ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Header><SessionHeader>'
            f"<sessionId>{session}</sessionId></SessionHeader></soapenv:Header>"
            f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        )
        headers = {"Content-Type": "text/xml", "SOAPAction": '""'}
        answer = self._sent("POST", "/services/Soap/u/62.0", content=envelope, headers=headers).text
        assert "<success>true</success>" in answer, answer

    def _sent(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return self._http.request(method, path, **more).raise_for_status()


class SapPeople:
    """Users and staff of the sample SAP."""

    def __init__(self, sap: Mapping[str, Any]) -> None:
        self._http = httpx2.Client(base_url=str(sap["http"]), timeout=30.0)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def customers(self, number: str) -> list[Row]:
        """Customers with this number (SORTL)."""
        return [row for row in self._rows("/customers") if row["sortl"] == number]

    def received(self, docnum: str = "") -> list[Row]:
        """IDocs that came in, with a partner's number where one is given."""
        found = [row for row in self._rows("/idocs") if row["direction"] == 2]
        return [row for row in found if docnum in ("", row["partner_docnum"])]

    def edit(self, kunnr: str, **fields: str) -> None:
        """A user edits a customer."""
        self._post(f"/customers/{kunnr}", fields)

    def switch(self, **switches: bool) -> None:
        """Staff change how the system behaves."""
        self._post("/switches", switches)

    def reprocess(self, docnum: str) -> None:
        """Staff post a refused IDoc once more."""
        self._post(f"/reprocess?docnum={docnum}", None)

    def send_broken_file(self) -> str:
        """The name of a file whose second IDoc is cut in the middle."""
        return str(self._post("/broken", None).json()["file"])

    def _rows(self, path: str) -> list[Row]:
        found: list[Row] = self._http.get(path).raise_for_status().json()
        return found

    def _post(self, path: str, body: object) -> httpx2.Response:
        return self._http.post(path, json=body).raise_for_status()


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer that has arrived everywhere, by all its keys."""

    number: str
    account: str
    customer_id: int
    kunnr: str
