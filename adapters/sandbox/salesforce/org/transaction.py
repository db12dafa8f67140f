"""One transaction of the org: record writes that become visible, journaled and published together, or not
at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.sandbox.salesforce.cdc.events import Change, Commit
from adapters.sandbox.salesforce.org import assignment, journal
from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import FieldType, ObjectType
from adapters.sandbox.salesforce.org.record import Record, Row, Table
from adapters.sandbox.salesforce.org.rules import filled
from adapters.sandbox.salesforce.org.values import Value, coerce

if TYPE_CHECKING:
    from adapters.sandbox.salesforce.org.org import Org


@dataclass(frozen=True, slots=True)
class _Touch:
    """First write of the transaction on a record: what it was, and which kind of change came first."""

    table: Table
    before: Record | None
    change_type: str
    user_write: bool


@dataclass(frozen=True, slots=True)
class _Step:
    """One store, with what undoes it."""

    table: Table
    identifier: str
    record: Record | None
    touch: _Touch | None


class Transaction:
    """Writes by one actor. Single writes raise ApiError and leave the transaction as it was before them."""

    def __init__(self, org: Org, actor: Actor) -> None:
        self._org = org
        self._actor = actor
        self._touched: dict[str, _Touch] = {}
        self._steps: list[_Step] = []
        self._entries: list[dict[str, Any]] = []
        self._at = org.clock.second()
        self.key = org.transaction_key()

    def create(self, object_name: str, body: Mapping[str, Any]) -> Record:
        """Inserts a record."""
        table = self._org.table(object_name)
        kind = table.kind
        try:
            self._lock(kind.name, "")
            assigned = assignment.read(kind, body, self._org.tables)
            identifier = self._org.ids.make(kind.prefix)
            values = self._fresh_values(kind, identifier) | assigned
            if kind.custom and values.get("Name") is None:
                values["Name"] = identifier
            flowed = self._derived(kind, set(assigned), values)
            values |= flowed
            self._validate(table, identifier, values)
        except ApiError as error:
            self._refuse("create", kind.name, "", body, error)
            raise
        record = Record(kind.name, identifier, Row(values))
        self._store(table, None, record, "CREATE")
        self._note("create", record, assigned, flowed)
        return record

    def update(self, object_name: str, identifier: str, body: Mapping[str, Any]) -> Record:
        """Changes fields of a live record, by 18-character id."""
        table = self._org.table(object_name)
        kind = table.kind
        try:
            before = self.live(table, identifier)
            self._lock(kind.name, identifier)
            assigned = assignment.read(kind, body, self._org.tables)
            changed = {name for name, value in assigned.items() if before.values[name] != value}
            values: dict[str, Value] = {**before.values, **assigned}
            flowed = self._derived(kind, changed, values)
            values |= flowed
            self._validate(table, identifier, values)
        except ApiError as error:
            self._refuse("update", kind.name, identifier, body, error)
            raise
        record = Record(kind.name, identifier, Row(values | self._stamp()))
        self._store(table, before, record, "UPDATE")
        self._note("update", record, assigned, flowed)
        return record

    def move(self, record: Record, *, binned: bool, more: Mapping[str, Value] | None = None) -> Record:
        """Puts a record into the bin or takes it out, alone: what depends on it is ``removal``'s."""
        operation = "delete" if binned else "undelete"
        table = self._org.table(record.object_name)
        try:
            if record.deleted is binned:
                code = "ENTITY_IS_DELETED" if binned else "UNDELETE_FAILED"
                raise ApiError(code, "entity is deleted" if binned else "Entity is not in the recycle bin")
            self._lock(record.object_name, record.id)
            if not binned:
                self._validate(table, record.id, record.values)
        except ApiError as error:
            self._refuse(operation, record.object_name, record.id, {}, error)
            raise
        values = {**record.values, **self._stamp(), **(more or {}), "IsDeleted": binned}
        after = Record(record.object_name, record.id, Row(values))
        self._store(table, record, after, operation.upper())
        self._note(operation, after, {}, {})
        return after

    def derive(self, record: Record, values: Mapping[str, Value]) -> None:
        """Lets the org itself set fields without moving LastModifiedDate, as geocoding does."""
        table = self._org.table(record.object_name)
        merged = {**record.values, **values, "SystemModstamp": self._at}
        after = Record(record.object_name, record.id, Row(merged))
        self._store(table, record, after, "DERIVE")
        self._note("derive", after, values, {})

    def live(self, table: Table, identifier: str) -> Record:
        """A record that is not deleted. Raises ApiError NOT_FOUND or ENTITY_IS_DELETED."""
        record = table.get(identifier)
        if record is None:
            raise ApiError("NOT_FOUND", "The requested resource does not exist")
        if record.deleted:
            raise ApiError("ENTITY_IS_DELETED", "entity is deleted")
        return record

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part that is undone alone when it fails with an ApiError, which goes on up."""
        steps, entries = len(self._steps), len(self._entries)
        try:
            yield
        except ApiError as error:
            self._undo(steps, entries, error)
            raise

    def commit(self) -> None:
        """Publishes the net changes and journals the writes."""
        commit = Commit(
            self.key, self._org.commit_number(), self._at, self._actor.user.id, self._actor.origin
        )
        for entry in self._entries:
            self._org.journal.written({**entry, "commit": commit.number})
        records = [(touch.table, identifier) for identifier, touch in self._touched.items()]
        changes = [change for change in map(self._net, self._touched) if change is not None]
        self._org.committed(records, changes, commit)

    def rollback(self, reason: ApiError) -> None:
        """Undoes everything; the writes are journaled as refused."""
        self._undo(0, 0, reason)

    def _undo(self, steps: int, entries: int, reason: ApiError) -> None:
        for step in reversed(self._steps[steps:]):
            if step.record is None:
                step.table.forget(step.identifier)
            else:
                step.table.put(step.record)
            if step.touch is None:
                del self._touched[step.identifier]
            else:
                self._touched[step.identifier] = step.touch
        for entry in self._entries[entries:]:
            self._org.journal.refused(entry, reason)
        del self._steps[steps:], self._entries[entries:]

    def _lock(self, object_name: str, identifier: str) -> None:
        if self._org.faults.strike("lock-row", (object_name,), client=self._actor.client):
            raise ApiError(
                "UNABLE_TO_LOCK_ROW",
                f"unable to obtain exclusive access to this record or 1 records: {identifier}".rstrip(": "),
            )

    def _fresh_values(self, kind: ObjectType, identifier: str) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for field in kind.filled:
            if field.type is FieldType.BOOLEAN:
                values[field.name] = field.default == "true"
            elif field.auto_number:
                values[field.name] = self._org.auto_number(kind, field)
            else:
                values[field.name] = coerce(field, field.default)
        values["Id"] = identifier
        if kind.find("OwnerId"):
            values["OwnerId"] = self._actor.user.id
        if kind.record_types:
            values["RecordTypeId"] = self._org.record_type(kind.name, kind.record_types[0])
        values |= {"CreatedDate": self._at, "CreatedById": self._actor.user.id}
        return values | self._stamp()

    def _derived(self, kind: ObjectType, changed: set[str], values: Mapping[str, Value]) -> dict[str, Value]:
        """What flows and computed fields set."""
        result = self._org.rules.flow_values(kind, changed, values)
        for field in kind.computed:
            result[field.name] = filled(field.computed, {**values, **result})
        return result

    def _stamp(self) -> dict[str, Value]:
        return {
            "LastModifiedDate": self._at,
            "LastModifiedById": self._actor.user.id,
            "SystemModstamp": self._at,
        }

    def _validate(self, table: Table, identifier: str, values: Mapping[str, Value]) -> None:
        missing = [each for each in table.kind.required if values.get(each) is None]
        if missing:
            raise ApiError(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                tuple(missing),
            )
        for name in table.kind.unique:
            value = values.get(name)
            others = [] if value is None else table.matching(name, value)
            others = [each for each in others if each != identifier]
            if others:
                raise ApiError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {name} duplicates value on record with id: {others[0][:15]}",
                )
        self._org.rules.check(table.kind, values)
        self._org.rules.check_duplicates(table, identifier, values, self._actor)

    def _store(self, table: Table, before: Record | None, after: Record, change_type: str) -> None:
        touch = self._touched.get(after.id)
        self._steps.append(_Step(table, after.id, before, touch))
        first = touch or _Touch(table, before, change_type, False)
        wrote = first.user_write or change_type != "DERIVE"
        self._touched[after.id] = _Touch(first.table, first.before, first.change_type, wrote)
        table.put(after)

    def _note(
        self, operation: str, record: Record, assigned: Mapping[str, Value], flowed: Mapping[str, Value]
    ) -> None:
        entry = journal.entry(self._at, self._actor, operation, record.object_name, record.id)
        entry |= {"fields": journal.shown(assigned), "transaction": self.key}
        if flowed:
            entry["flow_fields"] = journal.shown(flowed)
        self._entries.append(entry)

    def _refuse(
        self, operation: str, object_name: str, identifier: str, body: Mapping[str, Any], error: ApiError
    ) -> None:
        entry = journal.entry(self._at, self._actor, operation, object_name, identifier)
        fields = {name: raw for name, raw in body.items() if name.lower() != "attributes"}
        self._org.journal.refused({**entry, "fields": fields, "transaction": self.key}, error)

    def _net(self, identifier: str) -> Change | None:
        """The one change that the whole transaction made to a record, under its first kind of change."""
        touch = self._touched[identifier]
        after = touch.table.get(identifier)
        kind = touch.table.kind
        if after is None:
            return None
        change_type = touch.change_type
        if after.deleted:
            if touch.before is None or touch.before.deleted:
                return None
            return Change(kind.name, (identifier,), "DELETE", {}, after.values)
        if change_type in ("CREATE", "UNDELETE"):
            return Change(kind.name, (identifier,), change_type, after.values, after.values)
        before = touch.before.values if touch.before is not None else Row({})
        values = {
            field.name: after.values[field.name]
            for field in kind.fields
            if field.in_events and before[field.name] != after.values[field.name]
        }
        if touch.user_write:
            values["LastModifiedDate"] = after.values["LastModifiedDate"]
        old = {name: text for name in values if isinstance(text := before[name], str)}
        return Change(kind.name, (identifier,), "UPDATE", values, after.values, old)
