"""Recovery: what a start does before anything is read or sent. Nothing in flight is assumed done."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import structlog

from agent.errors import ConfigError, Problem, RemoteError
from agent.flow import guarding, observation, planning
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.store import entities, lives, obligations, outbox
from agent.store.exceptions import Kind, Raised

log = structlog.get_logger()

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
    await engine.work("recovery.renew", _renew)
    uncertain = await engine.work(
        "recovery",
        lambda desk: outbox.sent_is_uncertain(
            desk.tx, "the agent stopped behind the send", None, int(desk.terms.uncertain_due_s * 1000)
        ),
    )
    await engine.work("recovery.held", guarding.review)
    planned = await plan_unsettled(engine)
    return Recovered(uncertain, planned)


async def ask_witness(engine: Engine, system: str) -> None:
    """Ask whether this store is older than what was done with it; a silent witness is asked again later.

    Raises RolledBack or Fenced.
    """
    try:
        await engine.fences[system].ask()
    except RemoteError as error:
        log.warning("witness silent", action="fence.silent", system=system, reason=str(error))


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


def _renew(desk: Desk) -> None:
    """A new epoch has begun: what nobody has read since is not known, and what was planned before is not due.

    A life that is lost may have sent what this store was about to send, and newer things behind it.
    """
    why = lives.take_renewal(desk.tx)
    if why is None:
        return
    outbox.withdraw_ready(desk.tx, "planned before the store was put back")
    for rules in desk.book.entities.values():
        for system, place in rules.systems.items():
            if place.blind:
                _ask_to_tell(desk, rules.type, system)
            else:
                observation.lose_track(desk, rules, system, lives.RENEWED)
    desk.raise_(
        Raised(
            kind=Kind.RESTORED,
            system="",
            cause=f"epoch {desk.tx.epoch} was begun: {why}",
            subject=str(desk.tx.epoch),
            remedy="nothing is lost at the systems, and everything is read again; what people decided here"
            " since the copy was made has to be decided again. Close this when you know why it happened",
        )
    )


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
            remedy=f"put what came from {system} since the copy was made (for IDocs: the archived files)"
            f" where it comes in, then have {system} send all its records of {type_};"
            " until then nothing is sent there",
        )
    )
