"""Checks of one entity's contract: its fields, who may write them, and the roles that fields play."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from agent.config.problems import Fault, Loc, nearest
from agent.config.shape import EntitySettings, FieldSettings, OwnerRowSettings
from agent.core.contract import (
    IDENTITY,
    ContractField,
    OwnerRow,
    Part,
    Survivorship,
    SurvivorshipKind,
    Transfer,
)
from agent.core.objects import FieldType
from agent.core.ownership import faults as ownership_faults

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
NAME_RULE = "a name is letters, digits, '_' and '-', begins with a letter and has at most 60 characters"
#: Keys of an entity that name one of its fields.
FIELD_ROLES = ("key", "lane", "amount", "currency", "legal_entity", "lifecycle_state")


def contract_field(name: str, settings: FieldSettings) -> ContractField:
    """The core's form of one field."""
    survivorship = settings.survivorship
    return ContractField(
        name=name,
        type=settings.type,
        owners=tuple(owner_row(row) for row in _rows(settings)),
        survivorship=Survivorship(survivorship.rule, survivorship.prefer) if survivorship else None,
        scale=settings.scale if settings.scale is not None else 2,
        reference=settings.reference,
        part=settings.part or Part.STATUS,
        pii=settings.pii,
    )


def owner_row(row: OwnerRowSettings) -> OwnerRow:
    """The core's form of one line of an ownership table."""
    return OwnerRow(row.owner, row.legal_entity, row.lifecycle_state, row.wave, row.valid_from)


def _rows(settings: FieldSettings) -> list[OwnerRowSettings]:
    single = [OwnerRowSettings(owner=settings.owner)] if settings.owner else []
    return single + settings.owners


def writers(settings: FieldSettings) -> Iterator[tuple[Loc, str]]:
    """Every system that the field names as an owner or as the preferred one, and where it says so."""
    if settings.owner:
        yield ("owner",), settings.owner
    for index, row in enumerate(settings.owners):
        yield ("owners", index, "owner"), row.owner
    if settings.survivorship and settings.survivorship.prefer:
        yield ("survivorship", "prefer"), settings.survivorship.prefer


def check_contract(entity: EntitySettings, entities: Mapping[str, object]) -> Iterator[Fault]:
    """Faults of one entity's contract, with paths below the entity's own table."""
    for name, settings in entity.fields.items():
        yield from _check_name(name)
        yield from _check_type(name, settings, entities)
        yield from _check_ownership(name, settings, entity)
        yield from _check_part(name, settings, entity)
    yield from _check_roles(entity)
    yield from _check_lane(entity)
    yield from _check_money(entity)
    if entity.transfer is Transfer.EVENT and not any(f.part is Part.BODY for f in entity.fields.values()):
        yield Fault(("fields",), 'an event entity needs at least one field with part = "body"')


def _check_name(name: str) -> Iterator[Fault]:
    if name == IDENTITY:
        yield Fault(("fields", name), "is the agent's own name for the canonical id; choose another name")
    elif not NAME.fullmatch(name):
        yield Fault(("fields", name), NAME_RULE)


def _check_type(name: str, settings: FieldSettings, entities: Mapping[str, object]) -> Iterator[Fault]:
    loc = ("fields", name)
    if settings.type is FieldType.DECIMAL and settings.scale is None:
        yield Fault((*loc, "scale"), "missing key: a decimal says how many decimal places it has")
    if settings.type is not FieldType.DECIMAL and settings.scale is not None:
        yield Fault((*loc, "scale"), f"only a decimal has a scale; this field is {settings.type.value}")
    if settings.type is FieldType.REFERENCE and settings.reference is None:
        yield Fault((*loc, "reference"), "missing key: a reference says which entity it refers to")
    if settings.reference is None:
        return
    if settings.type is not FieldType.REFERENCE:
        yield Fault((*loc, "reference"), 'only a field with type = "reference" refers to an entity')
    elif settings.reference not in entities:
        text = f"there is no entity '{settings.reference}'"
        yield Fault((*loc, "reference"), text, nearest(settings.reference, entities))


