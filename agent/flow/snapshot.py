"""Snapshot: after a gap, read every record of a type; those that were born in it become known here."""

from __future__ import annotations

from functools import partial

from agent.core.change import ReadResult
from agent.flow import observation
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.ports import System
from agent.store import gaps


class Snapshot:
    """Closes the gaps of one system that can be read. ``step`` closes those that stand."""

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine = engine
        self._system = system

    async def step(self) -> int:
        """Read all records of every type with a gap, page by page. Returns how many rows were taken.

        The stream goes on meanwhile: a row that was touched since its page was asked for is read again.
        """
        if self._system.reader is None:
            return 0
        await self._engine.fences[self._system.name].ask()
        name, taken = self._system.name, 0
        for type_ in await self._engine.work("snapshot.due", lambda desk: gaps.standing(desk.tx, name)):
            taken += await self._read(type_)
        return taken

    async def next_due_ms(self) -> int | None:
        """Nothing falls due by itself: a gap wakes the loop."""
        return None

    async def _read(self, type_: str) -> int:
        reader, engine, name = self._system.reader, self._engine, self._system.name
        place = engine.book.of(type_).systems.get(name)
        if reader is None or place is None:
            return 0
        begun, taken = engine.store.token, 0
        issue = begun
        async for page in reader.page(place.object.name):
            await engine.work("snapshot", partial(self._take, type_=type_, page=page, issue=issue))
            taken += len(page.rows)
            issue = engine.store.token
        await engine.work("snapshot.done", lambda desk: gaps.close(desk.tx, name, type_, begun))
        return max(taken, 1)

    def _take(self, desk: Desk, type_: str, page: ReadResult, issue: int) -> None:
        rules = desk.book.of(type_)
        for row in page.rows:
            observation.read(desk, rules, self._system.name, row, page, issue)
