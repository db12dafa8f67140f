"""Ruling: a person decides which of two values holds. It stands only while both are as they were shown."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.core.entity import Agreed, Base, Entity
from agent.core.survivorship import IMMUTABLE
from agent.flow import planning
from agent.flow.desk import Desk
from agent.store import conflicts, entities
from agent.store.transaction import dump

#: Known to this process alone: a bare hash of a phone number is found again by trying all of them.
_KEY = secrets.token_bytes(32)


class Keep(StrEnum):
    """Which side of a conflict holds."""

    WINNER = "winner"  # the value that the others hold
    LOSER = "loser"  # the value of the system that differs


@dataclass(frozen=True, slots=True)
class Shown:
    """Both values as the person saw them, as digests: the person may have seen only that they are there.

    A digest holds for as long as the process that made it.
    """

    winner: str
    loser: str

    @classmethod
    def of(cls, winner: str, loser: str) -> Shown:
        """The digests of both values, given as JSON text."""
        return cls(_digest(winner), _digest(loser))


class Ruled(StrEnum):
    """What came of a ruling."""

    DONE = "done"
    NOT_OPEN = "not-open"
    IMMUTABLE = "immutable"  # a delivered document is never rewritten, whoever says so
    CHANGED = "changed"  # a value has changed since it was shown; the conflict now shows today's


def rule(desk: Desk, number: int, keep: Keep, shown: Shown, reason: str) -> Ruled:
    """Settle an open conflict, unless a side has changed since the person saw it."""
    row = conflicts.get(desk.tx, number)
    if row is None or row.state != "open":
        return Ruled.NOT_OPEN
    if row.rule == IMMUTABLE:
        return Ruled.IMMUTABLE
    before = entities.get(desk.tx, row.entity)
    held = before.images[row.loser_system].fields.get(row.field)
    agreed = before.agreed[row.field]
    if shown != Shown.of(dump(agreed.value), dump(held)):
        conflicts.refresh(desk.tx, number, agreed, held)
        return Ruled.CHANGED
    after = _ruled(before, row.loser_system, row.field, keep)
    conflicts.decide(desk.tx, number, keep, reason)
    mark = f"{row.loser_system}.{row.field}"
    kept = row.winner_system if keep is Keep.WINNER else row.loser_system
    planning.settle(desk, before, planning.unpark(desk, after, mark, f"ruled: keep {kept}"))
    return Ruled.DONE


def _digest(text: str) -> str:
    return hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()


def _ruled(entity: Entity, system: str, field: str, keep: Keep) -> Entity:
    image, current = entity.images[system], entity.agreed[field]
    value = image.fields.get(field)
    if keep is Keep.LOSER:
        agreed = Agreed(value, current.number + 1, system)
        entity = replace(entity, agreed={**entity.agreed, field: agreed})
        base = Base(value, agreed.number)
    else:
        held = image.base.get(field, Base(value, 0))
        base = held._replace(ruled=(*held.ruled, value))
    return entity.with_image(system, replace(image, base={**image.base, field: base}))
