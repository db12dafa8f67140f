"""Records as REST shows them: attributes, fields by their own names, compound addresses, parents one
level up."""

from __future__ import annotations

from typing import Any

from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.values import to_json
from adapters.sandbox.salesforce.soql.conditions import Search


def attributes(record: Record, version: str) -> dict[str, str]:
    """Type and address of a record."""
    path = f"/services/data/v{version}/sobjects/{record.object_name}/{record.id}"
    return {"type": record.object_name, "url": path}


def whole(record: Record, kind: ObjectType, version: str) -> dict[str, Any]:
    """Every field of a record, compound ones too."""
    body: dict[str, Any] = {"attributes": attributes(record, version), "Id": record.id}
    for compound in kind.compounds():
        body[compound] = _compound(record, kind, compound)
    for field in kind.fields:
        body[field.name] = to_json(record.values[field.name])
    return body


def columns(record: Record, names: tuple[str, ...], tables: dict[str, Table], version: str) -> dict[str, Any]:
    """The named fields of a record; a path with a dot lands in a nested parent. Raises ApiError
    INVALID_FIELD."""
    kind = tables[record.object_name].kind
    search = Search(kind, tables)
    body: dict[str, Any] = {"attributes": attributes(record, version)}
    for name in names:
        compound = next((each for each in kind.compounds() if each.lower() == name.lower()), None)
        if compound is not None:
            body[compound] = _compound(record, kind, compound)
            continue
        field, lookup = search.path(name)
        head, _, rest = name.partition(".")
        value = to_json(lookup(record.values))
        if not rest or head.lower() == kind.name.lower():
            body[field.name] = value
            continue
        parent = _parent(record, kind, head, tables)
        nested = body.setdefault(
            head, None if parent is None else {"attributes": attributes(parent, version)}
        )
        if nested is not None:
            nested[field.name] = value
    return body


def _parent(record: Record, kind: ObjectType, relationship: str, tables: dict[str, Table]) -> Record | None:
    for field in kind.fields:
        if field.relationship.lower() == relationship.lower() and field.reference_to in tables:
            return tables[field.reference_to].get(str(record.values[field.name]))
    return None


def _compound(record: Record, kind: ObjectType, compound: str) -> dict[str, Any] | None:
    parts = {each.component: record.values[each.name] for each in kind.fields if each.compound == compound}
    if all(value is None for value in parts.values()):
        return None
    return {name[0].lower() + name[1:]: to_json(value) for name, value in parts.items()}