def _check_ownership(name: str, settings: FieldSettings, entity: EntitySettings) -> Iterator[Fault]:
    loc: Loc = ("fields", name)
    if settings.owner and settings.owners:
        yield Fault(loc, "has both owner and owners; keep one of them")
    else:
        for text in ownership_faults(contract_field(name, settings)):
            yield Fault(loc, text)
    rule = settings.survivorship
    if rule and rule.rule is SurvivorshipKind.PREFER and rule.prefer is None:
        yield Fault((*loc, "survivorship", "prefer"), "missing key: the rule prefer names a system")
    if rule and rule.rule is not SurvivorshipKind.PREFER and rule.prefer is not None:
        yield Fault((*loc, "survivorship", "prefer"), f"has no meaning for the rule {rule.rule.value}")
    for index, row in enumerate(settings.owners):
        if row.wave is not None:
            # No table defines waves yet, and a row that never holds would leave the wrong owner in place.
            yield Fault((*loc, "owners", index, "wave"), f"there is no wave '{row.wave}'")
        for column, value in (("legal_entity", row.legal_entity), ("lifecycle_state", row.lifecycle_state)):
            if value is not None and getattr(entity, column) is None:
                text = f"this row never holds: the entity does not say which field is its {column}"
                yield Fault((*loc, "owners", index, column), text)


def _check_part(name: str, settings: FieldSettings, entity: EntitySettings) -> Iterator[Fault]:
    loc = ("fields", name, "part")
    if entity.transfer is Transfer.STATE:
        if settings.part is not None:
            yield Fault(loc, "only fields of an event entity have a part")
        return
    if settings.part is None:
        yield Fault(loc, 'missing key: a field of an event entity is part = "body" or "status"')
    if settings.part is not Part.BODY:
        return
    if settings.survivorship:
        yield Fault(("fields", name, "survivorship"), "a body field is never rewritten: it has an owner")
    if not set(entity.births) <= set(entity.systems):
        return  # births itself is told to be wrong
    for where, system in writers(settings):
        if system not in entity.births and where[0] != "survivorship":
            text = f"a body field is owned by a system where the record is born; '{system}' is not in births"
            yield Fault(("fields", name, *where), text)


def _check_roles(entity: EntitySettings) -> Iterator[Fault]:
    for role in FIELD_ROLES:
        named = getattr(entity, role)
        if named is not None and named not in entity.fields:
            yield Fault((role,), f"there is no field '{named}'", nearest(named, entity.fields))


def _check_lane(entity: EntitySettings) -> Iterator[Fault]:
    if entity.transfer is Transfer.STATE:
        for key in ("lane", "lane_policy"):
            if key in entity.model_fields_set:
                yield Fault((key,), 'only an event entity keeps an order; this one has transfer = "state"')
        return
    if entity.lane is None:
        yield Fault(("lane",), "missing key: an event entity names the field within which it keeps its order")
    elif entity.lane in entity.fields and entity.fields[entity.lane].part is Part.STATUS:
        yield Fault(
            ("lane",), f"'{entity.lane}' is a status field; a lane must not change, so it is a body field"
        )


def _check_money(entity: EntitySettings) -> Iterator[Fault]:
    if entity.amount is not None and entity.currency is None:
        yield Fault(("currency",), f"missing key: the amount '{entity.amount}' has no currency")
    if entity.currency is not None and entity.amount is None:
        yield Fault(("amount",), f"missing key: the currency '{entity.currency}' belongs to no amount")
    amount = entity.fields.get(entity.amount or "")
    if amount is not None and amount.type is not FieldType.DECIMAL:
        yield Fault(("amount",), f"'{entity.amount}' is {amount.type.value}; money is a decimal")
