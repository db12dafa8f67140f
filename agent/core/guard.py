"""The guard against mass changes: when so much of a scope is about to be written that a person must agree.

What counts is how many *records* of a scope had a command planned within the window, however often each, and
whether it has been sent or not: a mass change that trickles out is one all the same. It is compared with how
many records of the type the target holds now.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.delivery import DeliveryKind
from agent.core.record import record

#: A scope that stands for all systems.
EVERYTHING = "*"


@record(frozen=True, slots=True)
class Scope:
    """What one approval is about: one kind of command, for one entity type, at one target."""

    type: str
    target: str
    kind: DeliveryKind

    @property
    def name(self) -> str:
        """As people write it: ``customer@erp:update``. No name of a type or system has an @ or a colon."""
        return f"{self.type}@{self.target}:{self.kind}"


def covered(named: str, name: str) -> bool:
    """Whether ``customer@erp`` or ``customer@erp:update``, as a person named it, means the scope ``name``."""
    return name == named or name.startswith(f"{named}:")


def scope(name: str) -> Scope:
    """The scope of a name. Raises ValueError for what is none."""
    place, _, kind = name.rpartition(":")
    type_, _, target = place.partition("@")
    if not (type_ and target):
        raise ValueError(f"{name!r} names no scope")
    return Scope(type_, target, DeliveryKind(kind))


@dataclass(frozen=True, slots=True)
class MassLimits:
    """From where on a change is a mass change. Both must be exceeded.

    change_share, delete_share   share of the records that the target holds
    change_floor, delete_floor   records; so few are never held, however small the target's holding
    """

    change_share: float = 0.25
    change_floor: int = 500
    delete_share: float = 0.05
    delete_floor: int = 10

    def floor(self, kind: DeliveryKind) -> int:
        """Up to so many records are never a mass change."""
        return self.delete_floor if kind is DeliveryKind.DELETE else self.change_floor

    def share(self, kind: DeliveryKind) -> float:
        """Up to this share of the records is never a mass change."""
        return self.delete_share if kind is DeliveryKind.DELETE else self.change_share

    def allowed(self, kind: DeliveryKind, live: int) -> int:
        """How many records may be written within a window where the target holds ``live`` of them."""
        return max(self.floor(kind), int(self.share(kind) * live))


@record(frozen=True, slots=True)
class Judgement:
    """``mass``: more than may go unasked. ``hold``: and nobody has agreed to it."""

    mass: bool
    hold: bool
    allowed: int


def judge(scope: Scope, limits: MassLimits, planned: int, live: int, approved: bool) -> Judgement:
    """Whether a scope is to be held.

    ``planned``: records with a command within the window; ``live``: records that the target holds;
    ``approved``: a person has agreed to the mass change that is going on. The agreement ends with it, as soon
    as no more is planned within a window than may go unasked: the next mass change is another one.
    """
    allowed = limits.allowed(scope.kind, live)
    mass = planned > allowed
    return Judgement(mass, mass and not approved, allowed)
