"""Confirm: read what is stale. A read that was issued before the last touch proves nothing."""

from __future__ import annotations

from functools import partial

from agent.errors import RemoteError
from agent.flow import observation
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.ports import System
from agent.store import entities

#: Keys in one read (a SOQL IN list of ids; facts of the vendor's query limits).
AT_ONCE = 200


class Confirm:
    """Reads the stale images of one system, in batches. ``step`` is one round."""

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine = engine
        self._system = system

    async def step(self) -> int:
        """Read up to a batch of stale records of each type. Returns how many rows were taken."""
        if self._system.reader is None:
            return 0
        await self._engine.fences[self._system.name].ask()
        engine = self._engine
        wanted = await engine.work("confirm.due", self._due)
        taken = 0
        failed: RemoteError | None = None
        for type_, keys in wanted.items():
            place = engine.book.of(type_).at(self._system.name)
            issue = engine.store.token
            try:
                result = await self._system.reader.read(place.object.name, keys)
            except RemoteError as error:
                failed = error  # one object that cannot be read must not starve the others
                continue
            take = partial(
                observation.take_rows, type_=type_, system=self._system.name, result=result, issue=issue
            )
            await engine.work("confirm", take)
            taken += len(result.rows)
        if failed is not None:
            raise failed
        return taken

    async def next_due_ms(self) -> int | None:
        """When the next image may be read that only waits for our own write to come back."""
        wait = int(self._engine.terms.confirm_after_s * 1000)
        oldest = await self._engine.work(
            "confirm.next", lambda desk: entities.oldest_stale(desk.tx, self._system.name)
        )
        return None if oldest is None else oldest + wait

    def _due(self, desk: Desk) -> dict[str, list[str]]:
        before = desk.tx.now - int(desk.terms.confirm_after_s * 1000)
        name = self._system.name
        types = [rules.type for rules in desk.book.entities.values() if name in rules.systems]
        found = {type_: entities.stale(desk.tx, name, type_, before, AT_ONCE) for type_ in types}
        return {type_: keys for type_, keys in found.items() if keys}
