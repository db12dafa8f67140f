"""Snapshot: close a gap by reading what was touched in it, or else every record, also those born in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog

from agent.clock import moment
from agent.core.change import ReadResult, Row
from agent.errors import PositionLost
from agent.flow import observation, planning
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.ports import Reader, System
from agent.store import entities, gaps, obligations
from agent.store.gaps import Gap

log = structlog.get_logger()

#: Rows in one transaction: others write in between.
AT_ONCE = 200
#: Images of one transaction that are looked at: nothing happened of most, be there a gap or none.
LOOKED_AT = 500
#: Of so many touched records, and more than this share of what is known, everything is read instead.
FEW = 2_000
SHARE = 0.2
#: Commit times that a source told are no closer than this to what it had told by then.
MARGIN = timedelta(minutes=10)


class Snapshot:
    """Closes the gaps of one system that can be read. ``step`` closes those that stand."""

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine = engine
        self._system = system

    async def step(self) -> int:
        """Close every gap that stands. Returns how many rows were taken. Raises RemoteError.

        The stream goes on meanwhile: a row that was touched since its page was asked for is read again.
        """
        reader, name = self._system.reader, self._system.name
        if reader is None:
            return 0
        await self._engine.fences[name].ask()
        taken = 0
        for gap in await self._engine.work("snapshot.due", lambda desk: gaps.standing(desk.tx, name)):
            if name in self._engine.book.of(gap.type).systems:
                taken += await self._close(reader, gap)
        return taken

    async def next_due_ms(self) -> int | None:
        """Nothing falls due by itself: a gap wakes the loop."""
        return None

    async def _close(self, reader: Reader, gap: Gap) -> int:
        resuming = gap.begun is not None and gap.begun >= gap.token and gap.resume != ""
        keys = None if resuming else await self._touched(reader, gap)
        if keys is not None:
            return await self._reread(reader, gap, keys)
        try:
            return await self._read(reader, gap, gap.resume if resuming else "")
        except PositionLost as lost:
            log.warning("snapshot begins anew", action="snapshot.anew", type=gap.type, reason=lost.message)
            return await self._read(reader, gap, "")

    # --- by what was touched in the gap

    async def _touched(self, reader: Reader, gap: Gap) -> Sequence[str] | None:
        """Keys of what was touched since the gap began; None where that is not known, or too much."""
        if gap.behind is None:
            return None
        place = self._engine.book.of(gap.type).at(self._system.name)
        found = await reader.touched(place.object.name, moment(gap.behind) - MARGIN)
        if found is None:
            return None
        known = await self._engine.work(
            "snapshot.known", lambda desk: entities.count_stale(desk.tx, self._system.name, gap.type)
        )
        many = len(found.keys) > FEW and len(found.keys) > known * SHARE
        return None if many else found.keys

    async def _reread(self, reader: Reader, gap: Gap, keys: Sequence[str]) -> int:
        """Read these; all others that nothing was heard of are what they were."""
        engine, name = self._engine, self._system.name
        place = engine.book.of(gap.type).at(name)
        begun, total = engine.store.token, len(keys)
        await engine.work("snapshot.begin", lambda desk: gaps.begin(desk.tx, name, gap.type, begun, total))
        for start in range(0, total, AT_ONCE):
            issue = engine.store.token
            page = await reader.read(place.object.name, keys[start : start + AT_ONCE])
            await self._take(gap, page, page.rows, issue, "")
        behind: tuple[str, str] | None = entities.FIRST
        while behind is not None:
            behind = await engine.work("snapshot.spare", partial(self._spare, gap=gap, behind=behind))
        how = f"{total} records were touched meanwhile, and read"
        await self._done(gap, begun, how)
        return max(total, 1)

    def _spare(self, desk: Desk, gap: Gap, behind: tuple[str, str]) -> tuple[str, str] | None:
        """Images of which nothing happened are fresh again, and what waited for them is planned.

        Returns the last of those that were looked at.
        """
        name = self._system.name
        spared, last = entities.restore_lapsed(desk.tx, name, gap.type, gap.token, behind, LOOKED_AT)
        for entity in obligations.open_of(desk.tx, spared):
            planning.reconsider(desk, entity)
        return last

    # --- by everything

    async def _read(self, reader: Reader, gap: Gap, resume: str) -> int:
        """Read every record, page by page, from ``resume`` on."""
        engine, name = self._engine, self._system.name
        place = engine.book.of(gap.type).at(name)
        begun = gap.begun if resume and gap.begun is not None else engine.store.token
        if resume:
            await engine.work("snapshot.begin", lambda desk: gaps.go_on(desk.tx, name, gap.type))
        else:
            await engine.work("snapshot.begin", lambda desk: gaps.begin(desk.tx, name, gap.type, begun, None))
        taken, issue = 0, engine.store.token
        async for page in reader.page(place.object.name, resume):
            at = begun if page.early else issue
            for start in range(0, max(len(page.rows), 1), AT_ONCE):
                rows = page.rows[start : start + AT_ONCE]
                last = start + AT_ONCE >= len(page.rows)
                await self._take(gap, page, rows, at, page.resume if last else None)
            taken += len(page.rows)
            issue = engine.store.token
        await self._done(gap, begun, "a snapshot has seen every record")
        return max(taken, 1)

    async def _take(
        self, gap: Gap, page: ReadResult, rows: Sequence[Row], issue: int, resume: str | None
    ) -> None:
        """Rows of a page become durable; with the last of them, where to go on behind the page."""

        def work(desk: Desk) -> None:
            observation.take_rows(desk, gap.type, self._system.name, page, issue, rows)
            gaps.advance(desk.tx, self._system.name, gap.type, len(rows), resume, page.total)

        await self._engine.work("snapshot", work)

    async def _done(self, gap: Gap, begun: int, how: str) -> None:
        def work(desk: Desk) -> None:
            gaps.close(desk.tx, self._system.name, gap.type, begun, how)
            desk.effects.confirm.add(self._system.name)

        await self._engine.work("snapshot.done", work)
