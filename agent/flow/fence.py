"""The fence: before this life of the store acts at a system, that system's witness says whether it may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent import failpoints
from agent.core.delivery import Mark
from agent.core.fence import Past, Verdict, judge
from agent.errors import Fenced, RolledBack, Unreachable
from agent.flow.desk import Desk
from agent.ports import System, Witness
from agent.store import lives
from agent.store.exceptions import Kind, Raised

if TYPE_CHECKING:
    from agent.flow.engine import Engine

log = structlog.get_logger()

#: How often the mark may change under our hands in one call before it is tried again later.
TRIES = 3


class Fence:
    """Where this life stands with the witness of one system. Without a witness there is nothing to ask.

    ``ask`` before anything is read or sent there, ``stand`` before every effect, ``look`` now and then. They
    raise Unreachable or Refused when the witness cannot be asked (nothing may be done there then), RolledBack
    when the system has seen more than this store knows, Fenced when another life has taken over.
    """

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine = engine
        self._system = system
        self._turn = asyncio.Lock()
        self._known: Mark | None = None
        self._wrote: set[Mark] = set()
        self._registered = False

    async def ask(self) -> None:
        """See to it, once in this life, that the witness knows this life."""
        witness = self._system.witness
        if witness is None or self._known is not None:
            return
        async with self._turn:
            await self._write(witness)

    async def stand(self) -> None:
        """Show that no other life has acted there, and how far the store is on which the effect rests."""
        witness = self._system.witness
        if witness is None:
            return
        async with self._turn:
            await self._write(witness)

    async def look(self) -> None:
        """Notice another life even where there is nothing to do."""
        witness = self._system.witness
        if witness is None or self._known is None:
            return
        async with self._turn:
            await self._judge(await witness.last())

    async def _write(self, witness: Witness) -> None:
        store = self._engine.store
        for _ in range(TRIES):
            if self._known is None:
                self._known = await self._judge(await witness.last())
            mark = Mark(store.life.id, store.epoch, store.token, store.life.host)
            expected, self._known = self._known, None  # what stands there is open until the answer
            self._wrote.add(mark)
            failpoints.hit("fence.before_take")
            held = await witness.take(mark, expected, self._past().ends)
            failpoints.hit("fence.after_take")
            if held:
                if not self._registered:
                    self._tell(expected)
                self._known, self._wrote, self._registered = mark, {mark}, True
                return
            self._wrote.discard(mark)
        raise Unreachable("its mark changes under our hands", where=self._system.name)

    async def _judge(self, seen: Mark) -> Mark:
        verdict = judge(self._past(), seen, self._wrote, registered=self._registered)
        match verdict:
            case Verdict.RENEW:
                raise self._rolled_back(seen)
            case Verdict.FENCED:
                raise await self._fenced(seen)
            case Verdict.STANDS:
                self._registered = True
        return seen

    def _past(self) -> Past:
        store = self._engine.store
        ends = {**store.life.ended, store.life.id: store.token}
        return Past(store.life.id, store.epoch, store.life.renewed, ends)

    def _tell(self, before: Mark) -> None:
        """Say who was there before, where that was another store than this one."""
        if before.life and before.life not in self._engine.store.life.ended:
            log.warning(
                "took over from another life",
                action="fence.taken_over",
                system=self._system.name,
                epoch=self._engine.store.epoch,
                host=self._engine.store.life.host,
                other_epoch=before.epoch,
                other_host=before.host,
            )

    def _rolled_back(self, seen: Mark) -> RolledBack:
        store, name = self._engine.store, self._system.name
        return RolledBack(
            f"{name} has seen what this store does not know: epoch {seen.epoch} on"
            f" {seen.host or 'an unknown host'}, life {seen.life or 'unknown'} at {seen.token}; the store (or"
            f" {name}) was put back from a copy, or another agent runs on one",
            epoch=max(seen.epoch, store.epoch),
            where=str(store.directory),
            remedy="make sure that no other agent runs on a copy of this store",
        )

    async def _fenced(self, seen: Mark) -> Fenced:
        store, name = self._engine.store, self._system.name
        by = f"an agent on {seen.host or 'an unknown host'} (epoch {seen.epoch}, life {seen.life}, at {name})"
        cause = f"this agent ({store.life.host}, epoch {store.epoch}) was taken over from by {by}"
        remedy = (
            "two agents run on copies of one store: stop and remove one of them; if this one is to go on,"
            " run once: isthmus run --take-over"
        )

        def give_up(desk: Desk) -> None:
            desk.raise_(
                Raised(kind=Kind.FENCED, system=name, cause=cause, subject=store.life.id, remedy=remedy)
            )
            lives.fence(desk.tx, store.life.id, by)

        await self._engine.work("fence.lost", give_up)
        log.critical("fenced", action="fence.lost", system=name, other_host=seen.host, other_epoch=seen.epoch)
        return Fenced(cause, where=str(store.directory), remedy=remedy)
