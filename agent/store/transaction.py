"""One transaction on the store: plain statements, and the journal that every transition writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import orjson


class Transaction:
    """Handed to a unit of work; ends with it.

    now    milliseconds since 1970 UTC, the same for the whole transaction
    token  the store's counter: everything touched here carries it
    """

    def __init__(self, connection: sqlite3.Connection, now: int, token: int, epoch: int, actor: str) -> None:
        self._connection = connection
        self.now = now
        self.token = token
        self.epoch = epoch
        self.actor = actor
        self.written = False

    def run(self, statement: str, *values: Any) -> int:
        """Execute a write; returns the number of rows that it touched."""
        self.written = True
        return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, *values: Any) -> int:
        """Execute an INSERT; returns the new row's key."""
        self.written = True
        return int(self._connection.execute(statement, values).lastrowid or 0)

    def insert_new(self, statement: str, *values: Any) -> int | None:
        """Execute an INSERT … ON CONFLICT DO NOTHING RETURNING key; None when the row was there."""
        self.written = True
        row = self._connection.execute(statement, values).fetchone()
        return int(row[0]) if row else None

    def run_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute a write for each row."""
        self.written = True
        self._connection.executemany(statement, rows)

    def savepoint(self, name: str = "unit") -> None:
        """Begin a unit of work that can be taken back alone."""
        self._connection.execute(f"SAVEPOINT {name}")

    def release_savepoint(self, name: str = "unit") -> None:
        """Keep what was done since the savepoint."""
        self._connection.execute(f"RELEASE {name}")

    def rollback_savepoint(self, name: str = "unit") -> None:
        """Take back what was done since the savepoint."""
        self._connection.execute(f"ROLLBACK TO {name}")
        self._connection.execute(f"RELEASE {name}")

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
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
