"""One transaction on the store: plain statements, and the journal that every transition writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from agent.errors import StoreError
from agent.store import fault


class _Disk:
    """Around every statement: after a fault of the disk none is made any more, so nobody can look past it."""

    def __init__(self, tx: Transaction, file: Path) -> None:
        self._tx = tx
        self._file = file

    def __enter__(self) -> None:
        if self._tx.fault is not None:
            raise self._tx.fault

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error):
            found = fault.of(error, self._file)
            if found is not None:
                self._tx.fault = found
                raise found from error


class Transaction:
    """Handed to a unit of work; ends with it.

    now    milliseconds since 1970 UTC, the same for the whole transaction
    token  the store's counter: everything touched here carries it
    fault  what the disk did not do: nothing of the transaction will be kept, whoever goes on in it
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
        self.fault: StoreError | None = None
        self._disk = _Disk(self, file)

    def run(self, statement: str, *values: Any) -> int:
        """Execute a write; returns the number of rows that it touched."""
        self.written = True
        with self._disk:
            return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, *values: Any) -> int:
        """Execute an INSERT; returns the new row's key."""
        self.written = True
        with self._disk:
            return int(self._connection.execute(statement, values).lastrowid or 0)

    def insert_new(self, statement: str, *values: Any) -> int | None:
        """Execute an INSERT … ON CONFLICT DO NOTHING RETURNING key; None when the row was there."""
        self.written = True
        with self._disk:
            row = self._connection.execute(statement, values).fetchone()
            return int(row[0]) if row else None

    def run_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a write for each row; nothing where there is none."""
        kept = list(rows)
        if kept:
            self.written = True
            with self._disk:
                self._connection.executemany(statement, kept)

    def savepoint(self, name: str = "unit") -> None:
        """Begin a unit of work that can be taken back alone."""
        with self._disk:
            self._connection.execute(f"SAVEPOINT {name}")

    def release_savepoint(self, name: str = "unit") -> None:
        """Keep what was done since the savepoint."""
        with self._disk:
            self._connection.execute(f"RELEASE {name}")

    def rollback_savepoint(self, name: str = "unit") -> None:
        """Take back what was done since the savepoint. Raises the fault when the disk is to blame."""
        with self._disk:
            self._connection.execute(f"ROLLBACK TO {name}")
            self._connection.execute(f"RELEASE {name}")

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._disk:
            return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with self._disk:
            row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return row

    def journal(
        self, subject: str, subject_id: str, before: str, after: str, why: str, correlation: str = ""
    ) -> None:
        """Write down a transition."""
        self.run(
            "INSERT INTO journal (at, epoch, subject, subject_id, before, after, why, actor, correlation)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self.now,
            self.epoch,
            subject,
            subject_id,
            before,
            after,
            why,
            self.actor,
            correlation,
        )


def dump(document: Any) -> str:
    """JSON text of a document."""
    return orjson.dumps(document).decode()


def load(text: str) -> Any:
    """The document of a JSON text."""
    return orjson.loads(text)
