"""Watching the room on the store's disk: with too little of it intake waits, and people are told why."""

from __future__ import annotations

import asyncio

import structlog

from agent.core.space import Reserve, Room, judge
from agent.flow.engine import Engine
from agent.flow.health import Health
from agent.store.database import CHECKPOINT_PAGES
from agent.store.fault import DiskFull, of_system

log = structlog.get_logger()

#: Seconds between two looks at the disk.
LOOK_S = 2.0
#: The name under which each system's health tells of it.
LOOP = "space"
_MB = 1 << 20
#: The log keeps the size that it once had: so many bytes are no sign of a reader that does not end.
LOG_USUAL = 3 * CHECKPOINT_PAGES * 4096


class Space:
    """The gate before every intake. ``look`` is one look; the runtime repeats it every ``LOOK_S`` seconds."""

    def __init__(self, engine: Engine, health: Health, reserve: Reserve) -> None:
        self._ballast = engine.store.ballast
        self._engine = engine
        self._health = health
        self._reserve = reserve
        self._gate = asyncio.Event()
        self._room = Room.ENOUGH
        self._told = ""

    @property
    def open(self) -> bool:
        """Whether more may be taken in. A commit may have given the ballast up since the last look."""
        return self._gate.is_set() and self._ballast.held >= self._reserve.ballast

    async def wait(self) -> None:
        """Until more may be taken in."""
        if not self.open:
            self._gate.clear()
        await self._gate.wait()

    async def relief(self, full: DiskFull) -> None:
        """Until there is room again, for a loop whose transaction found none even without the ballast."""
        log.error("nothing can be written any more", action="space.exhausted", reason=str(full))
        self._gate.clear()
        await self._gate.wait()

    async def look(self) -> None:
        """Look at the disk, open or close the gate, make the ballast anew when there is room for it."""
        try:
            free, held = self._ballast.free(), self._ballast.held
        except OSError as error:
            raise of_system(error, self._engine.store.directory) from error
        self._room = judge(free, held, self._reserve, self._room)
        if self._room is Room.ENOUGH and held < self._reserve.ballast:
            await self._make_ballast()
        if self._room is Room.ENOUGH:
            self._gate.set()
        else:
            self._gate.clear()
        await self._tell(self._reason())

    async def _make_ballast(self) -> None:
        try:
            await asyncio.to_thread(self._ballast.make, self._reserve.ballast)
        except OSError as error:
            self._room = Room.FULL
            log.warning("the ballast could not be made", action="space.no_ballast", reason=str(error))

    def _reason(self) -> str:
        """What people are told; "" when all is well."""
        if self._room is not Room.ENOUGH:
            low = self._room is Room.LOW
            needed = self._reserve.room if low else self._reserve.needed
            return (
                f"disk {'nearly full' if low else 'full'}: intake stopped, deliveries go on;"
                f" when {-(-needed // _MB)} MB are free on the disk of {self._engine.store.directory},"
                " it resumes by itself"
            )
        log_size = self._engine.store.log_size()
        if log_size > max(self._reserve.ballast, LOG_USUAL):
            return (
                f"the log of the store has grown to {log_size // _MB} MB: somebody reads it without end;"
                f" close whatever has {self._engine.store.file.name} open"
            )
        return ""

    async def _tell(self, reason: str) -> None:
        """Once per change: in the log, and in the health of every system."""
        if reason == self._told:
            return
        if reason:
            log.warning(reason, action=f"space.{self._room}")
        else:
            log.info("there is room again", action="space.enough")
        try:
            for name in self._engine.systems:
                if reason:
                    await self._health.ill(name, LOOP, reason)
                else:
                    await self._health.well(name, LOOP)
        except DiskFull:
            # Not even this can be kept: the log has it, and the next look tells again.
            return
        self._told = reason
