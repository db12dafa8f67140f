"""All rules together: which entity an object of a system is, and in which context a decision is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from agent.core.contract import Context, EntityRules
from agent.core.entity import Entity
from agent.core.value import Canonical


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of every entity type, by type."""

    entities: Mapping[str, EntityRules]

    def of(self, type_: str) -> EntityRules:
        """The rules of a type. Raises KeyError for one that is not configured."""
        return self.entities[type_]

    def for_object(self, system: str, name: str) -> EntityRules | None:
        """The rules of the entity that a system keeps under this object, if it is mapped and captured."""
        for rules in self.entities.values():
            place = rules.systems.get(system)
            if place is not None and place.object.name == name and place.object.capture:
                return rules
        return None

    def deliverable(self, rules: EntityRules) -> tuple[str, ...]:
        """Systems to which commands for this entity may go."""
        return tuple(name for name, place in rules.systems.items() if place.object.deliver)


def context_of(entity: Entity, rules: EntityRules, today: date) -> Context:
    """The context in which the ownership table is asked, from the entity's own agreed values."""
    return Context(
        today=today,
        legal_entity=_text(entity, rules.legal_entity),
        lifecycle_state=_text(entity, rules.lifecycle_state),
    )


def agreed_value(entity: Entity, name: str | None) -> Canonical:
    """The agreed value of a field, or None."""
    if name is None or name not in entity.agreed:
        return None
    return entity.agreed[name].value


def _text(entity: Entity, name: str | None) -> str | None:
    value = agreed_value(entity, name)
    if value is None and name is not None:
        born = entity.images.get(entity.birth)
        value = born.fields.get(name) if born is not None else None
    return None if value is None else str(value)
