"""The counters of the guard say what a count over the outbox says, and what is held is marked."""

from __future__ import annotations

from collections import Counter

from agent.clock import milliseconds
from agent.store.planned import MINUTE_MS
from tests.flow.world import World


def counted(world: World) -> None:
    """Compare the counters with the rows that they stand for."""
    rows = world.rows(
        "SELECT type || '@' || target || ':' || kind, entity, planned FROM outbox"
        " WHERE sent IS NOT NULL OR state NOT IN ('rejected', 'superseded') ORDER BY number"
    )
    newest = {(scope, entity): planned for scope, entity, planned in rows}
    real = dict(Counter((scope, planned // MINUTE_MS) for (scope, _), planned in newest.items()))
    kept = {
        (scope, minute): count
        for scope, minute, count in world.rows("SELECT scope, minute, count FROM planned WHERE count > 0")
    }
    first = (milliseconds(world.clock.now()) - world.engine.terms.mass_window_ms) // MINUTE_MS
    kept, real = ({p: count for p, count in found.items() if p[1] >= first} for found in (kept, real))
    assert kept == real, f"I15: the counters say {kept}, the outbox {real}"


def marked(world: World) -> None:
    """A command that stands ready is marked as held if and only if its scope is."""
    odd = world.rows(
        "SELECT number, held FROM outbox WHERE state = 'ready' AND held <> EXISTS (SELECT 1 FROM hold"
        " WHERE scope = outbox.type || '@' || target || ':' || kind)"
    )
    assert not odd, f"I15: (command, held) {odd} do not say whether their scopes are held"


def unwritten(world: World) -> None:
    """Nothing has been handed to a system since it was held."""
    for system, calls in world.held.items():
        now = world.meanwhile.passed[f"{system}.apply"]
        assert now == calls, f"I16: {system} is held, and was written to {now - calls} times"
