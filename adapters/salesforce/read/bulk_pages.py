"""A whole object through Bulk API 1.0: one job, cut up by the server into ranges of ids (PK chunking).

Bulk API developer guide, "PK Chunking": the batch that was asked becomes NotProcessed once all of its parts
are there; each part is a batch of its own with its own result.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta

from adapters.salesforce.jobs.bulk import BatchInfo, Bulk, Forgotten, JobInfo
from adapters.salesforce.jobs.bulk2 import waits
from adapters.salesforce.read.place import Place, lost
from adapters.salesforce.read.result import Result
from adapters.salesforce.read.window import Window, between
from adapters.salesforce.table import Table
from agent.core.change import ReadResult
from agent.errors import Refused, RemoteError, Unreachable

#: "PK Chunking Header": the standard objects that can be cut up; every custom object can.
_CHUNKED = frozenset(
    {"Account", "Asset", "Campaign", "CampaignMember", "Case", "CaseArticle", "CaseHistory", "Contact"}
    | {"Event", "EventRelation", "Lead", "LoginHistory", "Opportunity", "Task", "User"}
    | {"WorkOrder", "WorkOrderLineItem"}
)
_OVER = ("Aborted", "Failed")
_SETTLED = ("Completed", "Failed", "NotProcessed")


def can_be_cut(object_name: str) -> bool:
    """Whether PK chunking takes this object."""
    return object_name in _CHUNKED or object_name.endswith("__c")


class BulkPages:
    """Pages of one object by one client. ``chunk``: ids in a part; 0 leaves the query whole."""

    def __init__(
        self, where: str, bulk: Bulk, table: Table, described: Mapping[str, str], slack: timedelta, chunk: int
    ) -> None:
        self._where = where
        self._bulk = bulk
        self._table = table
        self._described = described
        self._slack = slack
        self._chunk = chunk
        self._mine: set[str] = set()

    async def pages(self, place: Place) -> AsyncGenerator[ReadResult, None]:
        """Everything behind a place. Raises Unreachable, Refused, PositionLost."""
        try:
            async with contextlib.aclosing(self._pages(place)) as pages:
                async for page in pages:
                    yield page
        except Forgotten as gone:
            if self._mine and not place.job:
                raise Unreachable(f"{self._table.name}: {gone}", where=self._where) from gone
            raise lost(self._table, str(gone)) from gone

    async def _pages(self, place: Place) -> AsyncGenerator[ReadResult, None]:
        if not place.job:
            place = place.behind(job=await self._make(self._chunk))
            yield _empty(place)
        job = await self._bulk.job(place.job)
        units = await self._units(place)
        for unit in units:
            if unit.id < place.batch:
                continue
            if unit.id > place.batch:
                place = place.behind(batch=unit.id, result=0, rows=0)
            batch, holder = await self._settled(place.job, unit.id), place.job
            if batch.state == "Failed":
                if unit.id not in place.again:
                    place = place.behind(again={**place.again, unit.id: await self._make(0)})
                    yield _empty(place)
                holder = place.again[unit.id]
                batch = await self._ask_again(holder, place.job, batch)
            window = between(job.created, batch.changed, self._slack)
            async with contextlib.aclosing(self._batch(place, holder, batch.id, window)) as pages:
                async for behind, page in pages:
                    place = behind
                    yield page

    async def _batch(
        self, place: Place, job_id: str, batch_id: str, window: Window
    ) -> AsyncGenerator[tuple[Place, ReadResult], None]:
        """The results of one batch from the place on; each page with the place behind it."""
        for number, result_id in enumerate(await self._bulk.results(job_id, batch_id)):
            if number < place.result:
                continue
            if number > place.result:
                place = place.behind(result=number, rows=0)
            result, skip = Result(self._where, self._table, self._described), place.rows
            async with (
                contextlib.aclosing(self._bulk.pieces(job_id, batch_id, result_id)) as pieces,
                contextlib.aclosing(result.pages(pieces, skip)) as pages,
            ):
                async for rows in pages:
                    place = place.behind(rows=place.rows + len(rows))
                    yield place, ReadResult(rows, *window, resume=place.text(), total=place.total, early=True)
            if result.taken < skip:
                raise lost(self._table, "a result is shorter than it was")

    async def _make(self, chunk: int) -> str:
        job_id = await self._bulk.make_query(self._table.name, chunk)
        self._mine.add(job_id)
        return job_id

    async def _units(self, place: Place) -> Sequence[BatchInfo]:
        """The batches that hold the records, once all of them are there; the query is asked if it was not."""
        for wait in waits():
            job = await self._bulk.job(place.job)
            batches = await self._bulk.batches(place.job)
            if job.state in _OVER:
                raise self._over(job.id, f"is {job.state}")
            if not batches:
                await self._ask(job, self._table.query())
                continue
            units = self._cut_up(job, batches)
            if units is not None:
                if job.state == "Open":
                    await self._bulk.close_job(job.id)
                return units
            await asyncio.sleep(wait)
        raise AssertionError("the waits do not end")

    def _cut_up(self, job: JobInfo, batches: Sequence[BatchInfo]) -> Sequence[BatchInfo] | None:
        """None as long as the server is still cutting."""
        units = [batch for batch in batches if batch.state != "NotProcessed"]
        if len(units) < len(batches):
            return units
        if len(batches) == 1 and (not self._chunk or batches[0].state in _SETTLED):
            return batches
        if all(batch.state in _SETTLED for batch in batches):
            raise self._over(job.id, "was not cut up to the end")
        return None

    async def _ask(self, job: JobInfo, soql: str) -> None:
        if job.state != "Open":
            raise self._over(job.id, f"is {job.state} and has no query")
        await self._bulk.query(job.id, soql)

    async def _ask_again(self, job_id: str, first_job: str, failed: BatchInfo) -> BatchInfo:
        """A part that failed, once more in a job of its own, which is not cut up again."""
        batches = await self._bulk.batches(job_id)
        if not batches:
            await self._ask(await self._bulk.job(job_id), await self._bulk.asked(first_job, failed.id))
            batches = await self._bulk.batches(job_id)
        batch = await self._settled(job_id, batches[0].id)
        if batch.state == "Failed":
            raise self._over(job_id, f"failed twice: {batch.message or failed.message}")
        return batch

    async def _settled(self, job_id: str, batch_id: str) -> BatchInfo:
        """A batch, once it is completed or failed."""
        for wait in waits():
            batch = await self._bulk.batch(job_id, batch_id)
            if batch.state == "NotProcessed":
                raise self._over(job_id, "was aborted")
            if batch.state in _SETTLED:
                return batch
            await asyncio.sleep(wait)
        raise AssertionError("the waits do not end")

    def _over(self, job_id: str, why: str) -> RemoteError:
        """A job from which nothing comes any more. Of this reading, beginning anew is no help."""
        text = f"{self._table.name}: bulk job {job_id} {why}"
        if job_id not in self._mine:
            return lost(self._table, text)
        return (Unreachable if "TIMEOUT" in why.upper() else Refused)(text, where=self._where)


def _empty(place: Place) -> ReadResult:
    """The place right behind the making of a job, so that a kill leaves no job that nobody reads."""
    return ReadResult((), resume=place.text(), total=place.total, early=True)
