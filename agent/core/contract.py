"""The rules of one entity: its contract, who may write which field, and how each system stores it.

Built by the configuration, immutable, and named by ``version`` in every decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from agent.core.delivery import Guarantees
from agent.core.guard import MassLimits
from agent.core.objects import FieldType, ObjectSpec
from agent.core.record import record

#: The agent itself as an owner: of the canonical id that it stamps on records.
AGENT = "isthmus"
#: The contract field of every entity that holds its canonical id, mapped wherever a system keeps one.
IDENTITY = "isthmus_id"


class Transfer(StrEnum):
    """What must arrive: the latest state, or every instance once and in order."""

    STATE = "state"
    EVENT = "event"


class Part(StrEnum):
    """Of an event entity: the body is observed once and never rewritten, status fields are state."""

    BODY = "body"
    STATUS = "status"


class SurvivorshipKind(StrEnum):
    """How a value is chosen where several systems may write."""

    PREFER = "prefer"
    MANUAL = "manual"


class Deletes(StrEnum):
    """What follows when a record is deleted at the system that owns its existence."""

    ASK = "ask"  # a person rules
    FOLLOW = "follow"  # it is deleted wherever the agent may delete


class LanePolicy(StrEnum):
    """What an event entity that waits for a person does to those behind it in its lane."""

    BLOCK = "block"
    SKIP = "skip"


class Role(StrEnum):
    """What a binding is good for. Convergence and reconciliation are about live ones."""

    LIVE = "live"
    SHADOW = "shadow"
    READ_ONLY = "read-only"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """One line of the ownership table; None means any. Of the rows that fit, the most specific holds."""

    owner: str
    legal_entity: str | None = None
    lifecycle_state: str | None = None
    wave: str | None = None
    valid_from: date | None = None


@record(frozen=True, slots=True)
class Context:
    """Where a decision is made: the values the ownership table is asked with."""

    today: date
    legal_entity: str | None = None
    lifecycle_state: str | None = None
    wave: str | None = None


@dataclass(frozen=True, slots=True)
class Survivorship:
    """The rule of a shared field. ``prefer`` names the system that wins a true conflict."""

    kind: SurvivorshipKind
    prefer: str | None = None


@dataclass(frozen=True, slots=True)
class ContractField:
    """One canonical field. ``scale`` is for decimals, ``reference`` names the entity type referred to.

    Exactly one of ``owners`` and ``survivorship`` is set.
    """

    name: str
    type: FieldType = FieldType.TEXT
    owners: tuple[OwnerRow, ...] = ()
    survivorship: Survivorship | None = None
    scale: int = 2
    reference: str | None = None
    part: Part = Part.STATUS
    pii: bool = False

    @property
    def shared(self) -> bool:
        """Whether several systems may write it."""
        return self.survivorship is not None


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One contract field at one system.

    source    the system's field name
    values    canonical value → the system's value, as text; empty when values pass unchanged
    """

    name: str
    source: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntityAtSystem:
    """How one system stores the entity and what the agent may do to it there.

    create    the agent may create records here
    delete    the agent may delete records here
    client    the tag by which our own writes come back, where the system has one
    """

    system: str
    object: ObjectSpec
    fields: Mapping[str, FieldMapping]
    guarantees: Guarantees
    create: bool = False
    delete: bool = False
    role: Role = Role.LIVE
    client: str | None = None
    slack_s: float = 0.0

    @property
    def blind(self) -> bool:
        """Whether records cannot be read here: what it told and what we may assume count as fresh."""
        return not self.guarantees.read_back


@dataclass(frozen=True, slots=True)
class EntityRules:
    """Everything that decides about one entity type.

    births       systems in which such a record may come into being; its own one owns its existence
    deletes      what follows when it is deleted there
    lane         the field within whose value event entities keep their order
    key          the business key that people say on the phone
    amount       the field that holds the money at risk, beside ``currency``
    mass         from where on a person has to agree to what is to be written
    references   the fields that refer to other entities
    """

    type: str
    version: str
    transfer: Transfer
    fields: Mapping[str, ContractField]
    systems: Mapping[str, EntityAtSystem]
    births: tuple[str, ...]
    deletes: Deletes = Deletes.ASK
    lane: str | None = None
    lane_policy: LanePolicy = LanePolicy.BLOCK
    key: str | None = None
    amount: str | None = None
    currency: str | None = None
    legal_entity: str | None = None
    lifecycle_state: str | None = None
    confirm_after_s: float = 1.0
    mass: MassLimits = field(default_factory=MassLimits)
    references: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        named = tuple(name for name, rule in self.fields.items() if rule.reference is not None)
        object.__setattr__(self, "references", named)

    def at(self, system: str) -> EntityAtSystem:
        """The entity at a system; raises KeyError where it is not mapped."""
        return self.systems[system]

    def targets(self, source: str) -> tuple[str, ...]:
        """Systems that a change seen at ``source`` may have to reach."""
        return tuple(name for name, place in self.systems.items() if name != source and place.object.deliver)


def with_identity(rules: EntityRules) -> EntityRules:
    """The rules with the canonical id as a field that the agent owns, wherever a system keeps one.

    Records that we create carry it from birth; records born elsewhere are stamped by their own key.
    """
    systems = {
        name: replace(
            place,
            fields={**place.fields, IDENTITY: FieldMapping(IDENTITY, place.object.external_id)},
        )
        if place.object.external_id
        else place
        for name, place in rules.systems.items()
    }
    identity = ContractField(IDENTITY, owners=(OwnerRow(AGENT),))
    return replace(rules, fields={**rules.fields, IDENTITY: identity}, systems=systems)
