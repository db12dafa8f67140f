"""Keeps an org in a file: records, events, schemas and counters survive a restart of the sandbox.

Sessions, jobs, cursors and the log of writes do not: they are those of one life of the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from adapters.sandbox.salesforce.cdc.schema import kept_schema
from adapters.sandbox.salesforce.cdc.stream import StoredEvent
from adapters.sandbox.salesforce.org.fields import NUMBER_TYPES, Field, FieldType, ObjectType, OnDelete
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.org.record import Record, Row
from adapters.sandbox.salesforce.org.values import Value

_TABLES = """
CREATE TABLE IF NOT EXISTS record (object TEXT, id TEXT, body BLOB, PRIMARY KEY (object, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (position INTEGER PRIMARY KEY, source TEXT, event_id TEXT, schema_id TEXT,
    payload BLOB, committed TEXT);
CREATE TABLE IF NOT EXISTS schema (id TEXT PRIMARY KEY, source TEXT, json TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
"""


class Keeper:
    """The file of one org, open. Everything is written in the same SQLite transaction as it was committed."""

    def __init__(self, path: Path, org: Org) -> None:
        self._org = org
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.executescript(_TABLES)
        self._last_event = 0
        self.loaded = self._load()
        org.saved = self.save
        org.removed = self.remove

    def close(self) -> None:
        """Saves what no transaction has saved, and closes the file."""
        self.save(())
        self._file.close()

    def save(self, records: Iterable[Record]) -> None:
        """Writes records, new events and counters."""
        rows = [(each.object_name, each.id, _packed(each)) for each in records]
        fresh = self._org.stream.kept(self._last_event)
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", rows)
        self._file.executemany(
            "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    each.position,
                    each.source,
                    each.event_id,
                    each.schema_id,
                    each.payload,
                    each.committed.isoformat(),
                )
                for each in fresh
            ],
        )
        self._file.executemany(
            "INSERT OR IGNORE INTO schema VALUES (?, ?, ?)",
            [(each.id, each.source, each.json) for each in self._org.schemas.values()],
        )
        meta = {**self._org.counters(), "alterations": [_altered(each) for each in self._org.alterations]}
        self._file.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", [(k, orjson.dumps(v)) for k, v in meta.items()]
        )
        oldest = self._org.stream.oldest
        self._file.execute("DELETE FROM event WHERE position < ?", (oldest,))
        self._file.execute("COMMIT")
        self._last_event = fresh[-1].position if fresh else self._last_event

    def remove(self, object_name: str, identifier: str) -> None:
        """Takes out a record that is gone for good."""
        self._file.execute("DELETE FROM record WHERE object = ? AND id = ?", (object_name, identifier))

    def _load(self) -> bool:
        meta = {
            name: orjson.loads(value) for name, value in self._file.execute("SELECT name, value FROM meta")
        }
        if not meta:
            return False
        for operation, object_name, body in meta["alterations"]:
            if operation == "add":
                self._org.add_field(object_name, _field(body))
            else:
                self._org.remove_field(object_name, body)
        for object_name, body in self._file.execute("SELECT object, body FROM record ORDER BY object, id"):
            table = self._org.tables.get(object_name)
            if table is not None:
                table.put(_unpacked(table.kind, body))
        for identifier, source, text in self._file.execute("SELECT id, source, json FROM schema"):
            self._org.schemas.setdefault(identifier, kept_schema(identifier, source, text))
        events = [
            StoredEvent(position, source, event_id, schema_id, payload, datetime.fromisoformat(committed))
            for position, source, event_id, schema_id, payload, committed in self._file.execute(
                "SELECT * FROM event ORDER BY position"
            )
        ]
        self._org.resume(meta, events)
        self._last_event = events[-1].position if events else 0
        return True


def _packed(record: Record) -> bytes:
    return orjson.dumps({name: _plain(value) for name, value in record.values.items()})


def _plain(value: Value) -> object:
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    return str(value) if isinstance(value, Decimal) else value.isoformat()


def _unpacked(kind: ObjectType, body: bytes) -> Record:
    plain: dict[str, Any] = orjson.loads(body)
    values: dict[str, Value] = {}
    for name, value in plain.items():
        field = kind.find(name)
        if field is not None:
            values[field.name] = _value(field.type, value)
    return Record(kind.name, str(plain["Id"]), Row(values))


def _value(kind: FieldType, value: Any) -> Value:
    if kind is FieldType.DATETIME:
        return datetime.fromisoformat(value)
    if kind is FieldType.DATE:
        return date.fromisoformat(value)
    if kind is FieldType.TIME:
        return time.fromisoformat(value)
    if kind in NUMBER_TYPES and kind is not FieldType.INT:
        return Decimal(str(value))
    found: Value = value
    return found


def _altered(alteration: tuple[str, str, Field | str]) -> list[object]:
    operation, object_name, what = alteration
    return [operation, object_name, asdict(what) if isinstance(what, Field) else what]


def _field(body: dict[str, Any]) -> Field:
    body["type"], body["on_delete"] = FieldType(body["type"]), OnDelete(body["on_delete"])
    body["choices"] = tuple(body["choices"])
    return Field(**body)
