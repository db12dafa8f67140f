"""Recovery: what a start does before anything is read or sent. Nothing in flight is assumed done."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from agent.errors import ConfigError, Problem
from agent.flow import guarding, planning
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.store import entities, obligations, outbox
from agent.store.exceptions import Kind, Raised

#: Entities planned again in one transaction.
SLICE = 500


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the start found: commands whose answer was lost, entities that were planned again."""

    uncertain: int
    planned: int


async def recover(engine: Engine) -> Recovered:
    """Make what was sent uncertain, and plan whatever has something open and no command for it."""
    await engine.work("recovery.check", _check)
    uncertain = await engine.work(
        "recovery",
        lambda desk: outbox.sent_is_uncertain(
            desk.tx, "the agent stopped behind the send", None, int(desk.terms.uncertain_due_s * 1000)
        ),
    )
    await engine.work("recovery.held", guarding.review)
    planned = await plan_unsettled(engine)
    return Recovered(uncertain, planned)


async def plan_unsettled(engine: Engine) -> int:
    """Plan every entity with something open and no command that stands for it. Returns how many."""
    count, last = 0, ""
    while True:
        done = await engine.work("recovery.plan", partial(_slice, after=last))
        if not done:
            return count
        count, last = count + len(done), done[-1]


def _slice(desk: Desk, after: str) -> list[str]:
    found = obligations.unsettled(desk.tx, after, SLICE)
    for entity in found:
        planning.reconsider(desk, entity)
    return found


def _check(desk: Desk) -> None:
    """Refuse to run when the configuration has lost an entity of which something is open."""
    problems = [
        Problem("configuration", f"entities.{type_}", f"is not configured any more, and {count} are open")
        for type_, count in obligations.types_open(desk.tx)
        if type_ not in desk.book.entities
    ]
    if problems:
        raise ConfigError(problems)
    for rules in desk.book.entities.values():
        for name, place in rules.systems.items():
            if place.blind and entities.count_stale(desk.tx, name, rules.type):
                _ask_to_tell(desk, rules.type, name)


def _ask_to_tell(desk: Desk, type_: str, system: str) -> None:
    """A system that cannot be read has to tell its records again, as after a restore."""
    desk.raise_(
        Raised(
            kind=Kind.GAP,
            system=system,
            cause=f"what {system} holds of {type_} is not known any more",
            subject=type_,
            remedy=f"have {system} send its records of {type_} again; until then nothing is sent there",
        )
    )
