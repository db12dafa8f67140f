"""Avro schemas of change events, generated from the object definitions in the shape a real org serves.

Every body field is a union with null first; ``doc`` is the only hint at the kind of a ``long``; a second
use of a named record is the bare name.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import fastavro
import orjson

from adapters.sandbox.salesforce.org.fields import Field, FieldType, ObjectType

NAMESPACE = "com.sforce.eventbus"
CHANGE_TYPES = [
    "CREATE",
    "UPDATE",
    "DELETE",
    "UNDELETE",
    "GAP_CREATE",
    "GAP_UPDATE",
    "GAP_DELETE",
    "GAP_UNDELETE",
    "GAP_OVERFLOW",
    "SNAPSHOT",
]

_AVRO = {
    FieldType.BOOLEAN: "boolean",
    FieldType.INT: "int",
    FieldType.DOUBLE: "double",
    FieldType.CURRENCY: "double",
    FieldType.PERCENT: "double",
    FieldType.TIME: "long",
    FieldType.DATE: "long",
    FieldType.DATETIME: "long",
}
_DOC = {
    FieldType.STRING: "Data:Text",
    FieldType.TEXTAREA: "Data:StringPlusClob",
    FieldType.PHONE: "Data:Phone",
    FieldType.URL: "Data:Url",
    FieldType.PICKLIST: "Data:DynamicEnum",
    FieldType.REFERENCE: "Data:ForeignKey:EntityId",
    FieldType.BOOLEAN: "Data:Boolean",
    FieldType.INT: "Data:Integer",
    FieldType.DOUBLE: "Data:Double",
    FieldType.CURRENCY: "Data:Currency",
    FieldType.PERCENT: "Data:Percent",
    FieldType.TIME: "Data:TimeOnly",
    FieldType.EMAIL: "Data:Email",
    FieldType.MULTIPICKLIST: "Data:MultiEnum",
    FieldType.DATE: "Data:DateOnly",
    FieldType.DATETIME: "Data:DateTime",
}


@dataclass(frozen=True, slots=True)
class EventSchema:
    """One version of an event schema. ``positions`` maps a body field, compound or not, to its index,
    ``parts`` a REST name to compound index and bit, ``places`` a REST name to body field and component."""

    id: str
    json: str
    source: str
    parsed: Any
    positions: dict[str, int]
    parts: dict[str, tuple[int, int]]
    places: dict[str, tuple[str, str]]
    encode: Callable[[dict[str, object]], bytes]


def change_schema(kind: ObjectType) -> EventSchema:
    """The schema of an object's change events as of its present definition."""
    body: list[dict[str, object]] = []
    positions: dict[str, int] = {}
    parts: dict[str, tuple[int, int]] = {}
    places: dict[str, tuple[str, str]] = {}
    written: set[str] = set()
    for field in (each for each in kind.fields if each.in_events):
        name = field.compound or field.name
        if name not in positions:
            positions[name] = len(body) + 1
            body.append(_compound(kind, name, written) if field.compound else _simple(kind, field))
        if field.compound:
            parts[field.name] = (positions[name], kind.parts(name).index(field))
        places[field.name] = (name, field.component)
    head: dict[str, object] = {"name": "ChangeEventHeader", "type": _header()}
    fields = [head, *body]
    return _built(kind.name, kind.event_name, fields, positions, parts, places)


def notice_schema(kind: ObjectType) -> EventSchema:
    """The schema of a platform event: who published it and when, then its own fields."""
    own = [_simple(kind, each) for each in kind.fields if each.in_events]
    head: list[dict[str, object]] = [
        {"name": "CreatedDate", "type": "long", "doc": "CreatedDate:DateTime"},
        {"name": "CreatedById", "type": "string", "doc": "CreatedBy:EntityId"},
    ]
    return _built(kind.name, kind.name, [*head, *own], {}, {}, {})


