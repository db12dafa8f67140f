"""Change events: from the net change of a record to header and body, encoded under the object's current
schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.sandbox.salesforce.cdc import bitmap
from adapters.sandbox.salesforce.cdc.schema import EventSchema
from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.values import Value, to_event

OVERFLOW_ID = "000000000000000AAA"


@dataclass(frozen=True, slots=True)
class Change:
    """Net change of one or several records in one transaction.

    ``values`` holds all values on CREATE and UNDELETE, the changed ones (None where set to null) on
    UPDATE, and
    nothing on DELETE and GAP events.
    """

    object_name: str
    record_ids: tuple[str, ...]
    change_type: str
    values: Mapping[str, Value]

    def as_gap(self) -> Change:
        """The header-only form that tells only that something changed."""
        return replace(self, change_type=f"GAP_{self.change_type}", values={})

    def merges_with(self, other: Change) -> bool:
        """Whether both made the same change, so that the org reports them in one event."""
        return (
            self.change_type in ("UPDATE", "DELETE")
            and self.change_type == other.change_type
            and self.object_name == other.object_name
            and dict(self.values) == dict(other.values)
        )


@dataclass(frozen=True, slots=True)
class Commit:
    """What all events of one transaction share. ``at`` is in whole seconds."""

    key: str
    number: int
    at: datetime
    user_id: str
    origin: str


def merge(changes: list[Change]) -> list[Change]:
    """Joins equal changes of a transaction into one event with several record ids, at the place of the
    first."""
    merged: list[Change] = []
    for change in changes:
        for index, earlier in enumerate(merged):
            if earlier.merges_with(change):
                merged[index] = replace(earlier, record_ids=earlier.record_ids + change.record_ids)
                break
        else:
            merged.append(change)
    return merged


def overflow(changes: list[Change], object_name: str) -> list[Change]:
    """Replaces all changes of one object by a single GAP_OVERFLOW without ids."""
    marker = Change(object_name, (OVERFLOW_ID,), "GAP_OVERFLOW", {})
    first = next(index for index, change in enumerate(changes) if change.object_name == object_name)
    rest = [change for change in changes if change.object_name != object_name]
    return [*rest[:first], marker, *rest[first:]]


def encode(change: Change, commit: Commit, sequence: int, schema: EventSchema, kind: ObjectType) -> bytes:
    """Avro binary of one event."""
    update = change.change_type == "UPDATE"
    changed = list(change.values) if update else []
    nulled = [name for name in changed if change.values[name] is None]
    datum: dict[str, object] = {
        "ChangeEventHeader": {
            "entityName": change.object_name,
            "recordIds": list(change.record_ids),
            "changeType": change.change_type,
            "changeOrigin": commit.origin,
            "transactionKey": commit.key,
            "sequenceNumber": sequence,
            "commitTimestamp": int(commit.at.timestamp()) * 1000,
            "commitNumber": commit.number,
            "commitUser": commit.user_id,
            "nulledFields": _bitmap(nulled, schema),
            "diffFields": [],
            "changedFields": _bitmap(changed, schema),
        },
        **_body(change, kind),
    }
    return schema.encode(datum)


def _body(change: Change, kind: ObjectType) -> dict[str, object]:
    body: dict[str, object] = {}
    compounds: dict[str, dict[str, object]] = {}
    for field in kind.fields:
        value = change.values.get(field.name)
        if value is None or not field.in_events:
            continue
        if field.compound:
            compounds.setdefault(field.compound, {})[field.component] = to_event(value)
        else:
            body[field.name] = to_event(value)
    return body | compounds


def _bitmap(names: list[str], schema: EventSchema) -> list[str]:
    top: list[int] = []
    nested: dict[int, set[int]] = {}
    for name in names:
        if name in schema.parts:
            parent, bit = schema.parts[name]
            nested.setdefault(parent, set()).add(bit)
        elif name in schema.positions:
            top.append(schema.positions[name])
    return bitmap.encode(top, nested)
