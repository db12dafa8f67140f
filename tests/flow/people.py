"""What people do about the flow of a world: hold systems, let them go on, agree to mass changes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from agent.core.guard import MassLimits
from agent.core.rulebook import Rulebook
from agent.flow.acts import ExceptionActs
from agent.flow.engine import Engine
from tests.flow.systems.meanwhile import Meanwhile

ALL = "*"


class People:
    """The part of a world that may stop it. ``held``: system → how often it was written to by then."""

    engine: Engine
    meanwhile: Meanwhile
    limits: MassLimits | None = None
    held: dict[str, int]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the store."""
        raise NotImplementedError

    def _run(self, step: Callable[[], Coroutine[Any, Any, int]]) -> int:
        raise NotImplementedError

    def hold(self, system: str) -> None:
        """A person stops all writes to a system, or to all (``*``)."""
        self._run(lambda: self._act("hold", system))
        self.look()

    def release(self, system: str) -> None:
        """A person lets a system go on, or all."""
        self._run(lambda: self._act("release", system))
        self.look()

    def approve(self) -> None:
        """A person agrees to the mass change that has waited longest."""
        found = self.rows("SELECT scope FROM hold WHERE scope LIKE '%@%' ORDER BY since, scope")
        if found:
            self._run(lambda: self._act("release", str(found[0][0])))

    def limit(self, floor: int) -> None:
        """From now on more records than this, and than half of what a target holds, are a mass change."""
        self.limits = MassLimits(0.5, floor, 0.5, floor)
        self.engine.book = self.limited(self.engine.book)

    def limited(self, book: Rulebook) -> Rulebook:
        """The rules with the limits of now."""
        if self.limits is None:
            return book
        return Rulebook({n: replace(rules, mass=self.limits) for n, rules in book.entities.items()})

    def let_go(self) -> bool:
        """People let everything go on that is held; whether there was anything."""
        found = [str(row[0]) for row in self.rows("SELECT scope FROM hold ORDER BY scope")]
        for scope in found:
            self._run(lambda scope=scope: self._act("release", scope))  # type: ignore[misc] # bound now
        self.look()
        return bool(found)

    def look(self) -> None:
        """Note which systems are held now, and how often each had been written to when that began."""
        found = {str(row[0]) for row in self.rows("SELECT scope FROM hold WHERE scope NOT LIKE '%@%'")}
        stopped = set(self.engine.systems) if ALL in found else found
        calls = self.meanwhile.passed
        self.held = {name: self.held.get(name, calls[f"{name}.apply"]) for name in stopped}

    async def _act(self, verb: str, scope: str) -> int:
        acts = ExceptionActs(self.engine)
        acted = await (acts.hold if verb == "hold" else acts.release)(scope, "op1", "a test")
        assert acted.done, acted.text
        return 1
