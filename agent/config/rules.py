"""The core's rules from the configuration, checked against what the targets can really do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from agent.config.connections import origin
from agent.config.contracts import contract_field, writers
from agent.config.problems import Fault, Problems
from agent.config.shape import Config, EntitySettings, PlaceSettings
from agent.core.contract import EntityAtSystem, EntityRules, FieldMapping, with_identity
from agent.core.delivery import Guarantees, Resolution
from agent.core.guard import MassLimits
from agent.core.objects import FieldSpec, FieldType, ObjectSpec

#: ``Target.guarantees`` of one system: object name → what the target can do with it.
Ask = Callable[[str], Guarantees]


def objects(config: Config, system: str) -> tuple[ObjectSpec, ...]:
    """Everything that a system is to store, in the order of the file: what ``connect`` is given.

    A contract field that is mapped to the system's own key is among the fields, so that reads return it.
    """
    return tuple(
        _object(entity, system, place)
        for entity in config.entities.values()
        for name, place in entity.systems.items()
        if name == system
    )


def _object(entity: EntitySettings, system: str, place: PlaceSettings) -> ObjectSpec:
    specs = []
    for name, mapping in place.fields.items():
        field = entity.fields[name]
        # Values of a value map are the system's own text, whatever the contract's type is.
        type_ = FieldType.TEXT if mapping.values else field.type
        owners = {owner for _, owner in writers(field)}
        owned_here = field.survivorship is None and owners == {system}
        specs.append(
            FieldSpec(
                mapping.source,
                type_,
                writable=place.deliver and not owned_here,
                seed=owned_here and place.deliver and bool(place.create),
            )
        )
    return ObjectSpec(
        name=place.object,
        key=place.key,
        fields=tuple(specs),
        external_id=place.external_id,
        capture=place.capture,
        deliver=place.deliver,
        create=place.deliver and bool(place.create),
        delete=place.deliver and place.delete,
    )


def rules(
    config: Config, guarantees: Mapping[str, Ask], found: Sequence[Fault] = ()
) -> dict[str, EntityRules]:
    """Entity → its rules, with the canonical id as a field of each (see ``with_identity``).

    ``guarantees`` holds ``Target.guarantees`` of every configured system, or of those that could be made if
    ``found`` says what is wrong with the others (see ``labelled``). Raises ConfigError with all of ``found``
    and every rule that a target cannot honour, in the order of the file.
    """
    problems = Problems(str(config.path), config.lines)
    problems.extend(found)
    places: dict[str, dict[str, EntityAtSystem]] = {name: {} for name in config.entities}
    for name, entity in config.entities.items():
        for system, place in entity.systems.items():
            if found and system not in guarantees:
                continue
            can = guarantees[system](place.object)
            for fault in _target_faults(entity, system, place, can):
                problems.add(Fault(("entities", name, *fault.loc), fault.text))
            tag = place.client or origin(config.systems[system].settings)
            places[name][system] = _place(entity, system, place, can, tag)
    problems.raise_found()
    return {
        name: with_identity(_rules(config, name, entity, places[name]))
        for name, entity in config.entities.items()
    }


def _place(
    entity: EntitySettings, system: str, place: PlaceSettings, can: Guarantees, client: str | None
) -> EntityAtSystem:
    return EntityAtSystem(
        system=system,
        object=_object(entity, system, place),
        fields={
            name: FieldMapping(name, mapping.source, dict(mapping.values))
            for name, mapping in place.fields.items()
        },
        guarantees=can,
        create=bool(place.create),
        delete=place.delete,
        role=place.role,
        client=client,
        slack_s=place.slack_s,
    )


def _rules(
    config: Config, name: str, entity: EntitySettings, places: Mapping[str, EntityAtSystem]
) -> EntityRules:
    return EntityRules(
        type=name,
        version=config.versions[name],
        transfer=entity.transfer,
        fields={field: contract_field(field, settings) for field, settings in entity.fields.items()},
        systems=places,
        births=tuple(entity.births),
        deletes=entity.deletes,
        lane=entity.lane,
        lane_policy=entity.lane_policy,
        key=entity.key,
        amount=entity.amount,
        currency=entity.currency,
        legal_entity=entity.legal_entity,
        lifecycle_state=entity.lifecycle_state,
        confirm_after_s=entity.confirm_after_s or config.agent.confirm_after_s,
        mass=MassLimits(
            change_share=entity.mass_change_share,
            change_floor=entity.mass_change_floor,
            delete_share=entity.mass_delete_share,
            delete_floor=entity.mass_delete_floor,
        ),
    )


def _target_faults(
    entity: EntitySettings, system: str, place: PlaceSettings, can: Guarantees
) -> Iterator[Fault]:
    if not place.deliver:
        return
    yield from _shared_faults(entity, system, place, can)
    yield from _create_faults(system, place, can)
    if place.delete and not can.delete:
        text = f"'{system}' cannot delete a '{place.object}'; map a field that marks it as deleted there"
        yield Fault(("systems", system, "delete"), text)
    yield from _uncertain_faults(system, place, can)


def _shared_faults(
    entity: EntitySettings, system: str, place: PlaceSettings, can: Guarantees
) -> Iterator[Fault]:
    missing = []
    if not can.compare_and_set:
        missing.append("update a record only if it is as it was last seen")
    if not can.read_back:
        missing.append("read a record back")
    if not missing:
        return
    for name in place.fields:
        if entity.fields[name].survivorship is not None:
            text = (
                f"is shared, but '{system}' cannot {' nor '.join(missing)}; name an owner or deliver nothing"
            )
            yield Fault(("fields", name, "survivorship"), text)


def _create_faults(system: str, place: PlaceSettings, can: Guarantees) -> Iterator[Fault]:
    loc = ("systems", system, "create")
    if place.create is True and not can.read_back:
        text = (
            f"'{system}' cannot be read, so nobody can look whether the record exists there already; "
            'acknowledge that with create = "blind"'
        )
        yield Fault(loc, text)
    elif place.create == "blind" and can.read_back:
        yield Fault(loc, f"'{system}' can be read; write create = true, so that duplicates are looked up")
    if place.create and can.read_back and can.on_uncertain_create is Resolution.PERSON:
        text = (
            "if the answer to a create is lost, only a person could tell whether it exists; set external_id"
        )
        yield Fault(loc, text)


def _uncertain_faults(system: str, place: PlaceSettings, can: Guarantees) -> Iterator[Fault]:
    """A lost answer must have a way out (I16): reading again is none where nothing can be read."""
    ways = {"an update": can.on_uncertain_update}
    if place.create:
        ways["a create"] = can.on_uncertain_create
    for what, way in ways.items():
        if way is Resolution.REREAD and not can.read_back:
            text = f"'{system}' has no answer to a lost reply to {what}: it cannot be read again"
            yield Fault(("systems", system, "deliver"), text)
