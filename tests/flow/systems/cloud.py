"""A system like Salesforce: partial events, weak compare-and-set, reads without a comparable version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar

from agent.core.change import Batch, Change, ChangeKind, Operation, RawValue, ReadResult, Row, Touched
from agent.core.delivery import Delivery, DeliveryKind, Guarantees, Outcome, OutcomeKind, Reason, Resolution
from agent.errors import PositionLost
from agent.ports import Check, System
from tests.flow.systems.meanwhile import Meanwhile
from tests.flow.systems.record_of_writes import Writes
from tests.flow.systems.time import TestClock

CLIENT = "isthmus"
FIELDS = {
    "Account": ("Name", "Terms", "Block", "Phone", "Note", "Isthmus_Id__c"),
    "Invoice__c": ("Amount", "Account", "Status", "Isthmus_Id__c"),
}
MAX_REQUEST_S = 120.0


@dataclass
class Record:
    """A record and when it was last modified."""

    object: str
    fields: dict[str, RawValue]
    modified: datetime


@dataclass
class Late:
    """A request whose answer was given up, and that the server still works on."""

    delivery: Delivery
    until: datetime


@dataclass
class Cloud:
    """The system itself, and its ports.

    ``lists``: it can tell what was touched; None: now it can, now it cannot. ``lacking`` fields cannot be
    written through an interface any more, ``hidden`` ones not be read, ``untold`` ones are in no event: those
    that tell of a whole record show them as empty.
    """

    clock: TestClock
    name: str = "sf"
    records: dict[str, Record] = field(default_factory=dict)
    events: list[Change] = field(default_factory=list)
    writes: Writes = field(default_factory=Writes)
    faults: list[str] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    bin: dict[str, Record] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    meanwhile: Meanwhile = field(default_factory=Meanwhile)
    flow: bool = False
    forgotten: bool = False
    era: str = ""
    repeat: int | None = None
    at_once: int = 2
    lists: bool | None = None
    lacking: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    untold: set[str] = field(default_factory=set)
    backlog: ClassVar[int] = 0
    history: list[tuple[datetime, str, str]] = field(default_factory=list)
    _position: int = 0
    _flows: int = 0

    def system(self) -> System:
        """The ports that the engine is given."""
        return System(self.name, "cloud", self, self, CloudReader(self), self)

    # --- users

    def user_create(self, object_: str, fields: Mapping[str, RawValue]) -> str:
        """A user creates a record."""
        key = self._create(object_, fields, None)
        for name, value in fields.items():
            self.writes.user(key, name, str(value), None)
        return key

    def user_edit(self, key: str, name: str, value: str) -> None:
        """A user changes a field."""
        record = self.records[key]
        self.writes.user(key, name, value, record.fields.get(name))
        self._write(key, {name: value}, None)

    def user_delete(self, key: str) -> None:
        """A user deletes a record; it lies in the bin."""
        self.writes.user_deleted(self.records[key].fields)
        self._delete(key, None)

    def user_undelete(self, key: str) -> None:
        """A user takes a record out of the bin."""
        record = self.records[key] = self.bin.pop(key)
        record.modified = self.clock.now()
        self._emit(key, Operation.UNDELETE, record.fields, None)

    def user_merge(self, loser: str, winner: str) -> None:
        """A user merges two records: the loser is deleted, what referred to it refers to the winner."""
        for key, record in self.records.items():
            if record.fields.get("Account") == loser:
                self._write(key, {"Account": winner}, None)
        self.merged[loser] = winner
        self.writes.user_deleted(self.records[loser].fields)
        self._delete(loser, None)

    def _delete(self, key: str, origin: str | None) -> None:
        self._emit(key, Operation.DELETE, {}, origin)
        self.writes.deleted[str(self.records[key].fields.get("Isthmus_Id__c"))] += 1
        self.bin[key] = self.records.pop(key)

    def spoil(self, index: int, kind: ChangeKind) -> None:
        """An event that is still to be delivered loses what it said; in an overflow, whom it was about too.

        A creation is never lost in an overflow: only a snapshot could find the record again.
        """
        waiting = [
            at
            for at in range(self._position, len(self.events))
            if self.events[at].kind is ChangeKind.EVENT
            and (kind is ChangeKind.GAP or self.events[at].operation is Operation.UPDATE)
        ]
        if waiting:
            at = waiting[index % len(waiting)]
            event = self.events[at]
            self.events[at] = Change(
                source_id=event.source_id,
                stream=event.stream,
                kind=kind,
                operation=event.operation,
                object=event.object,
                keys=() if kind is ChangeKind.OVERFLOW else event.keys,
                order=event.order,
                at=event.at,
                reason="lost" if kind is ChangeKind.UNDECODABLE else "",
            )

    def finish_late(self) -> None:
        """The server finishes the requests that nobody waits for any more."""
        for late in self.late:
            self._apply(late.delivery)
        self.late.clear()

    # --- source

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Start behind the stored position."""
        self._position = int(positions.get("events", b"0"))

    async def read(self) -> Batch:
        """The next events, or an old one again. Raises PositionLost."""
        if self.forgotten:
            self.forgotten = False
            raise PositionLost("the stream began anew", stream="events")
        if self.repeat is not None:
            old, self.repeat = self.events[self.repeat], None
            return Batch("events", (old,))
        found = tuple(self.events[self._position : self._position + self.at_once])
        self._position += len(found)
        position = str(self._position).encode() if found else None
        self.meanwhile.at("sf.read")
        return Batch("events", found, position)

    async def ack(self, batch: Batch) -> None:
        """Events stay; the position is the agent's."""

    async def close(self) -> None:
        """Nothing to stop."""

    # --- target

    def guarantees(self, object: str) -> Guarantees:
        """Weak compare-and-set; a lost update is read again, a lost create is repeated."""
        return Guarantees(
            compare_and_set=True,
            read_back=True,
            delete=True,
            answers=False,
            on_uncertain_update=Resolution.REREAD,
            on_uncertain_create=Resolution.RESEND,
            max_request_s=MAX_REQUEST_S,
            batch=2,
            backlog=self.backlog,
            tells_merges=object == "Account",
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to prepare."""
        self.meanwhile.at("sf.prepare")

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Apply, with the faults that are armed."""
        outcomes = [self._answer(delivery) for delivery in deliveries]
        self.meanwhile.at("sf.apply")
        return outcomes

    def _answer(self, delivery: Delivery) -> Outcome:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "busy":
            return Outcome(OutcomeKind.RETRY, code="UNABLE_TO_LOCK_ROW")
        if fault == "refused":
            return Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="FIELD_CUSTOM_VALIDATION")
        if fault == "never-arrived":
            return Outcome(OutcomeKind.UNCERTAIN, code="timeout")
        if fault == "late":
            self.late.append(Late(delivery, self.clock.now() + timedelta(seconds=MAX_REQUEST_S)))
            return Outcome(OutcomeKind.UNCERTAIN, code="timeout")
        outcome = self._apply(delivery)
        if fault == "answer-lost":
            return Outcome(OutcomeKind.UNCERTAIN, code="connection closed")
        return outcome

    def _apply(self, delivery: Delivery) -> Outcome:
        lacking = self.lacking & delivery.fields.keys()
        if lacking:
            return Outcome(
                OutcomeKind.REJECTED, reason=Reason.FIELD, code="INVALID_FIELD", fields=frozenset(lacking)
            )
        if delivery.kind is DeliveryKind.CREATE:
            return self._upsert(delivery)
        record = self.records.get(delivery.key or "")
        if record is None:
            return Outcome(OutcomeKind.REJECTED, reason=Reason.GONE)
        if delivery.kind is DeliveryKind.DELETE:
            self.writes.count += 1
            for name, value in (delivery.guard.values if delivery.guard else {}).items():
                if record.fields.get(name) != value:  # a deletion cannot be made conditional there
                    self.writes.excused.add(str(record.fields.get(name)))
            self._delete(delivery.key or "", CLIENT)
            return Outcome(OutcomeKind.ACCEPTED, key=delivery.key)
        if delivery.guard is not None:
            seen = datetime.fromisoformat(delivery.guard.version or "1970-01-01T00:00:00+00:00")
            if record.modified.replace(microsecond=0) > seen.replace(microsecond=0):
                return Outcome(OutcomeKind.REJECTED, reason=Reason.PRECONDITION)
            for name, value in delivery.guard.values.items():
                if record.fields.get(name) != value:  # changed within the second that nobody can tell apart
                    self.writes.excused.add(str(record.fields.get(name)))
        self._agent_writes(delivery.key or "", delivery)
        return Outcome(OutcomeKind.ACCEPTED, key=delivery.key)

    def _upsert(self, delivery: Delivery) -> Outcome:
        if "Account" in delivery.fields and delivery.fields["Account"] not in self.records:
            return Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="INVALID_CROSS_REFERENCE_KEY")
        for key, record in self.records.items():
            if record.fields.get("Isthmus_Id__c") == delivery.reference:
                self._agent_writes(key, delivery)
                return Outcome(OutcomeKind.ACCEPTED, key=key)
        fields = {**delivery.fields, "Isthmus_Id__c": delivery.reference}
        self.writes.created[delivery.reference] += 1
        key = self._create(delivery.object, fields, CLIENT)
        self.writes.count += 1
        for name, value in delivery.fields.items():
            self.writes.by_agent(key, name, value)
        return Outcome(OutcomeKind.ACCEPTED, key=key)

    def _agent_writes(self, key: str, delivery: Delivery) -> None:
        self.writes.count += 1
        fields = dict(delivery.fields)
        for name, value in fields.items():
            self.writes.by_agent(key, name, value)
        if self.flow and delivery.object == "Account":
            self._flows += 1
            value = f"flow{self._flows}"
            self.writes.user(key, "Name", value, self.records[key].fields.get("Name"))
            fields["Name"] = value
        self._write(key, fields, CLIENT)

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Records with these values."""
        return [
            Row(key, dict(record.fields))
            for key, record in self.records.items()
            if record.object == object and all(record.fields.get(n) == v for n, v in fields.items())
        ]

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """The same for each question."""
        return [await self.find(object, fields) for fields in questions]

    # --- reader and probe

    async def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All records of an object, two a page."""
        after = resume
        while True:
            keys = sorted(key for key, one in self.records.items() if one.object == object and key > after)
            if not keys:
                return
            after = keys[: self.at_once][-1]
            yield replace(self._result(keys[: self.at_once]), resume=after, total=len(self.records))

    def touched(self, object: str, since: datetime) -> Touched | None:
        """What was written or deleted since then, by whole seconds."""
        if not (self.lists if self.lists is not None else len(self.events) % 2):
            return None
        told = {key for at, name, key in self.history if name == object and at >= since}
        return Touched(tuple(sorted(told)), self.clock.now())

    async def check(self) -> Sequence[Check]:
        """Always there."""
        return [Check("connect", ok=True)]

    def result(self, keys: Sequence[str]) -> ReadResult:
        """What a read by key finds."""
        found = self._result(keys)
        self.meanwhile.at("sf.confirm")
        return found

    def _result(self, keys: Sequence[str]) -> ReadResult:
        now = self.clock.now().replace(microsecond=0)
        rows = []
        for key in keys:
            record = self.records.get(key)
            if record is None:
                rows.append(Row(key, None, merged_into=self.merged.get(key)))
            else:
                fields = {name: value for name, value in record.fields.items() if name not in self.hidden}
                rows.append(Row(key, fields, record.modified.isoformat()))
        return ReadResult(tuple(rows), now, now + timedelta(seconds=1), lacking=frozenset(self.hidden))

    # --- inside

    def _create(self, object_: str, fields: Mapping[str, RawValue], origin: str | None) -> str:
        key = f"{object_[:1]}{len(self.records) + len(self.bin) + 1:03d}"
        whole = {**dict.fromkeys(FIELDS[object_]), **fields}
        self.records[key] = Record(object_, whole, self.clock.now())
        self._emit(key, Operation.CREATE, whole, origin)
        return key

    def _write(self, key: str, fields: Mapping[str, RawValue], origin: str | None) -> None:
        record = self.records[key]
        record.fields.update(fields)
        record.modified = self.clock.now()
        self._emit(key, Operation.UPDATE, fields, origin)

    def _emit(
        self, key: str, operation: Operation, fields: Mapping[str, RawValue], origin: str | None
    ) -> None:
        number = len(self.events) + 1
        told: dict[str, RawValue] = {n: value for n, value in fields.items() if n not in self.untold}
        if operation in (Operation.CREATE, Operation.UNDELETE):
            told = {name: told.get(name) for name in fields}
        self.history.append((self.clock.now().replace(microsecond=0), self.records[key].object, key))
        self.events.append(
            Change(
                source_id=f"{self.era}t{number}",
                stream="events",
                kind=ChangeKind.EVENT,
                object=self.records[key].object,
                keys=(key,),
                operation=operation,
                fields=told,
                order=number,
                at=self.clock.now().replace(microsecond=0),
                version=self.clock.now().isoformat(),
                origin=origin,
            )
        )


class CloudReader:
    """The reader of a cloud: its own object, because a source and a reader both read."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def read(self, object: str, keys: Sequence[str]) -> ReadResult:
        """Records as they are now."""
        return self._cloud.result(keys)

    def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All records."""
        return self._cloud.page(object, resume)

    async def touched(self, object: str, since: datetime) -> Touched | None:
        """What was written or deleted since then."""
        return self._cloud.touched(object, since)
