"""The fence: before this life of the store acts at a system, that system's witness says whether it may."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from agent import failpoints
from agent.core.delivery import Mark
from agent.core.fence import Past, Shown, Verdict, judge
from agent.errors import Fenced, RolledBack, Unreachable
from agent.flow.desk import Desk
from agent.ports import System, Witness
from agent.store import lives
from agent.store.exceptions import Kind, Raised
from agent.store.transaction import Transaction

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
        self._shown: list[Shown] = []
        self._loaded = False
        self._now: Shown | None = None  # the latest of this life
        self._held = ""

    async def ask(self) -> None:
        """See to it, once in this life, that the witness knows this life."""
        witness = self._system.witness
        if witness is None or self._known is not None:
            return
        async with self._turn:
            if not self._loaded:
                name = self._system.name
                self._shown = await self._engine.work("fence.shown", lambda desk: lives.shown(desk.tx, name))
                self._loaded = True
            await self._write(witness)

    def show(self, tx: Transaction) -> Shown:
        """Keep, in the transaction on which an effect rests, the mark under which it will be made."""
        mark = Shown(self._engine.store.life.id, tx.token, secrets.token_hex(8))
        if self._system.witness is not None:
            lives.show(tx, self._system.name, mark, self._held)
        return mark

    async def stand(self, mark: Shown) -> None:
        """Show that no other life has acted there, and how far the store is on which the effect rests.

        ``mark``: kept in a transaction that has been committed.
        """
        witness = self._system.witness
        if witness is None:
            return
        async with self._turn:
            self._shown.append(mark)
            self._now = max(self._now or mark, mark, key=lambda one: one.token)
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
            life = store.life
            now = self._now or Shown(life.id, life.token, "")
            mark = Mark(now.life, store.epoch, now.token, life.host, now.stamp)
            expected, self._known = self._known, None  # what stands there is open until the answer
            self._wrote.add(mark)
            failpoints.hit("fence.before_take")
            held = await witness.take(mark, expected, self._ends())
            failpoints.hit("fence.after_take")
            if held:
                if not self._registered:
                    self._tell(expected)
                self._known, self._wrote, self._registered = mark, {mark}, True
                self._hold(mark.stamp)
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
                self._hold(seen.stamp)
            case Verdict.TAKE if seen.life in self._engine.store.life.lived and seen.stamp:
                # Kept before our own mark takes its place: the next start could not tell any more.
                name = self._system.name
                self._hold(seen.stamp)
                await self._engine.work("fence.held", lambda desk: lives.hold(desk.tx, name, seen.stamp))
        return seen

    def _past(self) -> Past:
        store = self._engine.store
        lived = (*store.life.lived, store.life.id)
        return Past(store.life.id, store.epoch, store.life.renewed, lived, tuple(self._shown))

    def _ends(self) -> Mapping[str, int]:
        """Up to which token the store knows what each of its lives has done there."""
        life = self._engine.store.life
        ends = {**life.lived, life.id: life.token}
        for shown in self._shown:
            if shown.held or shown is self._now:
                ends[shown.life] = max(ends.get(shown.life, 0), shown.token)
        return ends

    def _hold(self, stamp: str) -> None:
        """The system had this mark, so no earlier one will stand there again by our doing."""
        place = next((n for n, one in enumerate(self._shown) if stamp and one.stamp == stamp), None)
        if place is not None:
            last = replace(self._shown[place], held=True)
            before = [one for one in self._shown[:place] if one.held and one.life != last.life]
            self._shown[: place + 1] = [*before, last]
            self._held = stamp

    def _tell(self, before: Mark) -> None:
        """Say who was there before, where that was another store than this one."""
        if before.life and before.life not in self._engine.store.life.lived:
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