def _built(
    source: str,
    name: str,
    fields: list[dict[str, object]],
    positions: dict[str, int],
    parts: dict[str, tuple[int, int]],
    places: dict[str, tuple[str, str]],
) -> EventSchema:
    root: dict[str, object] = {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}
    identifier = _identifier(root)
    parsed = fastavro.parse_schema(root)
    text = orjson.dumps({**root, "uuid": identifier}).decode()
    return EventSchema(identifier, text, source, parsed, positions, parts, places, _encoder(parsed))


def kept_schema(identifier: str, source: str, text: str) -> EventSchema:
    """A schema of an earlier life: events written under it can be read, none is written any more."""
    parsed = fastavro.parse_schema({k: v for k, v in orjson.loads(text).items() if k != "uuid"})
    return EventSchema(identifier, text, source, parsed, {}, {}, {}, _encoder(parsed))


def _encoder(parsed: Any) -> Callable[[dict[str, object]], bytes]:
    def encode(datum: dict[str, object]) -> bytes:
        out = BytesIO()
        fastavro.schemaless_writer(out, parsed, datum)
        return out.getvalue()

    return encode


def _identifier(root: dict[str, object]) -> str:
    """22 URL-safe characters, the same for the same schema."""
    digest = hashlib.sha256(orjson.dumps(root)).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _header() -> dict[str, object]:
    def strings(name: str) -> dict[str, object]:
        return {"name": name, "type": {"type": "array", "items": "string"}}

    change_type = {"type": "enum", "name": "ChangeType", "symbols": CHANGE_TYPES}
    return {
        "type": "record",
        "name": "ChangeEventHeader",
        "fields": [
            {"name": "entityName", "type": "string"},
            strings("recordIds"),
            {"name": "changeType", "type": change_type},
            {"name": "changeOrigin", "type": "string"},
            {"name": "transactionKey", "type": "string"},
            {"name": "sequenceNumber", "type": "int"},
            {"name": "commitTimestamp", "type": "long"},
            {"name": "commitNumber", "type": "long"},
            {"name": "commitUser", "type": "string"},
            strings("nulledFields"),
            strings("diffFields"),
            strings("changedFields"),
        ],
    }


def _simple(kind: ObjectType, field: Field) -> dict[str, object]:
    union: list[object] = ["null", _AVRO.get(field.type, "string")]
    if kind.name == "Account" and field.name == "Name":
        union.append(_person_name())
    doc = field.doc or _DOC[field.type]
    if field.custom:
        doc = f"{doc}:{_field_id(kind, field)}"
    return {"name": field.name, "type": union, "doc": doc, "default": None}


def _compound(kind: ObjectType, name: str, written: set[str]) -> dict[str, object]:
    record = "Address" if name.endswith("Address") else "PersonName" if name == "Name" else "Location"
    branch: object = record if record in written else _nested(kind, name, record)
    written.add(record)
    return {"name": name, "type": ["null", branch], "doc": f"Data:{record}", "default": None}


def _nested(kind: ObjectType, compound: str, record: str) -> dict[str, object]:
    return {
        "type": "record",
        "name": record,
        "fields": [
            {
                "name": each.component,
                "type": ["null", _AVRO.get(each.type, "string")],
                "doc": _DOC[each.type],
                "default": None,
            }
            for each in kind.parts(compound)
        ],
    }


def _person_name() -> dict[str, object]:
    return {
        "type": "record",
        "name": "Switchable_PersonName",
        "fields": [
            {"name": part, "type": ["null", "string"], "doc": "Data:Text", "default": None}
            for part in ("Salutation", "FirstName", "LastName")
        ],
    }


def _field_id(kind: ObjectType, field: Field) -> str:
    """Id of a custom field definition, as the doc strings of a real org end with."""
    number = int.from_bytes(hashlib.sha256(f"{kind.name}.{field.name}".encode()).digest()[:4], "big")
    return f"00N5g{number:010d}"
