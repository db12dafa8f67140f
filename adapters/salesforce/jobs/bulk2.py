"""Jobs of Bulk API 2.0, of queries and of uploads alike: made, looked at, waited for, and their files read.

Bulk API 2.0 developer guide, "Query" and "Ingest". A job and what it found or refused live for seven days; an
answer to a query has to be fetched with the API version with which the job was made (409 else).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import httpx2

from adapters.salesforce.connection.rest import Call, Reply, Rest
from adapters.salesforce.values import parse_moment, to_json
from agent.errors import Unreachable

#: States that a job does not leave any more.
SETTLED = frozenset({"JobComplete", "Failed", "Aborted"})
COMPLETE = "JobComplete"
_UNKNOWN = frozenset({"NOT_FOUND", "INVALID_ID_FIELD", "INVALIDJOB"})
#: Seconds between two looks at a job: the first, and the longest. Half as long again each time.
_FIRST_S = 0.2
_LONGEST_S = 20.0


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the server tells it. ``processed`` and ``failed`` are numbers of records.

    ``created`` and ``changed`` are by the server's clock, in whole seconds; a settled job was settled at
    ``changed`` the latest.
    """

    id: str
    state: str
    processed: int
    failed: int
    created: datetime
    changed: datetime
    message: str = ""


class Jobs:
    """The jobs of one kind."""

    def __init__(self, rest: Rest, kind: Literal["query", "ingest"]) -> None:
        self._rest = rest
        self._path = f"/jobs/{kind}"

    async def create(self, wanted: Mapping[str, Any]) -> Job:
        """Make a job. Raises NotSent, AnswerLost (there may be one now), Unreachable, Refused."""
        return self._job(await self._rest.call(Call("POST", self._path, to_json(wanted))))

    async def look(self, job_id: str) -> Job | None:
        """A job as it is now; None where the server knows it no more. Raises Unreachable, Refused."""
        reply = await self._rest.call_safe(Call("GET", f"{self._path}/{job_id}"))
        if reply.status in (400, 404) and reply.faults()[0].code in _UNKNOWN:
            return None
        return self._job(reply)

    async def change(self, job_id: str, state: str) -> Job:
        """Set a job to UploadComplete or Aborted. Raises NotSent, AnswerLost, Unreachable, Refused."""
        return self._job(
            await self._rest.call(Call("PATCH", f"{self._path}/{job_id}", to_json({"state": state})))
        )

    async def settled(self, job_id: str) -> Job | None:
        """Wait until a job is in one of its last states; None where the server knows it no more.

        Raises Unreachable, Refused. The server ends every job itself, so there is no limit here.
        """
        for wait in waits():
            job = await self.look(job_id)
            if job is None or job.state in SETTLED:
                return job
            await asyncio.sleep(wait)
        raise AssertionError("the waits do not end")

    def download(
        self, job_id: str, part: str, wanted: Mapping[str, str] | None = None
    ) -> contextlib.AbstractAsyncContextManager[httpx2.Response]:
        """A file of a job, read piece by piece: ``results``, ``successfulResults``, ``failedResults``,
        ``unprocessedrecords``. Raises Unreachable, Refused."""
        call = Call(
            "GET", f"{self._path}/{job_id}/{part}", params=wanted or {}, headers={"Accept": "text/csv"}
        )
        return self._rest.download(call)

    def _job(self, reply: Reply) -> Job:
        if not reply.ok:
            raise self._rest.denied(reply)
        try:
            body = reply.body
            created = parse_moment(str(body["createdDate"]))
            return Job(
                id=str(body["id"]),
                state=str(body["state"]),
                processed=int(body.get("numberRecordsProcessed") or 0),
                failed=int(body.get("numberRecordsFailed") or 0),
                created=created,
                changed=max(created, parse_moment(str(body.get("systemModstamp") or body["createdDate"]))),
                message=str(body.get("errorMessage") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unreachable("the answer is no bulk job", where=self._rest.name) from None


def waits() -> Iterator[float]:
    """Seconds between looks at something that takes from a second to hours; never ends."""
    wait = _FIRST_S
    while True:
        yield wait
        wait = min(wait * 1.5, _LONGEST_S)
