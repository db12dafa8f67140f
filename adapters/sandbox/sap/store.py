"""The sample SAP's own store: customers, IDocs and a log of changes, in SQLite, readable by anybody.

Every public method is one transaction. One connection, used by the polling thread and the control
requests, one at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Fields of the customer master that the sample keeps: E1KNA1M name → column.
FIELDS = (
    "NAME1",
    "NAME2",
    "STRAS",
    "ORT01",
    "PSTLZ",
    "LAND1",
    "SORTL",
    "TELF1",
    "AUFSD",
    "LOEVM",
    "KTOKD",
    "SPRAS",
    "STCEG",
)
_COLUMNS = ", ".join(f"{name.lower()} TEXT NOT NULL DEFAULT ''" for name in FIELDS)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS customer(kunnr TEXT PRIMARY KEY, {_COLUMNS}, changed_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS idoc(
    docnum TEXT PRIMARY KEY, partner_docnum TEXT NOT NULL, arckey TEXT NOT NULL, direction INTEGER NOT NULL,
    mestyp TEXT NOT NULL, status TEXT NOT NULL, text TEXT NOT NULL, kunnr TEXT NOT NULL DEFAULT '',
    file TEXT NOT NULL, content BLOB NOT NULL, received_at TEXT NOT NULL, changed_at REAL NOT NULL,
    answered TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS idoc_status ON idoc(direction, status);
CREATE TABLE IF NOT EXISTS change_log(
    id INTEGER PRIMARY KEY, kunnr TEXT NOT NULL, field TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL,
    by_whom TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS change_pointer(id INTEGER PRIMARY KEY, kunnr TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS number_range(name TEXT PRIMARY KEY, last INTEGER NOT NULL);
INSERT OR IGNORE INTO number_range VALUES ('kunnr', 100000), ('docnum', 700000);
"""  # noqa: S608 - the columns are the constants above


class SapStore:
    """Customers, IDocs and number ranges. ``transaction`` holds the only lock."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA busy_timeout=5000")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything within commits together; nested ones join the outer."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def rows(self, sql: str, *values: object) -> list[dict[str, object]]:
        """Rows as dictionaries."""
        with self._lock:
            return [dict(row) for row in self._db.execute(sql, values)]

    def run(self, sql: str, *values: object) -> None:
        """One statement."""
        with self.transaction():
            self._db.execute(sql, values)

    def next_number(self, name: str) -> int:
        """The next number of a range; never given twice."""
        with self.transaction():
            sql = "UPDATE number_range SET last = last + 1 WHERE name = ? RETURNING last"
            return int(self._db.execute(sql, (name,)).fetchone()[0])

    def customer(self, kunnr: str) -> dict[str, str] | None:
        """A customer's fields by their SAP names."""
        found = self.rows("SELECT * FROM customer WHERE kunnr = ?", kunnr)
        return {name: str(found[0][name.lower()]) for name in FIELDS} if found else None

    def write_customer(self, kunnr: str, fields: Mapping[str, str], by_whom: str, at: str) -> bool:
        """Create or change a customer; whether anything differed. Each change is logged, and marked to
        be sent.
        """
        with self.transaction():
            old = self.customer(kunnr)
            if old is None:
                self.run("INSERT INTO customer(kunnr, changed_at) VALUES (?, ?)", kunnr, at)
            before = old or dict.fromkeys(FIELDS, "")
            differing = {name: text for name, text in fields.items() if before[name] != text}
            for name, text in differing.items():
                update = f"UPDATE customer SET {name.lower()} = ?, changed_at = ? WHERE kunnr = ?"  # noqa: S608
                self.run(update, text, at, kunnr)
                self.run(
                    "INSERT INTO change_log(kunnr, field, old, new, by_whom, at) VALUES (?, ?, ?, ?, ?, ?)",
                    *(kunnr, name, before[name], text, by_whom, at),
                )
            return old is None or bool(differing)

    def point(self, kunnr: str) -> None:
        """Write a change pointer: the customer is to be sent at the next run."""
        self.run("INSERT INTO change_pointer(kunnr) VALUES (?)", kunnr)

    def take_pointers(self) -> Sequence[str]:
        """Customers to be sent, each once, however many changes they had; the pointers are used up."""
        with self.transaction():
            found = self.rows("SELECT DISTINCT kunnr FROM change_pointer ORDER BY kunnr")
            self.run("DELETE FROM change_pointer")
            return [str(row["kunnr"]) for row in found]
