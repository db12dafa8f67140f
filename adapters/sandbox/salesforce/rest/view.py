"""Records as single-record calls show them."""

from __future__ import annotations

from typing import Any

from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.record import Record
from adapters.sandbox.salesforce.org.values import to_json
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.soql.grammar import Column, Query
from adapters.sandbox.salesforce.soql.projection import Projection, attributes, compound, structured


def whole(record: Record, kind: ObjectType, version: str) -> dict[str, Any]:
    """Every field of a record, compound ones too."""
    body: dict[str, Any] = {"attributes": attributes(record, version), "Id": record.id}
    for name in structured(kind):
        body[name] = compound(record, kind, name)
    for field in kind.fields:
        body[field.name] = to_json(record.values[field.name])
    return body


def columns(call: Call, record: Record, names: tuple[str, ...]) -> dict[str, Any]:
    """The named fields of a record; a path with a dot lands in a nested parent. Raises ApiError
    INVALID_FIELD."""
    kind = call.org.tables[record.object_name].kind
    selected = tuple(Column(name) for name in names if name)
    query = Query(selected, (), kind.name, "", None, (), None, (), None, 0)
    return Projection(query, kind, call.org.tables, call.execution(), call.version).show(record)
