"""What the body of a write assigns: names resolved, values coerced, parents looked up by external id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import Field, FieldType, ObjectType
from adapters.sandbox.salesforce.org.record import Table
from adapters.sandbox.salesforce.org.values import Value, coerce


def read(kind: ObjectType, body: Mapping[str, Any], tables: Mapping[str, Table]) -> dict[str, Value]:
    """Values by field name of a create or update body. Raises ApiError for the first problem."""
    if not kind.writable:
        raise ApiError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type {kind.name} can't be written")
    assigned: dict[str, Value] = {}
    locked: list[str] = []
    for name, raw in body.items():
        if name.lower() == "attributes":
            continue
        if name.lower() == "id":
            raise ApiError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
        field = kind.find(name)
        if field is None:
            reference = _by_relationship(kind, name, raw)
            if reference is None:
                raise ApiError(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}", (name,)
                )
            assigned[reference.name] = _parent(reference, raw, tables)
        elif not field.writable:
            locked.append(field.name)
        else:
            assigned[field.name] = coerce(field, raw)
            _check_reference(kind, field, assigned[field.name], tables)
    if locked:
        raise ApiError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {', '.join(locked)}. Please check the security settings of "
            f"this "
            "field and verify that it is read/write for your profile or permission set.",
            tuple(locked),
        )
    return assigned


def _by_relationship(kind: ObjectType, name: str, raw: object) -> Field | None:
    if not isinstance(raw, dict):
        return None
    found = (each for each in kind.fields if each.relationship and each.relationship.lower() == name.lower())
    return next(found, None)


def _parent(reference: Field, raw: dict[str, Any], tables: Mapping[str, Table]) -> str:
    """Id of the parent named by ``{"External_Id__c": value}``."""
    table = tables.get(reference.reference_to)
    keys = [key for key in raw if key.lower() != "attributes"]
    field = table.kind.find(keys[0]) if table is not None and len(keys) == 1 else None
    if table is None or field is None or not field.external_id:
        raise ApiError(
            "INVALID_FIELD", f"{reference.relationship}: not an external id of the parent", (reference.name,)
        )
    matches = table.matching(field.name, coerce(field, raw[keys[0]]))
    if len(matches) != 1:
        raise ApiError(
            "INVALID_FIELD",
            f"Foreign key external ID: {raw[keys[0]]} not found for field {field.name} in entity "
            f"{table.kind.name}",
            (reference.name,),
        )
    return matches[0]


def _check_reference(kind: ObjectType, field: Field, value: Value, tables: Mapping[str, Table]) -> None:
    if field.type is not FieldType.REFERENCE or value is None:
        return
    table = tables.get(field.reference_to)
    identifier = str(value)
    if table is not None and not identifier.startswith(table.kind.prefix):
        raise ApiError("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", (field.name,))
    parent = table.get(identifier) if table is not None else None
    if parent is None or parent.deleted:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
    if field.reference_to == "RecordType" and parent.values["SobjectType"] != kind.name:
        raise ApiError(
            "INVALID_CROSS_REFERENCE_KEY",
            "Record Type ID: this ID value isn't valid for the user: " + identifier,
            (field.name,),
        )


def record_id(kind: ObjectType, identifier: object) -> str:
    """The 18-character id from a request. Raises ApiError MALFORMED_ID for no id or one of another object."""
    full = ids.full(identifier) if isinstance(identifier, str) else None
    if full is None or not full.startswith(kind.prefix):
        raise ApiError("MALFORMED_ID", f"{kind.label} ID: id value of incorrect type: {identifier}", ("Id",))
    return full
