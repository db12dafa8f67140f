"""Checks of how the systems store one entity: objects, mappings, value maps, births and creation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.config.contracts import FIELD_ROLES, writers
from agent.config.problems import Fault, Loc, nearest
from agent.config.shape import EntitySettings, FieldAtSystemSettings, FieldSettings, PlaceSettings
from agent.core.contract import Deletes, Role, Transfer
from agent.core.objects import FieldType
from agent.core.value import ValueFault, canonical


def check_places(entity: EntitySettings, systems: Mapping[str, object]) -> Iterator[Fault]:
    """Faults of one entity at its systems, with paths below the entity's own table."""
    for name, place in entity.systems.items():
        loc = ("systems", name)
        if name not in systems:
            yield Fault(loc, f"there is no system '{name}'", nearest(name, systems))
        yield from _check_flags(loc, place)
        yield from _check_fields(loc, place, entity)
    yield from _check_births(entity, systems)
    yield from _check_creation(entity)
    yield from _check_deletion(entity)
    if len(entity.systems) < 2:
        yield Fault(
            ("systems",), "an entity is stored in at least two systems; nothing would be synchronised"
        )
        return
    for name, settings in entity.fields.items():
        yield from _check_writers(name, settings, entity, systems)
        yield from _check_readers(name, settings, entity)


def _check_flags(loc: Loc, place: PlaceSettings) -> Iterator[Fault]:
    if place.create and not place.deliver:
        yield Fault((*loc, "create"), "nothing is delivered to this system (deliver = false)")
    if place.deliver and place.role in (Role.READ_ONLY, Role.RETIRED):
        yield Fault((*loc, "deliver"), f"must be false: the role is {place.role.value}")
    if not place.capture and not place.deliver:
        yield Fault(loc, "neither captures nor delivers; leave the system out")
    if place.external_id == place.key:
        yield Fault(
            (*loc, "external_id"), "is the system's own key; the canonical id needs a field of its own"
        )


def _check_fields(loc: Loc, place: PlaceSettings, entity: EntitySettings) -> Iterator[Fault]:
    if not place.fields:
        yield Fault((*loc, "fields"), "maps no field")
    sources: dict[str, str] = {}
    for name, mapping in place.fields.items():
        here = (*loc, "fields", name)
        if name not in entity.fields:
            yield Fault(here, f"there is no field '{name}' in the contract", nearest(name, entity.fields))
        else:
            yield from _check_values(here, mapping, entity.fields[name])
        if mapping.source in sources:
            yield Fault(here, f"'{mapping.source}' is mapped to '{sources[mapping.source]}' already")
        sources.setdefault(mapping.source, name)
        if mapping.source == place.external_id:
            yield Fault(here, f"'{mapping.source}' holds the canonical id (external_id)")


def _check_values(loc: Loc, mapping: FieldAtSystemSettings, field: FieldSettings) -> Iterator[Fault]:
    taken: dict[str, str] = {}
    for name, value in mapping.values.items():
        here = (*loc, "values", name)
        if not _is_canonical(name, field):
            yield Fault(here, f"is no {field.type.value} value in its canonical form")
        if value != value.strip():
            yield Fault(here, "has blanks at an end, which no system is known to keep")
        if value.strip() in taken:
            yield Fault(
                here, f"maps to the same value as '{taken[value.strip()]}'; it could not be read back"
            )
        taken.setdefault(value.strip(), name)
    if mapping.values and field.type is FieldType.REFERENCE:
        yield Fault((*loc, "values"), "a reference is mapped by its binding, not by values")
    if mapping.values and field.type is FieldType.BOOLEAN and not {"true", "false"} <= set(mapping.values):
        yield Fault((*loc, "values"), 'a boolean needs both "true" and "false"')


def _is_canonical(name: str, field: FieldSettings) -> bool:
    if field.type is FieldType.BOOLEAN:
        return name in ("true", "false")
    if field.type is FieldType.REFERENCE:
        return True
    try:
        return str(canonical(name, field.type, field.scale if field.scale is not None else 2)) == name
    except ValueFault:
        return False


