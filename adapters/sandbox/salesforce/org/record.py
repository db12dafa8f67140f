"""A stored record, and the table that holds all records of one object with its external id index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.values import Value


@dataclass(frozen=True, slots=True)
class Record:
    """One version of a record; a write makes a new one. ``values`` holds every field, system fields too."""

    object_name: str
    id: str
    values: Mapping[str, Value]

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
        text = "|".join(f"{name}={value}" for name, value in self.values.items())
        return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


class Table:
    """Records of one object by id, deleted ones included, and the live ones by external id."""

    def __init__(self, kind: ObjectType) -> None:
        self.kind = kind
        self._records: dict[str, Record] = {}
        self._index: dict[tuple[str, str], set[str]] = {}

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def get(self, identifier: str) -> Record | None:
        """The record with that 18-character id, deleted or not."""
        return self._records.get(identifier)

    def matching(self, field_name: str, value: Value) -> list[str]:
        """Ids of live records whose external id field holds that value; text is compared
        case-insensitively."""
        return sorted(self._index.get((field_name, str(value).lower()), ()))

    def put(self, record: Record) -> None:
        """Stores a version, replacing the one before."""
        self._unindex(record.id)
        self._records[record.id] = record
        for key in self._keys(record):
            self._index.setdefault(key, set()).add(record.id)

    def forget(self, identifier: str) -> None:
        """Takes a record out as if it had never been (rollback of a create)."""
        self._unindex(identifier)
        self._records.pop(identifier, None)

    def _unindex(self, identifier: str) -> None:
        before = self._records.get(identifier)
        if before is not None:
            for key in self._keys(before):
                self._index[key].discard(identifier)

    def _keys(self, record: Record) -> list[tuple[str, str]]:
        if record.deleted:
            return []
        return [
            (each.name, str(record.values[each.name]).lower())
            for each in self.kind.fields
            if (each.external_id or each.unique) and record.values.get(each.name) is not None
        ]
