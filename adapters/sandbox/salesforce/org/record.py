"""A stored record, and the table that holds all records of one object with what it is looked up by."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.values import Value


class Row(dict[str, Value]):
    """Values by field name. Null is not stored: a missing name reads as None, which halves a sparse
    record."""

    __slots__ = ()

    def __init__(self, values: Mapping[str, Value]) -> None:
        super().__init__((name, value) for name, value in values.items() if value is not None)

    def __missing__(self, name: str) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a record; a write makes a new one. ``values`` holds every field, system fields too."""

    object_name: str
    id: str
    values: Row

    @property
    def deleted(self) -> bool:
        return self.values["IsDeleted"] is True

    @property
    def modified(self) -> datetime:
        """LastModifiedDate, whole seconds."""
        moment = self.values["LastModifiedDate"]
        if not isinstance(moment, datetime):
            raise TypeError(f"{self.object_name}.LastModifiedDate is not a time")
        return moment

    def etag(self) -> str:
        """Entity tag of this version, quoted."""
        text = "|".join(f"{name}={value}" for name, value in sorted(self.values.items()))
        return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


class Table:
    """Records of one object by id, deleted ones included; live ones by external id, parent and match
    field."""

    def __init__(self, kind: ObjectType, matched: frozenset[str] = frozenset()) -> None:
        self._matched = matched
        self._records: dict[str, Record] = {}
        self._index: dict[str, dict[str, set[str] | str]] = {}
        self._ordered: list[str] = []
        self._sorted = True
        self.kind = kind

    @property
    def kind(self) -> ObjectType:
        """The object as it is defined now."""
        return self._kind

    @kind.setter
    def kind(self, kind: ObjectType) -> None:
        self._kind = kind
        names = [
            each.name
            for each in kind.fields
            if each.external_id
            or each.unique
            or each.name in self._matched
            or each.reference_to not in ("", "User", "RecordType")
        ]
        for name in names:
            self._index.setdefault(name, {})
        for name in set(self._index) - set(names):
            del self._index[name]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def get(self, identifier: str) -> Record | None:
        """The record with that 18-character id, deleted or not."""
        return self._records.get(identifier)

    def after(self, identifier: str) -> Iterator[Record]:
        """Records whose id is greater, in the order of ids."""
        if not self._sorted or len(self._ordered) != len(self._records):
            self._ordered = sorted(self._records)
            self._sorted = True
        start = bisect_right(self._ordered, identifier)
        return (self._records[each] for each in self._ordered[start:])

    def matching(self, field_name: str, value: Value) -> list[str]:
        """Ids of live records that hold that value in an indexed field; text without regard to case."""
        found = self._index[field_name].get(_key(value), ())
        return [found] if isinstance(found, str) else sorted(found)

    def indexed(self, field_name: str) -> bool:
        """Whether records can be looked up by that field."""
        return field_name in self._index

    def put(self, record: Record) -> None:
        """Stores a version, replacing the one before."""
        before = self._records.get(record.id)
        if before is None:
            self._sorted = self._sorted and (not self._ordered or record.id > self._ordered[-1])
            if self._sorted:
                self._ordered.append(record.id)
        else:
            self._unindex(before)
        self._records[record.id] = record
        if record.deleted:
            return
        for name, index in self._index.items():
            if (value := record.values.get(name)) is not None:
                _add(index, _key(value), record.id)

    def forget(self, identifier: str) -> None:
        """Takes a record out as if it had never been (rollback of a create)."""
        before = self._records.pop(identifier, None)
        if before is not None:
            self._unindex(before)
            self._sorted = False

    def reindex(self, field_name: str) -> None:
        """Looks at every live record again for one field, after it was added."""
        if field_name in self._index:
            self._index[field_name] = {}
            for record in self:
                if not record.deleted and (value := record.values.get(field_name)) is not None:
                    _add(self._index[field_name], _key(value), record.id)

    def _unindex(self, record: Record) -> None:
        if record.deleted:
            return
        for name, index in self._index.items():
            value = record.values.get(name)
            if value is None:
                continue
            held = index.get(_key(value))
            if isinstance(held, set) and len(held) > 1:
                held.discard(record.id)
            else:
                index.pop(_key(value), None)


def _key(value: Value) -> str:
    return str(value).lower()


def _add(index: dict[str, set[str] | str], key: str, identifier: str) -> None:
    """One id is kept as it is, several in a set: most keys have one record."""
    held = index.get(key)
    if held is None:
        index[key] = identifier
    elif isinstance(held, set):
        held.add(identifier)
    elif held != identifier:
        index[key] = {held, identifier}
