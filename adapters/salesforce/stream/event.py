"""From a change event to a Change: its records, what it says about them, and how certain that is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.stream.avro import EventSchema, Rest, opened
from adapters.salesforce.stream.header import Header
from adapters.salesforce.stream.layout import MODIFIED, Layout, Plan, changed_value, is_plain, value_of
from adapters.salesforce.values import Unsure, moment, version_of
from agent.core.change import Change, ChangeKind, Operation, RawValue
from agent.core.objects import FieldType, ObjectSpec

_log = structlog.get_logger(__name__)

_OPERATIONS = {
    "CREATE": Operation.CREATE,
    "UPDATE": Operation.UPDATE,
    "DELETE": Operation.DELETE,
    "UNDELETE": Operation.UNDELETE,
}
_NO_RECORD = "000000000000000"
#: Schemas of one object that are kept ready: an old event keeps its old schema.
_LAYOUTS = 64


@dataclass(slots=True)
class Decoded:
    """A change, and what was odd about its event although it could be used."""

    change: Change
    warning: str = ""


class EventReader:
    """Turns events of one object into changes of a stream that hold mapped fields only."""

    def __init__(self, spec: ObjectSpec, stream: str) -> None:
        self._object = spec.name
        self._stream = stream
        self._kinds = {field.name: field.type for field in spec.fields if field.name != spec.key}
        if spec.external_id:
            self._kinds.setdefault(spec.external_id, FieldType.TEXT)
        self._layouts: dict[str, Layout] = {}
        self._missing: frozenset[str] = frozenset()

    def read(self, schema: EventSchema, payload: bytes) -> Decoded:
        """Make a change of one event. Raises Undecodable, or ValueError where event and schema contradict."""
        header, rest = opened(schema, payload)
        return self.change(schema, payload, header, rest)

    def change(self, schema: EventSchema, payload: bytes, header: Header, rest: Rest) -> Decoded:
        """The same with a header that was read before: ``rest`` is what stands behind it.

        A change whose mapped values are not certain (an amount longer than a double, a name of several parts)
        becomes a GAP: the keys changed, and a read tells how.
        """
        if header.entity != self._object:
            raise ValueError(f"an event of {header.entity} among those of {self._object}")
        layout = self._layouts.get(schema.schema_id) or self._laid_out(schema)
        body = layout.body(payload, rest)
        kind, operation, keys = classify(header)
        fields: dict[str, RawValue] = {}
        differences: dict[str, str] = {}
        reason = warning = ""
        if kind is ChangeKind.EVENT and operation is not Operation.DELETE:
            plan = layout.plan(header.marks)
            if plan.beyond:
                warning = "a bitmap reaches past the end of the schema"
            try:
                if plan.differing or plan.unsure:
                    differences = _differences(plan, body)
                if operation is Operation.UPDATE:
                    fields = _changed(plan, body)
                else:
                    fields = {c.rest: value_of(c, body) for c in layout.every if c.rest not in differences}
            except Unsure as unsure:
                kind, fields, differences, reason = ChangeKind.GAP, {}, {}, str(unsure)
        modified = body.get(MODIFIED)
        change = Change(
            source_id=source_id(header),
            stream=self._stream,
            kind=kind,
            object=self._object,
            keys=keys,
            operation=operation,
            fields=fields,
            order=header.number,
            at=header.at,
            version=_version(modified) if isinstance(modified, int) else None,
            origin=origin(header.origin),
            transaction=header.transaction or None,
            differences=differences,
            reason=reason,
        )
        return Decoded(change, warning)

    def _laid_out(self, schema: EventSchema) -> Layout:
        """Lay a schema out, and say once which mapped fields its events do not have."""
        if len(self._layouts) >= _LAYOUTS:
            self._layouts.clear()
        layout = self._layouts[schema.schema_id] = Layout(schema, self._kinds)
        for name in sorted(set(layout.missing) - self._missing):
            _log.warning(
                f"{self._object}.{name} is not in the change events of {self._object}: its changes are seen "
                "by reads only; was it removed, renamed or retyped in Setup?",
                action="salesforce.field.missing",
                stream=self._stream,
                object=self._object,
                field=name,
                schema=schema.schema_id,
            )
        self._missing = frozenset(layout.missing)
        return layout


def _changed(plan: Plan, body: Mapping[str, Any]) -> dict[str, RawValue]:
    fields: dict[str, RawValue] = dict.fromkeys(plan.nulled)
    for column in plan.changed:
        if not column.child or not is_plain(column, body):
            fields[column.rest] = changed_value(column, body)
    return fields


def _differences(plan: Plan, body: Mapping[str, Any]) -> dict[str, str]:
    if plan.unsure:
        raise Unsure(plan.unsure)
    return {column.rest: _difference(value_of(column, body), column.rest) for column in plan.differing}


def _difference(value: RawValue, name: str) -> str:
    if not isinstance(value, str):
        raise Unsure(f"{name}: sent as a text difference without a text")
    return value


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


def keys_in(header: Header) -> tuple[str, ...]:
    """The record keys of a header; none where they are wildcards and so name no record."""
    kind, _, keys = classify(header)
    return keys if kind is not ChangeKind.OVERFLOW else ()


def source_id(header: Header) -> str:
    """Identity of an event: a repeated delivery has the same one, whatever its replay id.

    Replay ids repeat within a batch and change over a reset; these four parts do not.
    """
    keys = header.keys
    records = keys[0] if len(keys) == 1 else _digest(keys)
    return f"{header.transaction}:{header.sequence}:{header.entity}:{records}"


def _digest(keys: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]


@lru_cache(maxsize=256)
def origin(text: str) -> str | None:
    """The client in a change origin: ``com/salesforce/api/rest/62.0;client=isthmus`` (a slash may follow)."""
    for part in text.split(";")[1:]:
        name, _, value = part.partition("=")
        if name == "client":
            return value.rstrip("/") or None
    return None


@lru_cache(maxsize=1024)
def _version(milliseconds: int) -> str:
    return version_of(moment(milliseconds))


def classify(header: Header) -> tuple[ChangeKind, Operation, tuple[str, ...]]:
    """What kind of change an event is, what was done, and the records that it names."""
    change_type, keys = header.change_type, header.keys
    operation = _OPERATIONS.get(change_type)
    kind = ChangeKind.EVENT
    if operation is None:
        operation = _OPERATIONS.get(change_type.removeprefix("GAP_"), Operation.UPDATE)
        kind = ChangeKind.GAP
    if change_type == "GAP_OVERFLOW" or not keys:
        return ChangeKind.OVERFLOW, operation, ()
    for key in keys:
        if key.endswith("*") or key.startswith(_NO_RECORD):
            return ChangeKind.OVERFLOW, operation, ()
    return kind, operation, keys
