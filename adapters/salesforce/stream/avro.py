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

from adapters.salesforce.stream import header
from adapters.salesforce.stream.bitmap import Member
from adapters.salesforce.stream.decoder import Unsupported
from adapters.salesforce.stream.header import NAME as HEADER
from adapters.salesforce.stream.header import Header

#: What stands behind a header: a place in the payload, or the whole event where it had to be decoded anyway.
Rest = int | dict[str, Any]


class Undecodable(Exception):
    """The bytes do not follow the schema, or the schema is none."""


@dataclass(frozen=True, slots=True)
class EventField:
    """One body field: the names a mapping uses for it, and how its values are to be read.

    children  REST name of each component by its name in the event (``Street``: ``BillingStreet``)
    hint      type from ``doc``: DateTime, DateOnly, TimeOnly, Currency, Double, ... or empty
    types     its Avro types besides null, ``record`` for a compound value
    """

    name: str
    hint: str
    children: Mapping[str, str]
    types: frozenset[str]


@dataclass(frozen=True, slots=True)
class EventSchema:
    """A parsed schema: what decodes its events, positions for the bitmaps, and fields by name.

    entity       the object that it is called after;  read_header: reads the header of an event, as
                 ``header.reader`` says;  body: the Avro fields behind it
    """

    schema_id: str
    entity: str
    parsed: Any
    header_only: Any
    read_header: header.Reader
    members: tuple[Member, ...]
    fields: Mapping[str, EventField]

    @property
    def body(self) -> Sequence[Mapping[str, Any]]:
        """The Avro fields behind the header."""
        fields: Sequence[Mapping[str, Any]] = self.parsed["fields"][1:]
        return fields


def parse(schema_id: str, text: str) -> EventSchema:
    """Parse the JSON that GetSchema returned. Raises Undecodable."""
    try:
        raw = json.loads(text)
        parsed: Any = fastavro.parse_schema(raw, named_schemas={})
        listed: Sequence[Any] = raw["fields"]
        first = listed[0]
        if first["name"] != HEADER:
            raise Undecodable(f"schema {schema_id}: the first field is not {HEADER}")
        header_only = fastavro.parse_schema(
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
                _types(one["type"], records),
            )
        entity = object_of(raw["name"])
        read_header = _header_reader(entity, parsed["fields"][0]["type"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, SchemaParseException) as error:
        raise Undecodable(f"schema {schema_id} cannot be used: {type(error).__name__}") from error
    return EventSchema(schema_id, entity, parsed, header_only, read_header, tuple(members), fields)


def opened(schema: EventSchema, payload: bytes) -> tuple[Header, Rest]:
    """The header of an event, and where its body is. Raises Undecodable."""
    try:
        return schema.read_header(payload)
    except Exception:  # functions that were made for a schema meet any bytes; the general decoder judges them
        event = decode(schema, payload)
        return _header(event[HEADER]), event


def decode(schema: EventSchema, payload: bytes) -> dict[str, Any]:
    """The whole event as nested dicts. Raises Undecodable, also when bytes are left over."""
    stream = io.BytesIO(payload)
    event = _read(stream, schema.parsed)
    if stream.tell() != len(payload):
        raise Undecodable(f"{len(payload) - stream.tell()} bytes are left over")
    return event


def decode_header(schema: EventSchema, payload: bytes) -> Header:
    """The header alone, which may be readable when the body is not. Raises Undecodable."""
    return _header(_read(io.BytesIO(payload), schema.header_only)[HEADER])


def object_of(record: str) -> str:
    """The object that a schema is called after: ``AccountChangeEvent``, ``Employee__ChangeEvent``."""
    name = record.rpartition(".")[2].removesuffix("ChangeEvent")
    return f"{name}c" if name.endswith("__") else name


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


def _header(fields: Mapping[str, Any]) -> Header:
    try:
        return header.from_fields(fields)
    except (KeyError, TypeError, OverflowError) as error:
        raise Undecodable(f"a header that cannot be used: {type(error).__name__}") from error


def _header_reader(entity: str, declared: Any) -> header.Reader:
    try:
        return header.reader(entity, declared)
    except Unsupported as error:
        why = str(error)

    def never(_: bytes) -> tuple[Header, int]:
        raise Unsupported(why)

    return never


def _types(declared: Any, records: Mapping[str, Any]) -> frozenset[str]:
    """The types of a field besides null, by their names in Avro."""
    found = set()
    for branch in declared if isinstance(declared, list) else [declared]:
        kind = branch.get("type") if isinstance(branch, dict) else branch
        found.add("record" if str(kind).rpartition(".")[2] in records else str(kind))
    return frozenset(found - {"null"})


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
