"""Intake: from a source into the store. Position, inbox, images, plan and outbox are one transaction."""

from __future__ import annotations

from dataclasses import replace

import structlog

from agent import failpoints
from agent.clock import milliseconds
from agent.core.change import Batch, Change, ChangeKind
from agent.core.fence import Shown
from agent.errors import PositionLost, Refused
from agent.flow import observation
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.flow.snapshot import Snapshot
from agent.ports import System
from agent.store import gaps, positions
from agent.store.lives import RENEWED

log = structlog.get_logger()

#: Changes of a batch that are read ahead together.
AT_ONCE = 200


class Intake:
    """Reads one system's source. ``step`` takes one batch; the runtime repeats it."""

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine = engine
        self._system = system
        self._fence = engine.fences[system.name]
        self._open = False

    async def open(self) -> None:
        """Start behind the stored positions. A lost one makes its scope stale before it is given up (I3)."""
        while not self._open:
            await self._fence.ask()
            await self._snapshot_first()
            known = await self._engine.work(
                "intake.position", lambda desk: positions.get(desk.tx, self._system.name)
            )
            try:
                await self._system.source.open(known)
            except PositionLost as lost:
                await self._lose(lost)
                continue
            self._open = True

    async def step(self) -> int:
        """Wait for a batch, make it durable, release it. Returns how many changes it held."""
        await self.open()
        issued = self._engine.store.token
        try:
            batch = await self._system.source.read()
        except PositionLost as lost:
            await self._lose(lost)
            self._open = False
            return 0
        except BaseException:
            self._open = False
            raise
        shown = await self._engine.work("intake", lambda desk: self._take(desk, batch, issued))
        if shown is not None:
            await self._fence.stand(shown)
        failpoints.hit("intake.before_ack")
        await self._system.source.ack(batch)
        failpoints.hit("intake.after_ack")
        return len(batch.changes)

    async def close(self) -> None:
        """Stop reading."""
        self._open = False
        await self._system.source.close()

    def _take(self, desk: Desk, batch: Batch, issued: int) -> Shown | None:
        """Take the batch; the mark under which it will be released, where that is an effect there."""
        for start in range(0, len(batch.changes), AT_ONCE):
            changes = batch.changes[start : start + AT_ONCE]
            observation.read_ahead(desk, self._system.name, changes)
            for change in changes:
                _one(desk, self._system.name, change, issued)
        if batch.position is not None:
            told = max((milliseconds(change.at) for change in batch.changes if change.at), default=None)
            positions.move(desk.tx, self._system.name, batch.stream, batch.position, told)
        return self._fence.show(desk.tx) if batch.receipt else None

    async def _snapshot_first(self) -> None:
        """After a restore see what is there now before the source tells again how it came to be.

        Old events would pass for news of records that the store has never seen (I8), and documents that are
        missing come before those that the source still has to tell of (I17).
        """
        name = self._system.name
        left = await self._engine.work("intake.renewed", lambda desk: gaps.standing(desk.tx, name, RENEWED))
        if not left:
            return
        try:
            await Snapshot(self._engine, self._system).step()
        except Refused as error:  # a person has to act; the stream must not wait for that
            log.warning("no snapshot", action="intake.unread", system=name, reason=str(error))

    async def _lose(self, lost: PositionLost) -> None:
        def forget(desk: Desk) -> None:
            behind = positions.told(desk.tx, self._system.name, lost.stream)
            for rules in desk.book.entities.values():
                place = rules.systems.get(self._system.name)
                if place is not None and (lost.objects is None or place.object.name in lost.objects):
                    why = f"the position in {lost.stream} was lost: {lost.message}"
                    observation.lose_track(desk, rules, self._system.name, why, behind)
            positions.forget(desk.tx, self._system.name, lost.stream, lost.message)

        await self._engine.work("intake.lost", forget)


def _one(desk: Desk, system: str, change: Change, issued: int) -> None:
    """Take one change. What nobody foresaw about it stops neither the others nor the position (I12).

    It is kept as undecodable, with an exception; what it was about is not trusted any more. Where changes are
    not taken apart, all of this is taken back first, and runs again so that they are.
    """
    if not desk.tx.apart:
        observation.take(desk, system, change, issued)
        return
    desk.tx.savepoint("change")
    mark = desk.mark()
    try:
        observation.take(desk, system, change, issued)
        desk.tx.flush()
    except Exception as error:
        desk.tx.rollback_savepoint("change")
        desk.take_back(mark)
        log.exception("a change could not be taken", action="intake.undecodable", system=system)
        kept = replace(
            change,
            kind=ChangeKind.UNDECODABLE,
            fields={},
            raw=change.raw or repr(dict(change.fields)).encode(errors="backslashreplace"),
            reason=f"it could not be taken: {type(error).__name__}",
        )
        observation.take(desk, system, kept, issued)
    else:
        desk.tx.release_savepoint("change")
