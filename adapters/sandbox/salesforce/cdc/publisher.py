"""From the changes of a committed transaction to events on the bus, as armed faults let them."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from adapters.sandbox.salesforce.cdc import events
from adapters.sandbox.salesforce.cdc.events import Change, Commit
from adapters.sandbox.salesforce.cdc.stream import Detail, Draft
from adapters.sandbox.salesforce.control.faults import AT_ONCE
from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.fields import Field, FieldType
from adapters.sandbox.salesforce.org.values import Value

if TYPE_CHECKING:
    from adapters.sandbox.salesforce.org.org import Org

MOST_BYTES = 1_000_000
MOST_CHANGES = 100_000


class Publisher:
    """Numbers, merges, encodes and puts the events of a transaction on the bus; tells nothing while quiet."""

    def __init__(self, org: Org, rng: random.Random) -> None:
        self._org = org
        self._rng = rng
        self._added = 0
        self._behind: Draft | None = None
        self.quiet = False
        self.most_changes = MOST_CHANGES

    def reseed(self, seed: str) -> None:
        """Other event ids than those of an earlier life."""
        self._rng.seed(seed)

    def publish(self, changes: list[Change], commit: Commit) -> None:
        """One event per change, merged where equal; numbers count objects without change events too."""
        if self.quiet:
            return
        merged = events.merge(changes)
        for name in {change.object_name: None for change in merged}:
            merged = self._as_armed(merged, name)
        merged = self._overflown(merged)
        told: list[Change] = []
        for sequence, change in enumerate(merged, 1):
            if self._org.objects[change.object_name].change_events:
                self._one(change, commit, sequence)
                told.append(change)
        for change in told:
            self._after(change)

    def _as_armed(self, changes: list[Change], name: str) -> list[Change]:
        strike = self._org.faults.strike
        if strike("overflow", (name,)):
            return events.overflow(changes, name)
        if strike("merge", (name,)):
            changes = events.merge_all(changes, name)
        if strike("wildcard", (name,)):
            changes = events.wildcard(changes, name, self._org.objects[name].prefix)
        return changes

    def _overflown(self, changes: list[Change]) -> list[Change]:
        """A transaction of too many changes, each changed field counted, tells of whole objects only."""
        size = sum(len(change.record_ids) * max(1, len(change.values)) for change in changes)
        if size > self.most_changes:
            for name in {change.object_name: None for change in changes}:
                changes = events.overflow(changes, name)
        return changes

    def _one(self, change: Change, commit: Commit, sequence: int) -> None:
        names = (change.object_name,)
        strike = self._org.faults.strike
        if not change.change_type.startswith("GAP") and strike("gap", names):
            change = change.as_gap()
        if strike("schema", names):
            self._added += 1
            field = Field(f"Added_{self._added}__c", FieldType.STRING, f"Added {self._added}", length=80)
            self._org.add_field(change.object_name, field)
        schema = self._org.schema_of(change.object_name)
        payload = events.encode(change, commit, sequence, schema)
        if len(payload) > MOST_BYTES:
            change = change.as_gap()
            payload = events.encode(change, commit, sequence, schema)
        if strike("undecodable", names):
            payload = b"\xff" * 12 + payload[: len(payload) // 2]
        event_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        draft = Draft(change.object_name, event_id, schema.id, payload, Detail(change, commit, sequence))
        if strike("lose", names):
            return
        if late := strike("delay", names):
            self._org.stream.hold(late.delay)
        times = 2 if strike("duplicate", names) else 1
        if late := strike("reorder", names):
            self._keep_behind(draft, late.delay)
            return
        behind = self._behind
        if behind is not None and not _apart(behind, draft):
            self._tell_behind(behind)
        for _ in range(times):
            self._org.stream.publish(draft)
        if behind is not None:
            self._tell_behind(behind)

    def _keep_behind(self, draft: Draft, seconds: float) -> None:
        """Tells the event behind the next one, or after so many seconds where none comes."""
        if self._behind is not None:
            self._tell_behind(self._behind)
        self._behind = draft
        asyncio.get_running_loop().call_later(seconds, self._tell_behind, draft)

    def _tell_behind(self, draft: Draft) -> None:
        if self._behind is draft:
            self._behind = None
            self._org.stream.publish(draft)

    def _after(self, change: Change) -> None:
        names = (change.object_name,)
        for kind in AT_ONCE:
            if self._org.faults.strike(kind, names):
                self._org.at_once[kind]()
        compound = self._changed_address(change)
        if compound and self._org.faults.strike("geocode", names):
            for identifier in change.record_ids:
                self._geocode(change.object_name, identifier, compound)

    def _changed_address(self, change: Change) -> str:
        if change.change_type not in ("CREATE", "UPDATE"):
            return ""
        for field in self._org.objects[change.object_name].placed:
            if change.values.get(field.name) is not None:
                return field.compound
        return ""

    def _geocode(self, object_name: str, identifier: str, compound: str) -> None:
        record = self._org.tables[object_name].get(identifier)
        if record is None or record.deleted:
            return
        stem = compound.removesuffix("Address")
        values: dict[str, Value] = {
            f"{stem}Latitude": Decimal(self._rng.randrange(-60_000_000, 60_000_000)).scaleb(-6),
            f"{stem}Longitude": Decimal(self._rng.randrange(-170_000_000, 170_000_000)).scaleb(-6),
        }
        with self._org.transaction(Actor(self._org.staff.automated)) as transaction:
            transaction.derive(record, values)


def _apart(one: Draft, other: Draft) -> bool:
    """Whether two events tell of different records: only such may overtake each other."""
    if one.detail is None or other.detail is None:
        return False
    return set(one.detail.change.record_ids).isdisjoint(other.detail.change.record_ids)


def enriched(detail: Detail, identifier: str, values: dict[str, Value]) -> Change:
    """One record's share of an event, with further fields that are told though they did not change."""
    change = detail.change
    return replace(change, record_ids=(identifier,), enriched=values)
