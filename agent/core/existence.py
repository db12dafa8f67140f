"""Existence: whether a record still is, and who decides it (I21).

The system at which an entity was born owns its existence. A deletion there ends the entity where the rules
say so; anywhere else it is a conflict, and a person rules. What has ended leaves a tombstone: older news of
it never bring it back, only its owner having it again does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.core.contract import Deletes, EntityRules, Transfer
from agent.core.entity import Ended, Entity
from agent.core.fate import Fate
from agent.core.survivorship import Conflict, changed
from agent.core.value import Canonical


class Turn(StrEnum):
    """What has become of an entity's existence."""

    ENDS = "ends"
    RETURNS = "returns"


@dataclass(frozen=True, slots=True)
class Existence:
    """A change of existence; ``ended`` is the tombstone of one that ends."""

    turn: Turn
    ended: Ended | None = None


def judge(entity: Entity, rules: EntityRules, back: frozenset[str]) -> Existence | None:
    """What the images say about the entity's existence that is not written down yet; None for nothing new.

    ``back``: systems that have the record again. A document is never ended by its deletion: what was posted
    is reversed, never deleted.
    """
    owner = entity.birth
    if entity.ended is not None:
        if owner in back:
            return Existence(Turn.RETURNS)
        return _merged_since(entity, entity.ended)
    if owner not in entity.keys or not entity.gone(owner) or rules.transfer is Transfer.EVENT:
        return None
    into = entity.images[owner].merged_into
    if into is not None and into != entity.id:
        return Existence(Turn.ENDS, Ended(owner, into))
    if rules.deletes is Deletes.FOLLOW:
        return Existence(Turn.ENDS, Ended(owner))
    return None


def _merged_since(entity: Entity, ended: Ended) -> Existence | None:
    """A record that had been deleted came back and was merged, before anybody here had seen it back."""
    image = entity.images.get(entity.birth)
    if ended.into is not None or image is None or not entity.gone(entity.birth):
        return None
    if image.merged_into in (None, entity.id):
        return None
    return Existence(Turn.ENDS, Ended(entity.birth, image.merged_into))


def lost(entity: Entity, rules: EntityRules, target: str) -> tuple[Conflict, ...]:
    """What users of a target wrote into shared fields and whoever deleted the record never saw (I10)."""
    ended = entity.ended
    if ended is None:
        return ()
    decided = entity.images.get(ended.by)
    found = []
    for name, rule in rules.fields.items():
        value = _said_there(entity, target, name) if rule.shared else None
        if value is None:
            continue
        seen = decided.base.get(name) if decided is not None else None
        agreed = entity.agreed[name]
        if value == agreed.value and seen is not None and seen.number >= agreed.number:
            continue
        base = seen.value if seen is not None else None
        found.append(
            Conflict(name, f"existence:{ended.by}", ended.by, None, target, value, base, decided=True)
        )
    return tuple(found)


def _said_there(entity: Entity, target: str, name: str) -> Canonical:
    """What users of a target said last: it was agreed, or it is in conflict with what was. None for nothing.

    What is in conflict stays there when the record's key passes to another one, and is that one's conflict.
    """
    image, agreed = entity.images.get(target), entity.agreed.get(name)
    if image is None or agreed is None:
        return None
    held = image.fields.get(name)
    merged = entity.ended is not None and entity.ended.into is not None
    if image.fresh and not merged and held != agreed.value and changed(held, image.base.get(name)):
        return held
    return agreed.value if agreed.system == target else None


def refused(entity: Entity, rules: EntityRules, system: str, fate: Fate) -> str | None:
    """Why a ruling about a record that is gone at ``system`` cannot be carried out; None where it can."""
    if entity.ended is not None:
        return f"the record was deleted by {entity.ended.by}"
    if system not in entity.keys or not entity.gone(system):
        return f"{system} has the record, or it is not known yet whether it has"
    if fate is Fate.LEAVE:
        return None
    if rules.transfer is Transfer.EVENT:
        return "a posted document is reversed, never deleted or posted again from here"
    if fate is Fate.RECREATE and not rules.at(system).create:
        return f"the configuration does not let the agent create it at {system}"
    return None
