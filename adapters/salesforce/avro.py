"""Change events off the wire: Avro binary with the schema that the event names.

The payload is raw Avro (no container, no magic). A schema has the header first and then nullable fields. The
only hint of a field's Salesforce type is its ``doc`` (``Data:DateOnly:00N...``), because dates, times of day
and moments are all plain ``long``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException

from adapters.salesforce.bitmap import Member

HEADER = "ChangeEventHeader"


class Undecodable(Exception):
    """The bytes do not follow the schema, or the schema is none."""


@dataclass(frozen=True, slots=True)
class EventField:
    """One body field: the names a mapping uses for it, and how its values are to be read.

    rest     REST name of the field itself (``Phone``), or of each child (``BillingStreet``) by child name
    hint     type from ``doc``: DateTime, DateOnly, TimeOnly, Currency, Double, ... or empty
    """

    name: str
    hint: str
    children: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EventSchema:
    """A parsed schema: decoder, positions for the bitmaps, and fields by name."""

    schema_id: str
    parsed: Any
    header_only: Any
    members: tuple[Member, ...]
    fields: Mapping[str, EventField]


def parse(schema_id: str, text: str) -> EventSchema:
    """Parse the JSON that GetSchema returned. Raises Undecodable."""
    try:
        raw = json.loads(text)
        parsed = fastavro.parse_schema(raw, named_schemas={})
        listed: Sequence[Any] = raw["fields"]
        first = listed[0]
        if first["name"] != HEADER:
            raise Undecodable(f"schema {schema_id}: the first field is not {HEADER}")
        header = fastavro.parse_schema(
            {"type": "record", "name": "HeaderOnly", "namespace": raw.get("namespace"), "fields": [first]},
            named_schemas={},
        )
        records: dict[str, Sequence[Any]] = {}
        fields, members = {}, []
        for one in listed:
            children = _children(one["type"], records)
            members.append(Member(one["name"], children))
            fields[one["name"]] = EventField(
                one["name"],
                _hint(one.get("doc", "")),
                {child: rest_name(one["name"], child) for child in children},
            )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, SchemaParseException) as error:
        raise Undecodable(f"schema {schema_id} cannot be used: {type(error).__name__}") from error
    return EventSchema(schema_id, parsed, header, tuple(members), fields)


def decode(schema: EventSchema, payload: bytes) -> dict[str, Any]:
    """The whole event as nested dicts. Raises Undecodable, also when bytes are left over."""
    stream = io.BytesIO(payload)
    event = _read(stream, schema.parsed)
    if stream.tell() != len(payload):
        raise Undecodable(f"{len(payload) - stream.tell()} bytes are left over")
    return event


def decode_header(schema: EventSchema, payload: bytes) -> dict[str, Any]:
    """The header alone, which may be readable when the body is not. Raises Undecodable."""
    header: dict[str, Any] = _read(io.BytesIO(payload), schema.header_only)[HEADER]
    return header


def rest_name(parent: str, child: str) -> str:
    """REST name of a component of a compound field (SOAP/REST guide, "Compound Fields").

    ``BillingAddress.Street`` is ``BillingStreet``, ``Name.FirstName`` is ``FirstName``, and
    ``Loc__c.Latitude`` is ``Loc__Latitude__s``.
    """
    if parent == "Name":
        return child
    if parent.endswith("__c"):
        return f"{parent[:-3]}__{child}__s"
    if parent.endswith("Address"):
        return parent[: -len("Address")] + child
    return f"{parent}.{child}"


def _read(stream: io.BytesIO, schema: Any) -> dict[str, Any]:
    try:
        event = fastavro.schemaless_reader(stream, schema, None)
    except Exception as error:  # a decoder meets any bytes here; whatever it makes of them is one answer
        raise Undecodable(f"not in the form of its schema: {type(error).__name__}") from error
    if not isinstance(event, dict):
        raise Undecodable("not a record")
    return event


def _children(declared: Any, records: dict[str, Sequence[Any]]) -> tuple[str, ...]:
    """Field names of the record branch of a union; a second use of a record type is only its name."""
    for branch in declared if isinstance(declared, list) else [declared]:
        if isinstance(branch, dict) and branch.get("type") == "record":
            short = branch["name"].rpartition(".")[2]
            if short != HEADER:
                records[short] = branch["fields"]
                return tuple(one["name"] for one in branch["fields"])
        elif isinstance(branch, str) and branch.rpartition(".")[2] in records:
            return tuple(one["name"] for one in records[branch.rpartition(".")[2]])
    return ()


def _hint(doc: str) -> str:
    """The type in ``Data:DateOnly:00N...`` or ``CreatedDate:DateTime``."""
    parts = doc.split(":")
    return parts[1] if len(parts) > 1 else ""
