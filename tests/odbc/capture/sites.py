"""Capture of single tables in their own ways, seen as the engine sees it: positions kept, changes taken."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.odbc.tables import Capture, TableSettings
from agent.core.change import Batch, Change, ChangeKind, Operation, RawValue
from agent.ports import System
from tests.odbc.site import PATIENCE_S, Site

#: How a comparison is set for quick tests.
QUICK: dict[str, Any] = {"capture": Capture.DIFFERENCE, "difference_every_s": 0.01, "segment_rows": 10}


#: A table that is not captured.
OFF: dict[str, Any] = {"capture": Capture.NONE}


def only(table: str, **settings: Any) -> dict[str, dict[str, Any]]:
    """Settings under which nothing else is captured."""
    return {name: settings if name == table else OFF for name in ("customer", "invoice", "sample")}


class Reading:
    """An engine in small: what it was told, the positions that it keeps, and the tables as it knows them."""

    def __init__(self, site: Site, tables: dict[str, dict[str, Any]], **changes: Any) -> None:
        self.site = site
        self.tables = {name: TableSettings.model_validate(table) for name, table in tables.items()}
        self._changes = changes
        self.positions: dict[str, bytes] = {}
        self.told: list[Change] = []
        self.known: dict[str, dict[str, dict[str, RawValue]]] = {}
        self.system: System = self._system()

    def _system(self) -> System:
        return self.site.system(tables=self.tables, **self._changes)

    async def open(self) -> Reading:
        """Begin at the positions that were kept."""
        await self.system.source.open(dict(self.positions))
        return self

    async def restart(self, tables: dict[str, dict[str, Any]] | None = None) -> Reading:
        """Another life of the agent, with the positions of this one, and other settings if given."""
        await self.system.source.close()
        await self.system.target.close()
        if tables is not None:
            self.tables = {name: TableSettings.model_validate(table) for name, table in tables.items()}
        self.system = self._system()
        return await self.open()

    async def batch(self, *, keep: bool = True) -> Batch:
        """The next batch, made durable unless it is not to be kept."""
        async with asyncio.timeout(PATIENCE_S):
            batch = await self.system.source.read()
        if keep:
            self.take(batch)
            await self.system.source.ack(batch)
        return batch

    def take(self, batch: Batch) -> None:
        """Changes and position, together."""
        if batch.position is not None:
            self.positions[batch.stream] = batch.position
        self.told += batch.changes
        for change in batch.changes:
            rows = self.known.setdefault(change.object, {})
            for key in change.keys:
                if change.operation is Operation.DELETE:
                    rows.pop(key, None)
                else:
                    rows[key] = dict(change.fields)

    async def until(self, count: int) -> list[Change]:
        """At least ``count`` more changes."""
        start = len(self.told)
        async with asyncio.timeout(PATIENCE_S):
            while len(self.told) < start + count:
                await self.batch()
        return self.told[start:]

    async def begun(self, *tables: str) -> None:
        """Every one of these tables was told to be unknown, and read whole, as the engine does."""
        lacking = set(tables)
        while lacking:
            for change in await self.until(1):
                if change.kind is ChangeKind.OVERFLOW and change.object in lacking:
                    lacking.remove(change.object)
                    await self.read_whole(change.object)

    async def read_whole(self, table: str) -> None:
        """What a snapshot of the engine finds."""
        assert self.system.reader is not None
        self.known[table] = {
            row.key: dict(row.fields or {})
            async for page in self.system.reader.page(table)
            for row in page.rows
        }

    async def quiet(self, seconds: float = 0.3) -> list[Change]:
        """What is still told while nothing happens at the ERP for a while."""
        start = len(self.told)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self.batch()
        except TimeoutError:
            pass
        await self.restart()
        return self.told[start:]


def fill(site: Site, count: int, first: int = 0) -> list[str]:
    """Rows of ``sample`` with keys in order."""
    connection = site.user(autocommit=False)
    keys = [f"K{number:06d}" for number in range(first, first + count)]
    for key in keys:
        connection.execute("INSERT INTO sample (code, note) VALUES (?, 'as it was')", key)
    connection.commit()
    return keys
