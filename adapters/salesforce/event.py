"""From a decoded change event to a Change: which fields it says what about, and how certain that is.

Per field: named in ``nulledFields`` it is null, in ``diffFields`` a text diff, in ``changedFields`` it has
the value of the body. Otherwise the event says nothing about it, whatever the body holds: a null in the body
is an unchanged, a nulled or a hidden field, and only the bitmaps tell which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.salesforce import bitmap
from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.avro import HEADER, EventSchema
from adapters.salesforce.values import Unsure, from_event, moment, version_of
from agent.core.change import Change, ChangeKind, Operation, RawValue
from agent.core.objects import FieldType, ObjectSpec

_OPERATIONS = {
    "CREATE": Operation.CREATE,
    "UPDATE": Operation.UPDATE,
    "DELETE": Operation.DELETE,
    "UNDELETE": Operation.UNDELETE,
}
_NO_RECORD = "000000000000000"
_NOTHING = bitmap.Named(())
#: Bitmap patterns that are remembered for one object.
_PATTERNS = 4096


@dataclass(frozen=True, slots=True)
class Column:
    """Where a mapped field stands in an event; ``child`` is empty for a field that is no component."""

    rest: str
    parent: str
    child: str
    hint: str
    kind: FieldType


@dataclass(frozen=True, slots=True)
class Decoded:
    """A change, and what was odd about its event although it could be used."""

    change: Change
    warning: str = ""


class EventReader:
    """Turns events of one object's topic into changes that hold mapped fields only."""

    def __init__(self, spec: ObjectSpec, stream: str) -> None:
        self._object = spec.name
        self._stream = stream
        self._kinds = {field.name: field.type for field in spec.fields}
        if spec.external_id:
            self._kinds.setdefault(spec.external_id, FieldType.TEXT)
        self._columns: dict[str, dict[str, tuple[Column, ...]]] = {}
        self._seen: dict[tuple[str, ...], bitmap.Named] = {}

    def read(self, schema: EventSchema, event: Mapping[str, Any]) -> Decoded:
        """Make a change of one event. Raises ValueError where event and schema contradict each other.

        A change whose mapped values are not certain (a text diff, an amount longer than a double, a compound
        name) becomes a GAP: the keys changed, and a read tells how.
        """
        header = event[HEADER]
        if header["entityName"] != self._object:
            raise ValueError(f"an event of {header['entityName']} on the stream of {self._object}")
        kind, operation, keys = _classify(header)
        warning, reason = "", ""
        fields: dict[str, RawValue] = {}
        if kind is ChangeKind.EVENT and operation is not Operation.DELETE:
            try:
                if operation is Operation.UPDATE:
                    fields, warning = self._changed(schema, event)
                else:
                    fields = self._all(schema, event)
            except Unsure as unsure:
                kind, fields, reason = ChangeKind.GAP, {}, str(unsure)
        return Decoded(self._change(event, kind, operation, keys, fields, reason), warning)

    def _change(
        self,
        event: Mapping[str, Any],
        kind: ChangeKind,
        operation: Operation,
        keys: tuple[str, ...],
        fields: Mapping[str, RawValue],
        reason: str,
    ) -> Change:
        header = event[HEADER]
        modified = event.get("LastModifiedDate")
        return Change(
            source_id=source_id(header),
            stream=self._stream,
            kind=kind,
            object=self._object,
            keys=keys,
            operation=operation,
            fields=fields,
            order=header["commitNumber"],
            at=moment(header["commitTimestamp"]),
            version=version_of(moment(modified)) if isinstance(modified, int) else None,
            origin=origin(header["changeOrigin"]),
            transaction=header["transactionKey"] or None,
            reason=reason,
        )

    def _all(self, schema: EventSchema, event: Mapping[str, Any]) -> dict[str, RawValue]:
        columns = {column.rest: column for group in self._layout(schema).values() for column in group}
        return {rest: _value(column, event) for rest, column in columns.items()}

    def _changed(self, schema: EventSchema, event: Mapping[str, Any]) -> tuple[dict[str, RawValue], str]:
        header, layout = event[HEADER], self._layout(schema)
        nulled = self._named(schema, header["nulledFields"])
        diffs = self._named(schema, header["diffFields"])
        changed = self._named(schema, header["changedFields"])
        fields: dict[str, RawValue] = {}
        for name in nulled.names:
            for column in layout.get(name, ()):
                if name not in (column.parent, f"{column.parent}.{column.child}"):
                    raise Unsure(f"{column.rest}: a part of a compound value was emptied")
                fields[column.rest] = None
        for name in diffs.names:
            for column in layout.get(name, ()):
                if column.rest not in fields:
                    raise Unsure(f"{column.rest}: sent as a text difference")
        for name in changed.names:
            for column in layout.get(name, ()):
                if column.rest not in fields:
                    fields[column.rest] = _known(column, event)
        beyond = nulled.beyond or diffs.beyond or changed.beyond
        return fields, "a bitmap reaches past the end of the schema" if beyond else ""

    def _named(self, schema: EventSchema, elements: Sequence[str]) -> bitmap.Named:
        """The fields of one bitmap array. The same few patterns come again and again, so they are kept."""
        if not elements:
            return _NOTHING
        pattern = (schema.schema_id, *elements)
        named = self._seen.get(pattern)
        if named is None:
            if len(self._seen) >= _PATTERNS:
                self._seen.clear()
            named = self._seen[pattern] = bitmap.decode(elements, schema.members)
        return named

    def _layout(self, schema: EventSchema) -> dict[str, tuple[Column, ...]]:
        """Names in events (``Phone``, ``BillingAddress.Street``) to mapped fields."""
        known = self._columns.get(schema.schema_id)
        if known is not None:
            return known
        layout: dict[str, tuple[Column, ...]] = {}
        for name, field in schema.fields.items():
            whole: tuple[Column, ...] = ()
            if name in self._kinds:
                whole = (Column(name, name, "", field.hint, self._kinds[name]),)
            parts: tuple[Column, ...] = ()
            for child, rest in field.children.items():
                part = (Column(rest, name, child, "", self._kinds[rest]),) if rest in self._kinds else ()
                parts += part
                if part or whole:
                    layout[f"{name}.{child}"] = part + whole
            if whole or parts:
                layout[name] = whole + parts
        self._columns[schema.schema_id] = layout
        return layout