def _check_births(entity: EntitySettings, systems: Mapping[str, object]) -> Iterator[Fault]:
    if not entity.births:
        yield Fault(("births",), "names no system; then no record could ever come into being")
    for index, name in enumerate(entity.births):
        loc = ("births", index)
        place = entity.systems.get(name)
        if name not in systems:
            yield Fault(loc, f"there is no system '{name}'", nearest(name, systems))
        elif place is None:
            yield Fault(loc, f"the entity is not stored in '{name}'", nearest(name, entity.systems))
        elif not place.capture:
            yield Fault(loc, f"new records in '{name}' would never be seen (capture = false)")
        if name in entity.births[:index]:
            yield Fault(loc, f"'{name}' is named twice")


def _check_creation(entity: EntitySettings) -> Iterator[Fault]:
    for name, place in entity.systems.items():
        loc = ("systems", name, "create")
        if not place.create:
            continue
        if entity.births == [name]:
            yield Fault(loc, f"records are born in '{name}' only; there is nothing to create there")
        if place.create == "blind":
            continue
        if entity.key is None:
            yield Fault(("key",), f"missing key: before a create in '{name}' duplicates are looked up by it")
        elif entity.key in entity.fields and entity.key not in place.fields:
            text = f"'{name}' does not map the business key '{entity.key}', so duplicates cannot be looked up"
            yield Fault(loc, text)


def _check_deletion(entity: EntitySettings) -> Iterator[Fault]:
    """What a deletion is followed by. A posted document is reversed, never deleted."""
    deleting = [name for name, place in entity.systems.items() if place.delete]
    if entity.transfer is Transfer.EVENT:
        if "deletes" in entity.model_fields_set:
            yield Fault(("deletes",), "a document is reversed, never deleted")
        for name in deleting:
            yield Fault(("systems", name, "delete"), "a document is reversed, never deleted")
        return
    for name in deleting:
        if not entity.systems[name].deliver:
            text = "nothing is delivered to this system (deliver = false)"
            yield Fault(("systems", name, "delete"), text)
    if entity.deletes is Deletes.FOLLOW and not deleting:
        text = 'nothing could follow: no system has delete = true; write deletes = "ask"'
        yield Fault(("deletes",), text)


def _check_writers(
    name: str, settings: FieldSettings, entity: EntitySettings, systems: Mapping[str, object]
) -> Iterator[Fault]:
    """An owner must exist, store the field and be listened to."""
    for where, system in writers(settings):
        loc = ("fields", name, *where)
        place = entity.systems.get(system)
        if system not in systems:
            yield Fault(loc, f"there is no system '{system}'", nearest(system, systems))
        elif place is None or name not in place.fields:
            mapping = [other for other, at in entity.systems.items() if name in at.fields]
            yield Fault(loc, f"'{system}' does not map this field", nearest(system, mapping))
        elif not place.capture:
            yield Fault(loc, f"changes in '{system}' would never be seen (capture = false)")
        elif place.role is Role.RETIRED:
            yield Fault(loc, f"'{system}' is retired")


def _check_readers(name: str, settings: FieldSettings, entity: EntitySettings) -> Iterator[Fault]:
    """A field is mapped so that somebody receives it, or because a rule of the entity needs it."""
    mapped = [system for system, place in entity.systems.items() if name in place.fields]
    loc = ("fields", name)
    if not mapped:
        yield Fault(loc, "no system maps this field")
        return
    if any(getattr(entity, role) == name for role in FIELD_ROLES):
        return
    receivers = {system for system in mapped if entity.systems[system].deliver}
    sources = set(mapped) if settings.survivorship else {owner for _, owner in writers(settings)}
    if not any(receivers - {source} for source in sources & set(mapped)) and sources & set(mapped):
        yield Fault(loc, f"nobody would receive it: beside '{sorted(sources)[0]}' no system takes it")
    if settings.survivorship and len(mapped) > 1:
        yield from _check_shared(loc, mapped, entity)


def _check_shared(loc: Loc, mapped: list[str], entity: EntitySettings) -> Iterator[Fault]:
    listened = [system for system in mapped if entity.systems[system].capture]
    if len(listened) < 2:
        yield Fault(
            loc, "is shared, but changes are captured in fewer than two of its systems; name an owner"
        )
