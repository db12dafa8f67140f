"""Recovery: what a start does before anything is read or sent. Nothing in flight is assumed done."""

from __future__ import annotations

from dataclasses import dataclass

from agent.flow import planning
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.store import obligations, outbox

#: Entities planned again in one transaction.
SLICE = 500


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the start found: commands whose answer was lost, entities that were planned again."""

    uncertain: int
    planned: int


async def recover(engine: Engine) -> Recovered:
    """Make what was sent uncertain, and plan whatever has something open and no command for it."""
    uncertain = await engine.work(
        "recovery",
        lambda desk: outbox.sent_is_uncertain(
            desk.tx, "the agent stopped behind the send", None, int(desk.terms.uncertain_due_s * 1000)
        ),
    )
    planned = await plan_unsettled(engine)
    return Recovered(uncertain, planned)


async def plan_unsettled(engine: Engine) -> int:
    """Plan every entity with something open and no command that stands for it. Returns how many."""
    done: set[str] = set()
    while True:
        count = await engine.work("recovery.plan", lambda desk: _slice(desk, done))
        if count == 0:
            return len(done)


def _slice(desk: Desk, done: set[str]) -> int:
    pairs = obligations.unsettled(desk.tx, SLICE + 4 * len(done))
    fresh = [entity for entity in dict.fromkeys(pair[0] for pair in pairs) if entity not in done][:SLICE]
    for entity in fresh:
        done.add(entity)
        planning.reconsider(desk, entity)
    return len(fresh)
