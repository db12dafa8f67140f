"""A backlog by a bulk job instead of many requests: made, uploaded, waited for, and told row by row.

Bulk API 2.0 developer guide, "Ingest". A job does nothing before it is told that its upload is complete; what
it has done is told by three files: rows that succeeded, rows that failed, and rows it never looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from adapters.salesforce.connection.governor import Priority
from adapters.salesforce.connection.http import AnswerLost, NotSent
from adapters.salesforce.connection.rest import Call, Fault, Rest
from adapters.salesforce.jobs.bulk2 import COMPLETE, SETTLED, Job, Jobs
from adapters.salesforce.jobs.csv_cells import CsvCells
from adapters.salesforce.settings import Settings
from adapters.salesforce.table import Table
from adapters.salesforce.write import verdict
from adapters.salesforce.write.parents import chunks, touched
from adapters.salesforce.write.sender import Lot, Sender
from adapters.salesforce.write.upload import Upload, expressible, named
from agent.core.delivery import Delivery, DeliveryKind, Outcome
from agent.errors import IsthmusError, Refused, Unreachable

_log = structlog.get_logger(__name__)

#: Bytes of one upload; 150 MB are allowed after an encoding that makes it larger by half.
_MOST_BYTES = 90_000_000
#: Calls that a job takes, with a few looks at it.
CALLS = 12
#: Seconds between two looks at a job: the first, and the longest.
_FIRST_S, _LONGEST_S = 0.2, 30.0
#: After a job that failed as a whole or took too long its object goes by other requests, for so many seconds.
_SHUN_S = 900.0
#: Tries to fetch a file of results, which is kept for seven days.
_TRIES = 3
#: Whose a new one is, the org's assignment rules say; a bulk job does not ask them.
_ASSIGNED = frozenset({"Lead", "Case"})
_OPERATIONS = {DeliveryKind.CREATE: "upsert", DeliveryKind.UPDATE: "update", DeliveryKind.DELETE: "delete"}
Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Clock:
    """Time that passes: seconds for intervals, and a way to wait some."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Sleep = asyncio.sleep


@dataclass(frozen=True, slots=True)
class _Loose:
    """A job that may still write. One that another life began is not ours to stop."""

    object: str
    ours: bool


