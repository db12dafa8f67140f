"""References between entities: what one refers to comes to stand for another id."""

from __future__ import annotations

from dataclasses import replace

from agent.core.contract import EntityRules
from agent.core.entity import Base, Entity
from agent.core.value import Canonical


def redirected(entity: Entity, rules: EntityRules, type_: str, old: str, new: str) -> Entity:
    """Every reference to ``old``, in images, bases and agreed values, as one to ``new``.

    ``type_`` is what both refer to; ``old`` may be the placeholder of a record that was not known yet.
    """
    names = {name for name, rule in rules.fields.items() if rule.reference == type_}

    def passed(name: str, value: Canonical) -> Canonical:
        return new if name in names and value == old else value

    after = entity
    for system, image in entity.images.items():
        fields = {name: passed(name, value) for name, value in image.fields.items()}
        base = {
            name: Base(passed(name, b.value), b.number, tuple(passed(name, r) for r in b.ruled))
            for name, b in image.base.items()
        }
        after = after.with_image(system, replace(image, fields=fields, base=base))
    agreed = {name: a._replace(value=passed(name, a.value)) for name, a in after.agreed.items()}
    return replace(after, agreed=agreed)
