"""The bare reference of everything that writes: the same rows, in as few statements as SQLite can do with."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.store.database import FILE, connect
from agent.store.reads import quiet

#: Tables that only grow, with the column that counts their rows.
GROWING = {
    "inbox": "seq",
    "outbox": "number",
    "journal": "id",
    "binding": "id",
    "exception": "id",
    "conflict": "id",
}
#: Rows of other tables that were written since; :seq, :number and :token are as they stood before.
OTHERS = {
    "obligation": "inbox > :seq",
    "cause": "inbox > :seq OR command > :number",
    "image": "token > :token",
    "entity": "id IN (SELECT entity FROM image WHERE token > :token)",
    "waiting": "entity IN (SELECT entity FROM image WHERE token > :token)",
    "position": "1",
}
#: Tables whose rows replace earlier ones, with their keys.
REPLACED = {
    "image": ("entity", "system"),
    "entity": ("id",),
    "waiting": ("entity", "target"),
    "position": ("system", "stream"),
}

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Marks:
    """How far a store is."""

    last: dict[str, int]
    token: int


@dataclass(frozen=True)
class Written:
    """What was written between two marks: table → columns and rows, as they stand now."""

    columns: dict[str, tuple[str, ...]]
    rows: dict[str, list[Row]]

    @property
    def count(self) -> int:
        """Rows in all."""
        return sum(len(rows) for rows in self.rows.values())

    def share(self, table: str, number: int, of: int) -> list[Row]:
        """The rows of one of so many transactions."""
        rows = self.rows[table]
        return rows[number * len(rows) // of : (number + 1) * len(rows) // of]

    def statement(self, table: str) -> str:
        """Writes a row of a table."""
        columns = self.columns[table]
        text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"
        if table not in REPLACED:
            return text
        changed = ", ".join(f"{name} = excluded.{name}" for name in columns)
        return f"{text} ON CONFLICT ({', '.join(REPLACED[table])}) DO UPDATE SET {changed}"


class Bare:
    """A plain connection to a store that nobody else has open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def transactions(self, written: Written, count: int) -> float:
        """Write the same rows in so many transactions. Returns the seconds that it took."""
        shares = [
            [(written.statement(table), written.share(table, number, count)) for table in written.rows]
            for number in range(count)
        ]
        began = time.perf_counter()
        for share in shares:
            self.connection.execute("BEGIN IMMEDIATE")
            for statement, rows in share:
                self.connection.executemany(statement, rows)
            self.connection.execute("COMMIT")
        return time.perf_counter() - began

    def deliveries(self, written: Written, numbers: Sequence[int], size: int) -> float:
        """Two transactions for each batch of commands: sent, then accepted. Returns the seconds."""
        batches = [numbers[at : at + size] for at in range(0, len(numbers), size)]
        image, journal = written.statement("image"), written.statement("journal")
        began = time.perf_counter()
        for place, batch in enumerate(batches):
            now = time.time_ns() // 1_000_000
            lines = written.share("journal", place, len(batches))
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(
                "UPDATE outbox SET state = 'sent', attempts = attempts + 1, sent = ? WHERE number = ?",
                [(now, number) for number in batch],
            )
            self.connection.executemany(journal, lines[: len(batch)])
            self.connection.execute("COMMIT")
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(
                "UPDATE outbox SET state = 'accepted', finished = ? WHERE number = ?",
                [(now, number) for number in batch],
            )
            self.connection.executemany(image, written.share("image", place, len(batches)))
            self.connection.executemany(journal, lines[len(batch) :])
            self.connection.execute("COMMIT")
        return time.perf_counter() - began


@contextmanager
def bare(directory: Path) -> Iterator[Bare]:
    """Write a store by hand, with the settings of the product's own connection."""
    with quiet(directory):
        connection = connect(directory / FILE)
        try:
            yield Bare(connection)
        finally:
            connection.close()


@contextmanager
def looking(directory: Path) -> Iterator[sqlite3.Connection]:
    """Read what the engine has written so far, beside it."""
    connection = connect(directory / FILE, read_only=True)
    try:
        yield connection
    finally:
        connection.close()


def marks(directory: Path) -> Marks:
    """How far the store is now."""
    with looking(directory) as connection:
        last = {
            table: int(connection.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchone()[0])
            for table, key in GROWING.items()
        }
        token = connection.execute("SELECT value FROM meta WHERE key = 'token'").fetchone()[0]
        return Marks(last, int(token))


def written_since(directory: Path, before: Marks) -> Written:
    """Everything that was written since."""
    values = {"seq": before.last["inbox"], "number": before.last["outbox"], "token": before.token}
    conditions = {t: (f"{key} > :last", {"last": before.last[t]}) for t, key in GROWING.items()}
    conditions |= {table: (condition, values) for table, condition in OTHERS.items()}
    columns, rows = {}, {}
    with looking(directory) as connection:
        for table, (condition, given) in conditions.items():
            found = connection.execute(f"SELECT * FROM {table} WHERE {condition}", given)
            columns[table] = tuple(column[0] for column in found.description)
            rows[table] = found.fetchall()
    return Written(columns, rows)
