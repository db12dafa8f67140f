"""The engine: what every step of the flow shares. Built once by the runtime, driven directly by tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from agent.clock import Clock, milliseconds
from agent.core.rulebook import Rulebook
from agent.flow import binding, existence
from agent.flow.desk import Desk, Terms
from agent.flow.effects import Effects
from agent.flow.fence import Fence
from agent.ports import System
from agent.store.database import Store
from agent.store.writer import Writes

T = TypeVar("T")


@dataclass
class Signal:
    """Wakes a loop: set by whoever leaves work, waited for with a limit, so that nothing polls."""

    event: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self) -> None:
        """There is work."""
        self.event.set()

    async def wait(self, limit_s: float) -> None:
        """Until there is work, or for at most ``limit_s`` seconds."""
        try:
            async with asyncio.timeout(limit_s):
                await self.event.wait()
        except TimeoutError:
            pass
        self.event.clear()


@dataclass
class Engine:
    """The store, the rules, the systems and the clock, and the signals between the steps."""

    store: Store
    writes: Writes
    book: Rulebook
    systems: Mapping[str, System]
    clock: Clock
    terms: Terms = field(default_factory=Terms)
    chance: random.Random = field(default_factory=random.Random)
    deliver: dict[str, Signal] = field(default_factory=dict)
    confirm: dict[str, Signal] = field(default_factory=dict)
    snapshot: dict[str, Signal] = field(default_factory=dict)
    fences: dict[str, Fence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, system in self.systems.items():
            self.fences.setdefault(name, Fence(self, system))
            self.deliver.setdefault(name, Signal())
            self.confirm.setdefault(name, Signal())
            self.snapshot.setdefault(name, Signal())

    async def work(self, label: str, work: Callable[[Desk], T], actor: str = "agent") -> T:
        """Run a unit of work in one transaction, with all that follows from it, then wake who has work."""
        spread = self.chance.random()
        effects = Effects()

        def run(tx: object) -> T:
            desk = Desk(tx, self.book, self.terms, spread)  # type: ignore[arg-type] # the writer's own type
            result = work(desk)
            while desk.pending:
                existence.follow_up(desk)
                binding.follow_up(desk)
            effects.add(desk.effects)
            return result

        result = await self.writes.write(label, run, actor)
        self.wake(effects)
        return result

    def wake(self, effects: Effects) -> None:
        """Tell the loops that have work now."""
        for name in effects.deliver & self.deliver.keys():
            self.deliver[name].set()
        for name in effects.confirm & self.confirm.keys():
            self.confirm[name].set()
        for name in effects.snapshot & self.snapshot.keys():
            self.snapshot[name].set()

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return milliseconds(self.clock.now())
