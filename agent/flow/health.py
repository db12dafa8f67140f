"""Health: which systems answer. A change is written down once, however often it is noticed."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.store import outbox, systems

log = structlog.get_logger()

#: How often "heard of" is written at most, in milliseconds.
CONTACT_EVERY_MS = 2_000


@dataclass
class Health:
    """What each loop of each system last found. A system is down when its intake or all else is."""

    engine: Engine
    _faults: dict[str, dict[str, str]] = field(default_factory=dict)
    _state: dict[str, str] = field(default_factory=dict)
    _contact: dict[str, int] = field(default_factory=dict)
    _down: set[str] = field(default_factory=set)

    async def declare(self) -> None:
        """Write down which systems there are."""
        kinds = {name: system.kind for name, system in self.engine.systems.items()}

        def work(desk: Desk) -> set[str]:
            systems.keep_only(desk.tx, list(kinds))
            down = systems.down(desk.tx)
            for name, kind in kinds.items():
                systems.declare(desk.tx, name, kind)
            return down

        self._down = await self.engine.work("health", work)

    async def well(self, system: str, loop: str) -> None:
        """A loop of the system did its work."""
        faults = self._faults.setdefault(system, {})
        faults.pop(loop, None)
        await self._note(system)
        now = self.engine.now_ms()
        if now - self._contact.get(system, 0) >= CONTACT_EVERY_MS:
            self._contact[system] = now
            await self.engine.work("health", lambda desk: systems.contact(desk.tx, system))

    async def ill(self, system: str, loop: str, reason: str) -> None:
        """A loop of the system could not do its work. Whoever shows the reason names the system."""
        self._faults.setdefault(system, {})[loop] = reason.removeprefix(f"{system}: ")
        await self._note(system)

    async def _note(self, system: str) -> None:
        faults = self._faults[system]
        state = "up" if not faults else "down" if "intake" in faults else "degraded"
        # what stops intake also stops the rest: that one says best what is to be done
        reason = faults.get("intake") or next(iter(faults.values()), "")
        key = f"{state}:{reason}"
        if self._state.get(system) == key:
            return
        before = self._state.get(system, "").partition(":")[0]
        self._state[system] = key
        await self.engine.work("health", lambda desk: self._change(desk, system, state, reason))
        if state == "down":
            self._down.add(system)
        else:
            self._down.discard(system)
        if before != state:
            tell = log.info if state == "up" else log.warning
            tell(f"system {state}", action=f"system.{state}", system=system, reason=reason)

    def _change(self, desk: Desk, system: str, state: str, reason: str) -> None:
        """Write it down. What could not be sent while the system was down has nothing more to wait for."""
        systems.change(desk.tx, system, state, reason[:300])
        if system in self._down and state != "down":
            outbox.wait_no_longer(desk.tx, system)
            desk.effects.deliver.add(system)
