"""Missed: now and then look at what was touched, because an event may never have been sent.

Salesforce says so of its event bus: an event that could not be stored there is gone (Platform Events guide,
"Decouple Publishing and Subscription"). What a system lists as touched is read and goes through the same
door as every read: where the stream had told it already, nothing comes of it.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from agent.clock import milliseconds, moment
from agent.flow import observation
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.ports import Reader, System
from agent.store import looks

#: Records in one read, and in one transaction.
AT_ONCE = 200
#: A look begins so much before the end of the last one: what was committed late is in neither list else.
OVERLAP = timedelta(minutes=5)


class Missed:
    """Looks at what was touched at one system. ``step`` makes the looks that are due."""

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine = engine
        self._system = system

    async def step(self) -> int:
        """Read what was touched since the last look, per type. Returns how many rows were taken."""
        reader, name, taken = self._system.reader, self._system.name, 0
        if reader is None:
            return 0
        await self._engine.fences[name].ask()
        for type_, until in (await self._engine.work("missed.due", self._due)).items():
            taken += await self._look(reader, type_, until)
        return taken

    async def next_due_ms(self) -> int | None:
        """When the next look is due."""
        every = int(self._engine.terms.look_every_s * 1000)
        last = await self._engine.work(
            "missed.next", lambda desk: looks.earliest(desk.tx, self._system.name, self._types(desk))
        )
        return None if last is None else last + every

    def _types(self, desk: Desk) -> list[str]:
        places = ((r.type, r.systems.get(self._system.name)) for r in desk.book.entities.values())
        return [type_ for type_, place in places if place is not None and place.object.capture]

    def _due(self, desk: Desk) -> dict[str, int]:
        """Types whose look is due → how far the last one reached (ms).

        The first one is an interval after the agent has met the type.
        """
        before = desk.tx.now - int(desk.terms.look_every_s * 1000)
        due: dict[str, int] = {}
        for type_ in self._types(desk):
            last = looks.last(desk.tx, self._system.name, type_)
            if last is None:
                looks.note(desk.tx, self._system.name, type_, desk.tx.now)
            elif last.made <= before:
                due[type_] = last.until
        return due

    async def _look(self, reader: Reader, type_: str, reached: int) -> int:
        engine, name = self._engine, self._system.name
        object_ = engine.book.of(type_).at(name).object.name
        found = await reader.touched(object_, moment(reached) - OVERLAP)
        keys = found.keys if found is not None else ()
        for start in range(0, len(keys), AT_ONCE):
            issue = engine.store.token
            page = await reader.read(object_, keys[start : start + AT_ONCE])
            take = partial(observation.take_rows, type_=type_, system=name, result=page, issue=issue)
            await engine.work("missed", take)
        until = milliseconds(found.until) if found is not None else engine.now_ms()
        await engine.work("missed.looked", lambda desk: looks.note(desk.tx, name, type_, until))
        return len(keys)
