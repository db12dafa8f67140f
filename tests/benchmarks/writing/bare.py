"""The bare reference: the same records by the same API, with an HTTP client and nothing else."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from typing import Any

import httpx2

BASE = "/services/data/v62.0"
KEY = "Isthmus_Id__c"
SIZE = 200
Record = dict[str, str]


class BareLoop:
    """A signed-in client that writes accounts."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._http = httpx2.Client(base_url=told["http"], trust_env=False, timeout=120)
        form = {name: told[name] for name in ("client_id", "client_secret")}
        answer = self._http.post("/services/oauth2/token", data={"grant_type": "client_credentials", **form})
        token = answer.raise_for_status().json()["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Hangs up."""
        self._http.close()

    def used(self) -> int:
        """API calls that the org has answered."""
        return int(self._http.post("/_sandbox/calls", json={}).raise_for_status().json()["used"])

    def collections(self, records: Sequence[Record]) -> list[str]:
        """Updates of records with an id, upserts of others, 200 to a request. Returns the ids."""
        ids: list[str] = []
        path = f"{BASE}/composite/sobjects" + ("" if _known(records) else f"/Account/{KEY}")
        for start in range(0, len(records), SIZE):
            some = [{"attributes": {"type": "Account"}, **one} for one in records[start : start + SIZE]]
            answer = self._http.patch(path, json={"allOrNone": False, "records": some}).raise_for_status()
            ids += [str(one["id"]) for one in answer.json()]
        return ids

    def conditional(self, records: Sequence[Record], since: str) -> list[str]:
        """Updates one by one, each on condition that nobody wrote the record since then. Returns the ids."""
        for one in records:
            path = f"{BASE}/sobjects/Account/{one['Id']}"
            headers = {"If-Unmodified-Since": since}
            self._http.patch(path, json={"Phone": one["Phone"]}, headers=headers).raise_for_status()
        return [one["Id"] for one in records]

    def job(self, records: Sequence[Record], pause: float) -> list[str]:
        """The same by one bulk job, looked at every ``pause`` seconds."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        jobs = f"{BASE}/jobs/ingest"
        wanted = {"object": "Account", "operation": "update", "lineEnding": "LF"}
        if not _known(records):
            wanted |= {"operation": "upsert", "externalIdFieldName": KEY}
        job = self._http.post(jobs, json=wanted).raise_for_status().json()["id"]
        headers = {"Content-Type": "text/csv"}
        self._http.put(f"{jobs}/{job}/batches", content=text.getvalue().encode(), headers=headers)
        self._http.patch(f"{jobs}/{job}", json={"state": "UploadComplete"}).raise_for_status()
        while self._http.get(f"{jobs}/{job}").json()["state"] != "JobComplete":
            time.sleep(pause)
        found = self._http.get(f"{jobs}/{job}/successfulResults").raise_for_status().text
        return [row["sf__Id"] for row in csv.DictReader(io.StringIO(found))]


def _known(records: Sequence[Record]) -> bool:
    return "Id" in records[0]
