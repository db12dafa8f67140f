"""Health: which systems answer. A change is written down once, however often it is noticed."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from agent.flow.engine import Engine
from agent.store import systems

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

    async def declare(self) -> None:
        """Write down which systems there are."""
        kinds = {name: system.kind for name, system in self.engine.systems.items()}

        def work(tx: object) -> None:
            systems.keep_only(tx, list(kinds))  # type: ignore[arg-type] # the writer's own type
            for name, kind in kinds.items():
                systems.declare(tx, name, kind)  # type: ignore[arg-type] # the writer's own type

        await self.engine.writes.write("health", work)

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
        await self.engine.work("health", lambda desk: systems.change(desk.tx, system, state, reason[:300]))
        if before != state:
            tell = log.info if state == "up" else log.warning
            tell(f"system {state}", action=f"system.{state}", system=system, reason=reason)
