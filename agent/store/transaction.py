"""One transaction on the store: plain statements, and the journal that every transition writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import orjson

from agent.errors import StoreError
from agent.store import fault
from agent.store.known import Known
from agent.store.pending import Pending, written

_JOURNAL = (
    "INSERT INTO journal (at, epoch, subject, subject_id, before, after, why, actor, correlation)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class Transaction:
    """Handed to a unit of work; ends with it.

    now    milliseconds since 1970 UTC, the same for the whole transaction
    token  the store's counter: everything touched here carries it
    apart  each unit of work, and each change of a batch, is run so that it can be taken back alone
    known  what need not be asked of the database again
    fault  what the disk did not do: nothing of the transaction will be kept, whoever goes on in it

    Writers name the entity that a write is about (``of``): what is known of the others stays known then.
    """

    def __init__(
        self, connection: sqlite3.Connection, now: int, token: int, epoch: int, actor: str, file: Path
    ) -> None:
        self._connection = connection
        self.now = now
        self.token = token
        self.epoch = epoch
        self.actor = actor
        self.written = False
        self.apart = False
        self.known = Known()
        self.fault: StoreError | None = None
        self._file = file
        self._pending = Pending()
        self._last: dict[str, int] = {}

    def run(self, statement: str, *values: Any, of: Hashable = None) -> int:
        """Execute a write; returns the number of rows that it touched."""
        return self._write(statement, values, of).rowcount

    def insert(self, statement: str, *values: Any) -> int:
        """Execute an INSERT; returns the new row's key."""
        return int(self._write(statement, values).lastrowid or 0)

    def insert_new(self, statement: str, *values: Any) -> int | None:
        """Execute an INSERT … ON CONFLICT DO NOTHING RETURNING key; None when the row was there."""
        self._last.pop(written(statement), None)
        row = self._first(self._write(statement, values))
        return int(row[0]) if row else None

    def run_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a write for each row; nothing where there is none."""
        kept = list(rows)
        if kept:
            self.known.forget(written(statement))
            self._before(statement)
            self._many(statement, kept)

    def later(self, statement: str, *values: Any, of: Hashable) -> None:
        """Have a row written together with others, before any statement that names its table."""
        table = written(statement)
        self.written = True
        self.known.forget(table, of)
        if self._pending.add(table, statement, values, of):
            self.flush()

    def next_of(self, table: str) -> int:
        """The key of the next row of a counted table, for whoever writes its rows with their keys."""
        if table not in self._last:
            self.flush()
            row = self.one("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
            self._last[table] = int(row[0]) if row else 0
        self._last[table] += 1
        return self._last[table]

    def flush(self) -> None:
        """Write the rows that wait."""
        for statement, rows in self._pending.take():
            self._many(statement, rows)

    def savepoint(self, name: str = "unit") -> None:
        """Begin a unit of work that can be taken back alone."""
        self.flush()
        self._execute(f"SAVEPOINT {name}")

    def release_savepoint(self, name: str = "unit") -> None:
        """Keep what was done since the savepoint."""
        self.flush()
        self._execute(f"RELEASE {name}")

    def rollback_savepoint(self, name: str = "unit") -> None:
        """Take back what was done since the savepoint. Raises the fault when the disk is to blame."""
        self._pending.clear()
        self.known.clear()
        self._last.clear()
        self._execute(f"ROLLBACK TO {name}")
        self._execute(f"RELEASE {name}")

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        self._before(statement)
        cursor = self._execute(statement, values)
        try:
            return cursor.fetchall()
        except sqlite3.Error as error:
            self._blame(error)
            raise

    def one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        self._before(statement)
        return self._first(self._execute(statement, values))

    def _before(self, statement: str) -> None:
        """Write what waits and is named by a statement, so that nothing passes it by."""
        if self._pending.due(statement):
            for waiting, rows in self._pending.take(statement):
                self._many(waiting, rows)

    def _write(self, statement: str, values: tuple[Any, ...], of: Hashable = None) -> sqlite3.Cursor:
        self.written = True
        self.known.forget(written(statement), of)
        self._before(statement)
        return self._execute(statement, values)

    def _many(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        self.written = True
        self._check()
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            self._blame(error)
            raise

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        self._check()
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            self._blame(error)
            raise

    def _first(self, cursor: sqlite3.Cursor) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = cursor.fetchone()
        except sqlite3.Error as error:
            self._blame(error)
            raise
        return row

    def _check(self) -> None:
        """After a fault of the disk no statement is made any more, so nobody can look past it."""
        if self.fault is not None:
            raise self.fault

    def _blame(self, error: sqlite3.Error) -> None:
        """Raise the fault where the disk is to blame for an error of a statement."""
        found = fault.of(error, self._file)
        if found is not None:
            self.fault = found
            raise found from error

    def journal(
        self, subject: str, subject_id: str, before: str, after: str, why: str, correlation: str = ""
    ) -> None:
        """Write down a transition."""
        self.written = True
        row = self.now, self.epoch, subject, subject_id, before, after, why, self.actor, correlation
        # Nobody keeps what is known of the journal, and all its rows are written by this one statement.
        if self._pending.add("journal", _JOURNAL, row, None):
            self.flush()


def dump(document: Any) -> str:
    """JSON text of a document."""
    return orjson.dumps(document).decode()


def load(text: str) -> Any:
    """The document of a JSON text."""
    return orjson.loads(text)