class Ingest:
    """The bulk jobs of one target."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        settings: Settings,
        rest: Rest,
        sender: Sender,
        clock: Clock | None = None,
    ) -> None:
        self._tables = tables
        self._settings = settings
        self._rest = rest
        self._jobs = Jobs(rest, "ingest")
        # A job that was started is followed to its end whatever the budget: else a person would have to.
        self._begun = Jobs(rest.at(Priority.PEOPLE), "ingest")
        self._sender = sender
        self._clock = clock or Clock()
        self._shunned: dict[tuple[str, DeliveryKind], float] = {}
        self._loose: dict[str, _Loose] = {}
        self._swept = not settings.bulk_rows

    def takes(self, lot: Lot) -> bool:
        """Whether a job is the better way for these: many calls saved, or any where calls are few."""
        first = next(iter(lot.values()))
        if not self._settings.bulk_rows or not self._rest.governor.jobs_left():
            return False
        if first.kind is DeliveryKind.CREATE and first.object in _ASSIGNED:
            return False
        if self._clock.monotonic() < self._shunned.get((first.object, first.kind), 0.0):
            return False
        saved = -(-len(lot) // 200) - CALLS
        return len(lot) >= self._settings.bulk_from or (saved > 0 and self._rest.governor.tight())

    def fitting(self, lot: Lot) -> dict[int, Delivery]:
        """Those of the commands that mean the same in a file, children of one parent beside each other."""
        table = self._tables[next(iter(lot.values())).object]
        sound = {place: one for place, one in lot.items() if expressible(one.fields)}
        found = chunks(table, sound, max(len(sound), 1)) if sound else []
        return found[0] if len(found) == 1 else {}

    async def send(self, lot: Lot) -> dict[int, Outcome]:
        """One job, or more where it is too large. What is not told of a row leaves it uncertain."""
        first = next(iter(lot.values()))
        table = self._tables[first.object]
        key = table.spec.external_id if first.kind is DeliveryKind.CREATE else "Id"
        outcomes: dict[int, Outcome] = {}
        for part in Upload(lot, key or "Id").parts(_MOST_BYTES):
            async with self._sender.turn({k for one in part.lot.values() for k in touched(table, one)}):
                outcomes |= await self._run(part)
        return outcomes

    async def settle(self) -> dict[str, Outcome]:
        """Before anything is written: the objects that a job out of our sight may still write.

        After a start those of earlier lives are looked for, and what the org allows. By object, what is told
        of every command for it: an older value must not come behind a newer one.
        """
        if self._swept and not self._loose:
            return {}
        try:
            if not self._swept:
                await self._learn()
                self._loose |= await self._left()
                self._swept = True
            for job_id, loose in sorted(self._loose.items()):
                job = await self._begun.look(job_id)
                if job is None or job.state in SETTLED or (loose.ours and await self._aborted(job_id)):
                    del self._loose[job_id]
        except Refused as error:
            _log.warning("no bulk jobs", action="salesforce.bulk", why=str(error))
            self._swept = True  # who may not see jobs has none
            self._loose.clear()
        except IsthmusError as error:
            return dict.fromkeys(self._tables, verdict.withheld(error))
        return {
            loose.object: verdict.not_sent("BULK_JOB_RUNS", f"bulk job {job_id} may still write", _LONGEST_S)
            for job_id, loose in self._loose.items()
        }

    async def _run(self, upload: Upload) -> dict[int, Outcome]:
        first = next(iter(upload.lot.values()))
        wanted: dict[str, Any] = {
            "object": first.object,
            "operation": _OPERATIONS[first.kind],
            "contentType": "CSV",
            "lineEnding": "LF",
        }
        if first.kind is DeliveryKind.CREATE:
            wanted["externalIdFieldName"] = upload.key
        try:
            job = await self._jobs.create(wanted)
            await self._fill(job.id, upload)
            known = await self._begin(job.id)
        except (NotSent, AnswerLost, IsthmusError) as error:
            # A job that was not told that its upload is complete never does anything.
            if isinstance(error, Refused):
                self._shun(upload, str(error))
            wait = error.retry_after if isinstance(error, Unreachable) else None
            return dict.fromkeys(upload.lot, verdict.not_sent("NO_JOB", str(error), wait))
        ended = await self._ended(job.id) if known else None
        if ended is None:
            self._loose[job.id] = _Loose(first.object, ours=True)
            text = f"the end of bulk job {job.id} was not seen"
            return dict.fromkeys(upload.lot, verdict.uncertain("NO_ANSWER", text))
        return await self._told(ended, upload)

    async def _fill(self, job_id: str, upload: Upload) -> None:
        """Raises NotSent, AnswerLost, Unreachable, Refused."""
        headers = {"Content-Type": "text/csv"}
        call = Call("PUT", f"/jobs/ingest/{job_id}/batches", upload.stream, headers=headers)
        reply = await self._rest.call(call)
        if not reply.ok:
            raise self._rest.denied(reply)

    async def _begin(self, job_id: str) -> bool:
        """Start the job; False where it cannot be told whether it started.

        Raises NotSent or Unreachable where it did not and will not.
        """
        try:
            await self._begun.change(job_id, "UploadComplete")
        except (AnswerLost, IsthmusError):
            job = await self._look(job_id)
            if job is not None and job.state == "Open":
                # The request may still be on its way: an aborted job does not obey it.
                job = await self._aborted(job_id)
                if job is not None and job.state == "Aborted":
                    raise Unreachable(
                        f"bulk job {job_id} could not be started", where=self._rest.name
                    ) from None
            return job is not None
        return True

    async def _ended(self, job_id: str) -> Job | None:
        """The job in one of its last states; stopped at the deadline, None where nobody knows."""
        wait, began = _FIRST_S, self._clock.monotonic()
        while True:
            job = await self._look(job_id)
            if job is not None and job.state in SETTLED:
                return job
            left = self._settings.bulk_deadline_s - (self._clock.monotonic() - began)
            if left <= 0:
                return await self._aborted(job_id)
            await self._clock.sleep(min(wait, left))
            wait = min(wait * 2, _LONGEST_S)

    async def _aborted(self, job_id: str) -> Job | None:
        """The job after we stopped it, or as it had ended before; None where it may go on."""
        try:
            job: Job | None = await self._begun.change(job_id, "Aborted")
        except (NotSent, AnswerLost, IsthmusError):
            job = await self._look(job_id)
        return job if job is not None and job.state in SETTLED else None

    async def _look(self, job_id: str) -> Job | None:
        try:
            return await self._begun.look(job_id)
        except IsthmusError:
            return None

    async def _learn(self) -> None:
        """What the org allows. To see it takes a permission (View Setup) that we may do without."""
        reply = await self._rest.call_safe(Call("GET", "/limits"))
        if reply.ok:
            self._rest.governor.limits(reply.body)

    async def _left(self) -> dict[str, _Loose]:
        """Jobs of our user that are not over, from before this life. Raises Unreachable, Refused."""
        found: dict[str, _Loose] = {}
        path, params = "/jobs/ingest", {"jobType": "V2Ingest"}
        user = await self._rest.user()
        while path:
            body = (await self._rest.get(path, params)).body
            if not isinstance(body, dict) or not isinstance(body.get("records"), list):
                raise Unreachable("the answer does not list jobs", where=self._rest.name)
            for one in body["records"]:
                running = one.get("state") in ("UploadComplete", "InProgress")
                mine = str(one.get("createdById", ""))[:15] == user[:15]
                if running and mine and one.get("object") in self._tables:
                    found[str(one["id"])] = _Loose(str(one["object"]), ours=False)
            path, params = str(body.get("nextRecordsUrl") or "").removeprefix(self._rest.base), {}
        return found

    async def _told(self, job: Job, upload: Upload) -> dict[int, Outcome]:
        """What the files of a job say of each row."""
        outcomes: dict[int, Outcome] = {}
        for part in ("successfulResults", "failedResults", "unprocessedrecords"):
            if len(outcomes) == len(upload.lot):
                break
            for _ in range(_TRIES):
                try:
                    outcomes |= await self._part(job, part, upload)
                except Unreachable:
                    continue
                except Refused:
                    break  # a job that failed at its first line has no files
                break
        if job.state != COMPLETE:
            self._shun(upload, job.message or "it took too long")
        missing = upload.lot.keys() - outcomes.keys()
        # A failed job has counted what it did; a stopped one may have done more than it counted.
        untouched = job.state == "Failed" and job.processed == 0 and not outcomes
        text = f"bulk job {job.id} is {job.state}{f': {job.message}' if job.message else ''}"
        left = verdict.not_sent("JOB_FAILED", text) if untouched else verdict.uncertain("NO_RESULT", text)
        return outcomes | dict.fromkeys(missing, left)

    async def _part(self, job: Job, part: str, upload: Upload) -> dict[int, Outcome]:
        found: dict[int, Outcome] = {}
        file = CsvCells()
        async with self._begun.download(job.id, part) as response:
            try:
                async for piece in response.aiter_bytes():
                    self._read(file.feed(piece), file.titles, part, upload, found)
                self._read(file.end(), file.titles, part, upload, found)
            except ValueError as error:
                raise Unreachable(f"{part}: {error}", where=self._rest.name) from None
        return found

    def _read(self, records: Any, titles: Any, part: str, upload: Upload, found: dict[int, Outcome]) -> None:
        for cells in records:
            row = named(titles, cells)
            place = upload.place_of(row)
            if place is None:
                continue
            delivery = upload.lot[place]
            if part == "successfulResults":
                found[place] = verdict.written(row.get("sf__id", ""), row.get("sf__created", ""), delivery)
            elif part == "failedResults":
                found[place] = verdict.of_fault(fault(row.get("sf__error", "")), delivery)
            else:
                found[place] = verdict.not_sent("UNPROCESSED", "the bulk job did not look at this row")

    def _shun(self, upload: Upload, why: str) -> None:
        first = next(iter(upload.lot.values()))
        self._shunned[(first.object, first.kind)] = self._clock.monotonic() + _SHUN_S
        _log.warning("bulk job given up", action="salesforce.bulk", object=first.object, why=why)


def fault(text: str) -> Fault:
    """The error of a failed row: ``CODE:message:field, field --``."""
    code, _, rest = text.strip().removesuffix("--").partition(":")
    message, _, names = rest.rpartition(":")
    fields = tuple(name for name in (one.strip() for one in names.split(",")) if name)
    return Fault(code.strip() or "UNKNOWN_EXCEPTION", (message or names).strip(), fields if message else ())
