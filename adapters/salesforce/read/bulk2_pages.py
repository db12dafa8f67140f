"""A whole object through one query job of Bulk API 2.0, whose result is fetched in parts by locator.

Bulk API 2.0 developer guide, "Get Results for a Query Job": as long as the job is there, a locator does not
change and can be used again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta

from adapters.salesforce.connection.http import AnswerLost, NotSent
from adapters.salesforce.jobs.bulk2 import COMPLETE, Job, Jobs
from adapters.salesforce.read.place import Place, lost
from adapters.salesforce.read.result import Result
from adapters.salesforce.read.window import between
from adapters.salesforce.table import Table
from agent.core.change import ReadResult, Row
from agent.errors import Refused, RemoteError, Unreachable

#: Records of one part: what is fetched again where a connection breaks.
PART = 50_000
_PIECE = 1 << 16
#: Codes for a job or a part of its result that the server has no more.
_LOST = ("NOT_FOUND", "INVALID_QUERY_LOCATOR", "INVALIDJOB", "JOB_NOT_COMPLETE", "HTTP_409", "HTTP_404")


class Bulk2Pages:
    """Pages of one object. ``part``: records fetched with one request."""

    def __init__(
        self,
        where: str,
        jobs: Jobs,
        table: Table,
        described: Mapping[str, str],
        slack: timedelta,
        part: int = PART,
    ) -> None:
        self._where = where
        self._jobs = jobs
        self._table = table
        self._described = described
        self._slack = slack
        self._part = part

    async def pages(self, place: Place) -> AsyncGenerator[ReadResult, None]:
        """Everything behind a place. Raises Unreachable, Refused, PositionLost."""
        mine = not place.job
        if mine:
            place = place.behind(job=(await self._make()).id)
            yield ReadResult((), resume=place.text(), total=place.total, early=True)
        job = await self._jobs.settled(place.job)
        if job is None:
            text = f"the server knows job {place.job} no more"
            if mine:
                raise Unreachable(f"{self._table.name}: {text}", where=self._where)
            raise lost(self._table, text)
        if job.state != COMPLETE:
            raise self._over(job, mine)
        if place.total is None:
            place = place.behind(total=job.processed)
        window = between(job.created, job.changed, self._slack)
        part: Place | None = place
        while part is not None:
            async with contextlib.aclosing(self._part_of(part, mine)) as pages:
                async for part, rows in pages:
                    if part is not None and rows:
                        yield ReadResult(rows, *window, resume=part.text(), total=part.total, early=True)

    async def _part_of(
        self, place: Place, mine: bool
    ) -> AsyncGenerator[tuple[Place | None, tuple[Row, ...]], None]:
        """Pages of one part, each with the place behind it; last the place of the next part, if any."""
        result, skip = Result(self._where, self._table, self._described), place.rows
        wanted = {"maxRecords": str(self._part), **({"locator": place.locator} if place.locator else {})}
        try:
            async with (
                self._jobs.download(place.job, "results", wanted) as response,
                contextlib.aclosing(result.pages(response.aiter_bytes(_PIECE), skip)) as pages,
            ):
                async for rows in pages:
                    place = place.behind(rows=place.rows + len(rows))
                    yield place, rows
                headers = response.headers
        except Refused as refused:
            if mine or not refused.message.startswith(_LOST):
                raise
            raise lost(self._table, refused.message) from refused
        if result.taken < skip:
            raise lost(self._table, "a part of the result is shorter than it was")
        told = headers.get("sforce-numberofrecords", "")
        if told.isdigit() and int(told) != result.taken:
            text = f"{self._table.name}: {result.taken} of the {told} records of a bulk result arrived"
            raise Unreachable(text, where=self._where)
        after = headers.get("sforce-locator", "")
        yield (None if after in ("", "null") else place.behind(locator=after, rows=0)), ()

    async def _make(self) -> Job:
        try:
            return await self._jobs.create({"operation": "query", "query": self._table.query()})
        except (NotSent, AnswerLost) as error:
            raise Unreachable(str(error), where=self._where) from error

    def _over(self, job: Job, mine: bool) -> RemoteError:
        """A job from which nothing comes any more. Of this reading, beginning anew is no help."""
        text = f"{self._table.name}: bulk job {job.id} is {job.state}"
        if not mine:
            return lost(self._table, text)
        text = f"{text}: {job.message}" if job.message else text
        return (Unreachable if "TIMEOUT" in text.upper() else Refused)(text, where=self._where)
