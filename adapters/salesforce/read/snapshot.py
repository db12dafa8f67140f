"""All records of an object: which way they are read, and page by page by growing id where that is the way."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from adapters.salesforce.connection.rest import Call, Rest
from adapters.salesforce.jobs.bulk import Bulk
from adapters.salesforce.jobs.bulk2 import Jobs
from adapters.salesforce.read import place as places
from adapters.salesforce.read.bulk2_pages import Bulk2Pages
from adapters.salesforce.read.bulk_pages import BulkPages, can_be_cut
from adapters.salesforce.read.place import Place, Way
from adapters.salesforce.read.query import Queries
from adapters.salesforce.read.result import PAGE
from adapters.salesforce.read.window import of_reply
from adapters.salesforce.settings import Settings
from adapters.salesforce.table import Table
from adapters.salesforce.values import soql
from agent.core.change import ReadResult
from agent.errors import Refused, Unreachable


class Snapshot:
    """Reads whole objects. ``bulk`` makes a client of Bulk API 1.0, which is closed again."""

    def __init__(self, settings: Settings, rest: Rest, bulk: Callable[[], Bulk]) -> None:
        self._settings = settings
        self._rest = rest
        self._queries = Queries(rest)
        self._bulk = bulk
        self._slack = timedelta(seconds=settings.slack_s)

    async def pages(self, table: Table, resume: str) -> AsyncGenerator[ReadResult, None]:
        """Everything behind ``resume``. Raises Unreachable, Refused, PositionLost.

        A reading that a removed field stops can be begun anew, without that field; so can one without a field
        that is there again: what it says of the field would contradict every other read.
        """
        view, version = table.visible(), self._settings.api_version
        place = places.read(resume, view, version) if resume else await self._begin(view)
        try:
            async with contextlib.aclosing(self._way(view, place)) as pages:
                async for page in pages:
                    if table.is_back(view):
                        text = f"{table.name}: a field is there again that this reading is without"
                        raise Unreachable(text, where=self._rest.name)
                    yield replace(page, lacking=view.lacking)
        except Refused as error:
            if not table.lack(error.message):
                raise
            raise Unreachable(error.message, where=error.where, remedy=error.remedy) from error

    async def _begin(self, table: Table) -> Place:
        """The beginning of a reading: few records by pages, many by a bulk job."""
        chosen, total = self._settings.snapshot, await self._count(table)
        if chosen != "auto":
            way = Way(chosen)
        elif total is not None and total < self._settings.snapshot_bulk_from:
            way = Way.REST
        else:
            way = Way.BULK if can_be_cut(table.name) else Way.BULK2
        return places.begin(table, way, self._settings.api_version, total)

    async def _way(self, table: Table, place: Place) -> AsyncGenerator[ReadResult, None]:
        if place.way is Way.REST:
            async with contextlib.aclosing(self._by_id(table, place)) as pages:
                async for page in pages:
                    yield page
            return
        described = await self._described(table)
        if place.way is Way.BULK2:
            second = Bulk2Pages(self._rest.name, Jobs(self._rest, "query"), table, described, self._slack)
            async with contextlib.aclosing(second.pages(place)) as pages:
                async for page in pages:
                    yield page
            return
        chunk = self._settings.snapshot_chunk if can_be_cut(table.name) else 0
        async with self._bulk() as bulk:
            first = BulkPages(self._rest.name, bulk, table, described, self._slack, chunk)
            async with contextlib.aclosing(first.pages(place)) as pages:
                async for page in pages:
                    yield page

    async def _by_id(self, table: Table, place: Place) -> AsyncGenerator[ReadResult, None]:
        """By growing Id, at most 2,000 a page, each with its own window.

        The next page is asked for behind the last Id and not by the server's cursor, which expires. A record
        that exists all the time is met exactly once.
        """
        while True:
            where = f"WHERE Id > {soql(place.after)} " if place.after else ""
            reply = await self._queries.ask(table.query(f"{where}ORDER BY Id LIMIT {PAGE}"))
            rows = self._queries.rows(table, reply)
            if not rows:
                return
            place = place.behind(after=rows[-1].key)
            yield ReadResult(rows, *of_reply(reply, self._slack), resume=place.text(), total=place.total)
            if len(rows) < PAGE and reply.body.get("done") is True:
                return

    async def _count(self, table: Table) -> int | None:
        """How many records there are; None where counting takes the server too long."""
        text = f"SELECT COUNT() FROM {table.name}"  # noqa: S608 - names were checked
        reply = await self._rest.call_safe(Call("GET", "/query", params={"q": text}))
        if not reply.ok:
            if reply.faults()[0].code == "QUERY_TIMEOUT":
                return None
            raise self._rest.denied(reply)
        try:
            return int(reply.body["totalSize"])
        except (KeyError, TypeError, ValueError):
            raise Unreachable("the answer to a count has no number", where=self._rest.name) from None

    async def _described(self, table: Table) -> Mapping[str, str]:
        """Field → type, as the object describes itself; a bulk result has no types."""
        reply = await self._rest.get(f"/sobjects/{table.name}/describe")
        try:
            return {str(one["name"]): str(one["type"]) for one in reply.body["fields"]}
        except (KeyError, TypeError):
            raise Unreachable("the answer is no describe", where=self._rest.name) from None
