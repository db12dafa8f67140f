"""Change events: from the net change of a record to header and body, encoded under the object's current
schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapters.sandbox.salesforce.cdc import bitmap, diff
from adapters.sandbox.salesforce.cdc.schema import EventSchema
from adapters.sandbox.salesforce.org.record import Row
from adapters.sandbox.salesforce.org.values import Value, to_event

OVERFLOW_ID = "000000000000000AAA"
_Body = dict[str, object]


def _nothing() -> Row:
    return Row({})


@dataclass(frozen=True, slots=True)
class Change:
    """Net change of one or several records in one transaction.

    ``values`` holds all values on CREATE and UNDELETE, the changed ones (None where set to null) on UPDATE,
    and nothing on DELETE and GAP events. ``record`` is the whole record after the change, ``before`` the old
    texts of changed fields, ``enriched`` what a channel adds.
    """

    object_name: str
    record_ids: tuple[str, ...]
    change_type: str
    values: Mapping[str, Value]
    record: Row = field(default_factory=_nothing)
    before: Mapping[str, str] = field(default_factory=dict)
    enriched: Mapping[str, Value] = field(default_factory=dict)

    @property
    def header_only(self) -> bool:
        return self.change_type.startswith("GAP")

    def as_gap(self) -> Change:
        """The header-only form that tells only that something changed."""
        return replace(self, change_type=f"GAP_{self.change_type}", values={}, before={})

    def merges_with(self, other: Change) -> bool:
        """Whether both made the same change, so that the org reports them in one event."""
        return (
            self.change_type in ("UPDATE", "DELETE")
            and self.change_type == other.change_type
            and self.object_name == other.object_name
            and dict(self.values) == dict(other.values)
        )

    def mergeable(self) -> tuple[object, ...]:
        """What two changes have in common when they merge."""
        return (
            self.object_name,
            self.change_type,
            tuple(sorted((k, str(v)) for k, v in self.values.items())),
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
    places: dict[tuple[object, ...], int] = {}
    for change in changes:
        if change.change_type not in ("UPDATE", "DELETE"):
            merged.append(change)
            continue
        key = change.mergeable()
        at = places.get(key)
        if at is not None and merged[at].merges_with(change):
            merged[at] = replace(merged[at], record_ids=merged[at].record_ids + change.record_ids)
            continue
        places[key] = len(merged)
        merged.append(change)
    return merged


def merge_all(changes: list[Change], object_name: str) -> list[Change]:
    """Joins all changes of one kind to an object; where they differ, the event can only be a gap."""
    merged: list[Change] = []
    places: dict[str, int] = {}
    for change in changes:
        at = places.get(change.change_type) if change.object_name == object_name else None
        if at is None:
            if change.object_name == object_name:
                places[change.change_type] = len(merged)
            merged.append(change)
            continue
        first = merged[at]
        if not first.header_only and not first.merges_with(change):
            first = first.as_gap()
        merged[at] = replace(first, record_ids=first.record_ids + change.record_ids)
    return merged


def wildcard(changes: list[Change], object_name: str, prefix: str) -> list[Change]:
    """Replaces all changes of one object by a gap over every record, as a lossy field conversion makes it."""
    return _replaced(changes, Change(object_name, (f"{prefix}*",), "GAP_UPDATE", {}))


def overflow(changes: list[Change], object_name: str) -> list[Change]:
    """Replaces all changes of one object by a single GAP_OVERFLOW without ids."""
    return _replaced(changes, Change(object_name, (OVERFLOW_ID,), "GAP_OVERFLOW", {}))


def _replaced(changes: list[Change], marker: Change) -> list[Change]:
    name = marker.object_name
    first = next(index for index, change in enumerate(changes) if change.object_name == name)
    before = [change for change in changes[:first] if change.object_name != name]
    after = [change for change in changes[first:] if change.object_name != name]
    return [*before, marker, *after]


def encode(change: Change, commit: Commit, sequence: int, schema: EventSchema) -> bytes:
    """Avro binary of one event."""
    changed = list(change.values) if change.change_type == "UPDATE" else []
    nulled = [name for name in changed if change.values[name] is None]
    diffs = _diffs(change) if changed else {}
    datum: _Body = {
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
            "diffFields": _bitmap(list(diffs), schema),
            "changedFields": _bitmap(changed, schema),
        },
        **_body({**change.values, **change.enriched}, schema),
        **diffs,
    }
    return schema.encode(datum)


def _diffs(change: Change) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, old in change.before.items():
        new = change.values[name]
        if isinstance(new, str) and (text := diff.of(old, new)) is not None:
            found[name] = text
    return found


def _body(values: Mapping[str, Value], schema: EventSchema) -> _Body:
    body: _Body = {}
    for name, value in values.items():
        if value is None or name not in schema.places:
            continue
        compound, component = schema.places[name]
        if component:
            nested = body.setdefault(compound, {})
            if isinstance(nested, dict):
                nested[component] = to_event(value)
        else:
            body[compound] = to_event(value)
    return body


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
