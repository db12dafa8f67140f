"""The sweep: now and then look for what no event will bring up by itself."""

from __future__ import annotations

from dataclasses import dataclass

from agent.flow import guarding, withholding
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.flow.recovery import plan_unsettled
from agent.store import entities, inbox, outbox
from agent.store.exceptions import Kind, Raised

#: How long a record may go without an entity before a person is told, in milliseconds.
UNBOUND_AFTER_MS = 60_000
#: Rows that one sweep looks at.
LIMIT = 200


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: exceptions opened for late answers and unbound records, entities planned."""

    overdue: int
    unbound: int
    planned: int


async def sweep(engine: Engine) -> Swept:
    """Open exceptions for what is late, and plan what was left open."""
    overdue = await engine.work("sweep.overdue", _overdue)
    unbound = await engine.work("sweep.unbound", _unbound)
    await engine.work("sweep.held", guarding.review)
    await engine.work("sweep.withheld", withholding.review)
    return Swept(overdue, unbound, await plan_unsettled(engine))


def _overdue(desk: Desk) -> int:
    found = outbox.overdue(desk.tx, LIMIT)
    for command in found:
        desk.raise_(
            Raised(
                kind=Kind.OVERDUE,
                system=command.target,
                cause=f"no answer for a command that is {command.state}",
                entity=command.entity,
                command=command.number,
                remedy="ask at the target what became of it; it is never sent anew by itself",
            ),
            entities.get(desk.tx, command.entity),
        )
        outbox.due_again(desk.tx, command.number, int(desk.terms.exception_due_h * 3_600_000))
    return len(found)


def _remedy(desk: Desk, system: str, object_: str) -> str:
    rules = desk.book.for_object(system, object_)
    own = rules.at(system).object.external_id if rules is not None else None
    if own is None:
        return f"allow births at {system} in the configuration, or close this if it is nobody's"
    return (
        f"if it belongs to an entity, write that one's id (isthmus trace KEY tells it) into its field {own}"
    )


def _unbound(desk: Desk) -> int:
    count = 0
    for seq, system, object_, key in inbox.unbound(desk.tx, UNBOUND_AFTER_MS, LIMIT):
        inbox.explain(desk.tx, seq, "unbound")
        if desk.book.for_object(system, object_) is None:
            continue
        count += 1
        desk.raise_(
            Raised(
                kind=Kind.UNBOUND,
                system=system,
                cause=f"{object_} {key} belongs to no entity, and none is born at {system}",
                subject=f"{object_}/{key}",
                inbox=seq,
                remedy=_remedy(desk, system, object_),
            )
        )
    return count
