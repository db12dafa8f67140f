"""One transaction of the org: record writes that become visible, journaled and published together, or not
at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.sandbox.salesforce.cdc.events import Change, Commit
from adapters.sandbox.salesforce.org import assignment, journal
from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import FieldType, ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.values import Value

if TYPE_CHECKING:
    from adapters.sandbox.salesforce.org.org import Org


@dataclass(slots=True)
class _Touch:
    """First write of the transaction on a record: what it was, and which kind of change came first."""

    table: Table
    before: Record | None
    change_type: str
    user_write: bool


class Transaction:
    """Writes by one actor. Single writes raise ApiError and leave the transaction as it was before them."""

    def __init__(self, org: Org, actor: Actor) -> None:
        self._org = org
        self._actor = actor
        self._touched: dict[str, _Touch] = {}
        self._entries: list[dict[str, Any]] = []
        self._at = org.clock.second()
        self.key = org.transaction_key()

    def create(self, object_name: str, body: Mapping[str, Any]) -> Record:
        """Inserts a record."""
        table = self._table(object_name)
        kind = table.kind
        try:
            self._lock(kind.name, "")
            assigned = assignment.read(kind, body, self._org.tables)
            identifier = self._org.ids.make(kind.prefix)
            values = self._fresh_values(kind, identifier) | assigned
            if kind.custom and values.get("Name") is None:
                values["Name"] = identifier
            flowed = self._org.rules.flow_values(kind, set(assigned), values)
            values |= flowed
            self._validate(table, identifier, values)
        except ApiError as error:
            self._refuse("create", kind.name, "", body, error)
            raise
        record = Record(kind.name, identifier, values)
        self._store(table, None, record, "CREATE")
        self._note("create", record, assigned, flowed)
        return record

    def update(self, object_name: str, identifier: str, body: Mapping[str, Any]) -> Record:
        """Changes fields of a live record, by 18-character id."""
        table = self._table(object_name)
        kind = table.kind
        try:
            before = self._live(table, identifier)
            self._lock(kind.name, identifier)
            assigned = assignment.read(kind, body, self._org.tables)
            changed = {name for name, value in assigned.items() if before.values[name] != value}
            values = {**before.values, **assigned}
            flowed = self._org.rules.flow_values(kind, changed, values)
            values |= flowed
            self._validate(table, identifier, values)
        except ApiError as error:
            self._refuse("update", kind.name, identifier, body, error)
            raise
        values |= self._stamp()
        record = Record(kind.name, identifier, values)
        self._store(table, before, record, "UPDATE")
        self._note("update", record, assigned, flowed)
        return record

    def delete(self, object_name: str, identifier: str) -> Record:
        """Moves a live record to the bin."""
        return self._bin(object_name, identifier, True)

    def undelete(self, object_name: str, identifier: str) -> Record:
        """Takes a record out of the bin."""
        return self._bin(object_name, identifier, False)

    def derive(self, record: Record, values: Mapping[str, Value]) -> None:
        """Lets the org itself set fields without moving LastModifiedDate, as geocoding does."""
        table = self._table(record.object_name)
        after = Record(record.object_name, record.id, {**record.values, **values, "SystemModstamp": self._at})
        self._store(table, record, after, "DERIVE")
        self._note("derive", after, values, {})

    def commit(self) -> None:
        """Publishes the net changes and journals the writes."""
        commit = Commit(
            self.key, self._org.commit_number(), self._at, self._actor.user.id, self._actor.origin
        )
        for entry in self._entries:
            self._org.journal.written({**entry, "commit": commit.number})
        changes = [change for change in map(self._net, self._touched) if change is not None]
        self._org.publish(changes, commit)

    def rollback(self, reason: ApiError) -> None:
        """Undoes everything; the writes are journaled as refused."""
        for identifier, touch in self._touched.items():
            if touch.before is None:
                touch.table.forget(identifier)
            else:
                touch.table.put(touch.before)
        for entry in self._entries:
            self._org.journal.refused(entry, reason)
        self._touched.clear()
        self._entries.clear()

    def _table(self, object_name: str) -> Table:
        return self._org.table(object_name)

    def _live(self, table: Table, identifier: str) -> Record:
        record = table.get(identifier)
        if record is None:
            raise ApiError("NOT_FOUND", "The requested resource does not exist")
        if record.deleted:
            raise ApiError("ENTITY_IS_DELETED", "entity is deleted")
        return record

    def _lock(self, object_name: str, identifier: str) -> None:
        if self._org.faults.strike("lock-row", (object_name,)):
            raise ApiError(
                "UNABLE_TO_LOCK_ROW",
                f"unable to obtain exclusive access to this record or 1 records: {identifier}".rstrip(": "),
            )

    def _fresh_values(self, kind: ObjectType, identifier: str) -> dict[str, Value]:
        values: dict[str, Value] = {
            field.name: False if field.type is FieldType.BOOLEAN else None for field in kind.fields
        }
        values["Id"] = identifier
        if kind.find("OwnerId"):
            values["OwnerId"] = self._actor.user.id
        values |= {"CreatedDate": self._at, "CreatedById": self._actor.user.id}
        return values | self._stamp()

    def _stamp(self) -> dict[str, Value]:
        return {
            "LastModifiedDate": self._at,
            "LastModifiedById": self._actor.user.id,
            "SystemModstamp": self._at,
        }

    def _validate(self, table: Table, identifier: str, values: Mapping[str, Value]) -> None:
        missing = [each.name for each in table.kind.fields if each.required and values.get(each.name) is None]
        if missing:
            raise ApiError(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                tuple(missing),
            )
        for field in table.kind.fields:
            if not field.unique or values.get(field.name) is None:
                continue
            others = [each for each in table.matching(field.name, values[field.name]) if each != identifier]
            if others:
                raise ApiError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {field.name} duplicates value on record with id: "
                    f"{others[0][:15]}",
                )
        self._org.rules.check(table.kind, values)

    def _bin(self, object_name: str, identifier: str, into: bool) -> Record:
        table = self._table(object_name)
        operation = "delete" if into else "undelete"
        try:
            before = table.get(identifier)
            if before is None:
                raise ApiError("NOT_FOUND", "The requested resource does not exist")
            if before.deleted is into:
                code = "ENTITY_IS_DELETED" if into else "UNDELETE_FAILED"
                raise ApiError(code, "entity is deleted" if into else "Entity is not in the recycle bin")
            self._lock(table.kind.name, identifier)
            if not into:
                self._validate(table, identifier, before.values)
        except ApiError as error:
            self._refuse(operation, table.kind.name, identifier, {}, error)
            raise
        record = Record(table.kind.name, identifier, {**before.values, **self._stamp(), "IsDeleted": into})
        self._store(table, before, record, operation.upper())
        self._note(operation, record, {}, {})
        return record

    def _store(self, table: Table, before: Record | None, after: Record, change_type: str) -> None:
        touch = self._touched.setdefault(after.id, _Touch(table, before, change_type, False))
        touch.user_write = touch.user_write or change_type != "DERIVE"
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
        if after is None or not kind.change_events:
            return None
        change_type = touch.change_type
        if after.deleted:
            if touch.before is None or touch.before.deleted:
                return None
            return Change(kind.name, (identifier,), "DELETE", {})
        if change_type in ("CREATE", "UNDELETE"):
            return Change(kind.name, (identifier,), change_type, dict(after.values))
        before = touch.before.values if touch.before is not None else {}
        values = {
            field.name: after.values[field.name]
            for field in kind.fields
            if field.in_events and before.get(field.name) != after.values[field.name]
        }
        if touch.user_write:
            values["LastModifiedDate"] = after.values["LastModifiedDate"]
        return Change(kind.name, (identifier,), "UPDATE", values)
