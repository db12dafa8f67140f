"""Ruling: a person decides which of two values holds. It stands only while both are as they were shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from agent.core.entity import Agreed, Base, Entity
from agent.flow import planning
from agent.flow.desk import Desk
from agent.store import conflicts, entities
from agent.store.transaction import load


class Keep(StrEnum):
    """Which side of a conflict holds."""

    WINNER = "winner"  # the value that the others hold
    LOSER = "loser"  # the value of the system that differs


@dataclass(frozen=True, slots=True)
class Shown:
    """Both values as the person saw them, as JSON text."""

    winner: str
    loser: str


class Ruled(StrEnum):
    """What came of a ruling."""

    DONE = "done"
    NOT_OPEN = "not-open"
    CHANGED = "changed"  # a value has changed since it was shown; the conflict now shows today's


def rule(desk: Desk, number: int, keep: Keep, shown: Shown, reason: str) -> Ruled:
    """Settle an open conflict, unless a side has changed since the person saw it."""
    row = conflicts.get(desk.tx, number)
    if row is None or row.state != "open":
        return Ruled.NOT_OPEN
    before = entities.get(desk.tx, row.entity)
    held = before.images[row.loser_system].fields.get(row.field)
    agreed = before.agreed[row.field].value
    if (load(shown.winner), load(shown.loser)) != (agreed, held):
        conflicts.refresh(desk.tx, number, agreed, held)
        return Ruled.CHANGED
    after = _ruled(before, row.loser_system, row.field, keep)
    conflicts.decide(desk.tx, number, keep, reason)
    mark = f"{row.loser_system}.{row.field}"
    planning.settle(desk, before, planning.unpark(desk, after, mark, f"ruled: {keep}"))
    return Ruled.DONE


def _ruled(entity: Entity, system: str, field: str, keep: Keep) -> Entity:
    image, current = entity.images[system], entity.agreed[field]
    value = image.fields.get(field)
    if keep is Keep.LOSER:
        agreed = Agreed(value, current.number + 1, system)
        entity = replace(entity, agreed={**entity.agreed, field: agreed})
        base = Base(value, agreed.number)
    else:
        held = image.base.get(field, Base(value, 0))
        base = replace(held, ruled=(*held.ruled, value))
    return entity.with_image(system, replace(image, base={**image.base, field: base}))