def undecodable(
    stream: str, object_name: str, consumed: pb.ConsumerEvent, why: str, keys: Sequence[str]
) -> Change:
    """An event that could not be understood: its bytes, the reason, and its keys if they are known."""
    replay = consumed.replay_id.hex()
    return Change(
        source_id=f"undecodable:{consumed.event.id or replay}",
        stream=stream,
        kind=ChangeKind.UNDECODABLE,
        object=object_name,
        keys=tuple(keys),
        reason=f"event at replay id {replay}, schema {consumed.event.schema_id or 'none'}: {why}",
        raw=consumed.event.payload,
    )


def keys_in(header: Mapping[str, Any]) -> tuple[str, ...]:
    """The record keys of a header; none where they are wildcards and so name no record."""
    kind, _, keys = _classify(header)
    return keys if kind is not ChangeKind.OVERFLOW else ()


def source_id(header: Mapping[str, Any]) -> str:
    """Identity of an event: a repeated delivery has the same one, whatever its replay id.

    Replay ids repeat within a batch and change over a reset; these four parts do not.
    """
    records = hashlib.sha256("\n".join(header["recordIds"]).encode()).hexdigest()[:16]
    return f"{header['transactionKey']}:{header['sequenceNumber']}:{header['entityName']}:{records}"


def origin(text: str) -> str | None:
    """The client in a change origin: ``com/salesforce/api/rest/62.0;client=isthmus`` (a slash may follow)."""
    for part in text.split(";")[1:]:
        name, _, value = part.partition("=")
        if name == "client":
            return value.rstrip("/") or None
    return None


def _classify(header: Mapping[str, Any]) -> tuple[ChangeKind, Operation, tuple[str, ...]]:
    change_type = str(header["changeType"])
    keys = tuple(header["recordIds"])
    operation = _OPERATIONS.get(change_type.removeprefix("GAP_"), Operation.UPDATE)
    unknown = any(key.endswith("*") or key.startswith(_NO_RECORD) for key in keys)
    if change_type == "GAP_OVERFLOW" or unknown or not keys:
        return ChangeKind.OVERFLOW, operation, ()
    if change_type not in _OPERATIONS:
        return ChangeKind.GAP, operation, keys
    return ChangeKind.EVENT, operation, keys


def _value(column: Column, event: Mapping[str, Any]) -> RawValue:
    value = event[column.parent]
    if column.child:
        value = value.get(column.child) if isinstance(value, dict) else None
    try:
        return from_event(value, column.hint, column.kind)
    except Unsure as unsure:
        raise Unsure(f"{column.rest}: {unsure}") from unsure


def _known(column: Column, event: Mapping[str, Any]) -> RawValue:
    """A changed field's value; null without its bit in nulledFields is a value that may not be seen."""
    value = _value(column, event)
    if value is None:
        raise Unsure(f"{column.rest}: changed, but its value is not in the event")
    return value
