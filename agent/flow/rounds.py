"""Rounds: one step again and again, resting until there is work, and further apart while it fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agent.core.retry import LEAST_S, LONGEST_S, Pause, Retry
from agent.errors import Refused, RemoteError, Unreachable
from agent.flow.engine import Engine, Signal
from agent.flow.health import Health

#: A loop without work looks at the clock at least this often, in seconds.
IDLE_S = 30.0
#: Shortest rest of a loop that has nothing to do yet, in seconds: a clock may be late.
SHORTEST_S = 0.02
#: First wait after a system did not answer, in seconds.
FIRST_S = 0.5
#: Longest that a system may ask to be left alone, in seconds.
ASKED_S = 3600.0


def after(error: RemoteError, failures: int, retry: Retry, spread: float) -> float:
    """Seconds until a system is asked again that failed as a whole so often in a row.

    Doubling with jitter, never longer than its cap; a refusal needs a person and is asked rarely; a system
    that said when is believed.
    """
    if isinstance(error, Unreachable) and error.retry_after is not None:
        return min(error.retry_after, ASKED_S)
    longest = min(LONGEST_S, retry.cap_s)
    ceiling = longest if isinstance(error, Refused) else min(longest, FIRST_S * 2 ** min(failures, 12))
    return FIRST_S + spread * max(ceiling - FIRST_S, 0.0)


@dataclass
class Rounds:
    """One loop of one system. ``refused`` says why a whole round failed though every command was answered."""

    engine: Engine
    health: Health
    system: str
    loop: str
    step: Callable[[], Awaitable[int]]
    next_due_ms: Callable[[], Awaitable[int | None]]
    wake: Signal
    refused: Callable[[], str | None] | None = None
    mark: Callable[[str], None] = lambda loop: None
    chance: random.Random = field(default_factory=random.Random)
    failures: int = 0

    async def run(self) -> None:
        """Until it is cancelled, or something unforeseen is raised."""
        while True:
            await self.rest(await self.once())

    async def once(self) -> Pause:
        """One step; how long to rest after it."""
        self.mark(f"{self.loop} {self.system}")
        try:
            moved = await self.step()
        except RemoteError as error:
            self.failures += 1
            await self.health.ill(self.system, self.loop, str(error))
            return Pause(after(error, self.failures, self._retry, self.chance.random()), LEAST_S)
        fault = self.refused() if self.refused is not None else None
        if fault is not None:
            self.failures += 1
            await self.health.ill(self.system, self.loop, f"{self.system}: {fault}")
            return self._retry.pause(self.failures, await self._due_s(), self.chance.random())
        if moved:
            await self._well()
            return Pause(0.0, 0.0)
        due = await self._due_s()
        if self.failures and not self._to_be_tried(due):
            await self._well()
        return Pause(IDLE_S if due is None else min(IDLE_S, max(due, SHORTEST_S)), 0.0)

    async def rest(self, pause: Pause) -> None:
        """Rest; a signal ends it, though not before its least."""
        if pause.seconds <= 0:
            return
        least = min(pause.seconds, pause.least)
        if least > 0:
            await asyncio.sleep(least)
        await self.wake.wait(pause.seconds - least)

    @property
    def _retry(self) -> Retry:
        return self.engine.terms.retry_of(self.system)

    def _to_be_tried(self, due_s: float | None) -> bool:
        """Whether what failed is still to be tried: then a step without work shows nothing of the system."""
        return self.refused is not None and due_s is not None and due_s <= self._retry.cap_s

    async def _well(self) -> None:
        await self.health.well(self.system, self.loop)
        self.failures = 0

    async def _due_s(self) -> float | None:
        due = await self.next_due_ms()
        return None if due is None else (due - self.engine.now_ms()) / 1000
