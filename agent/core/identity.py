"""Which entity a record is: by its key, by the canonical id that it carries, or newly born."""

from __future__ import annotations

from enum import StrEnum

from agent.core.contract import EntityRules, Role
from agent.core.message_id import entity_id
from agent.core.record import record


@record(frozen=True, slots=True)
class Sighting:
    """A record that was seen at a system.

    bound        the entity that has its key there, if any
    role         in which role, if so
    live         that entity has another key there now, or had it last
    carried      the canonical id that the record carries, if such an entity exists
    taken        that entity has another key there already
    deleted      what was seen is its deletion
    repeated     the observation was in the inbox before
    unnamed      its system does not show now which canonical ids its records carry
    generation   how many earlier records had this key there
    """

    system: str
    key: str
    bound: str | None = None
    role: Role = Role.LIVE
    live: bool = False
    carried: str | None = None
    taken: bool = False
    deleted: bool = False
    repeated: bool = False
    unnamed: bool = False
    generation: int = 0


class By(StrEnum):
    """How a record was identified."""

    KEY = "key"
    ASIDE = "aside"  # its entity is kept under another key there: what it says changes nothing
    CARRIED = "carried"  # it is to be bound to the entity whose id it carries
    BIRTH = "birth"  # it is to become a new entity


@record(frozen=True, slots=True)
class Identified:
    """The entity of a record, and how that is known."""

    entity: str
    by: By


def identify(rules: EntityRules, seen: Sighting) -> Identified | None:
    """The entity of a record, or None for one that may not be born at this system.

    Such a record stays in the inbox until something binds its key; it is never guessed. One that may carry
    an id which is not shown could be known already.
    """
    if seen.bound is not None:
        counts = seen.role is Role.LIVE or (seen.role is Role.RETIRED and not seen.live)
        return Identified(seen.bound, By.KEY if counts else By.ASIDE)
    if seen.carried is not None:
        return None if seen.taken else Identified(seen.carried, By.CARRIED)
    if seen.system not in rules.births or seen.deleted or seen.repeated or seen.unnamed:
        return None
    return Identified(entity_id(rules.type, seen.system, seen.key, seen.generation), By.BIRTH)
