"""A store of any size, written by plain INSERT … SELECT from patterns: the product takes no part in it."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.store.database import FILE
from tests.benchmarks import pattern
from tests.benchmarks.contract import CLOUD, ERP
from tests.benchmarks.pattern import BY_ID, COUNTED, REACH, TABLES, Rows, Value
from tests.benchmarks.site import opened
from tests.benchmarks.workload import canonical_id, digits

#: Images of a record: one per system.
IMAGES = len((CLOUD, ERP))
#: One in so many images belongs to a record with an open command.
OPEN_SHARE = 10
#: Commands of the last batch before the agent died, at most; one in so many images waits for a read.
SENT, WAITING_SHARE = 200, 1000
#: Bytes on disk per image: the image, and its share of the record, its history and the indexes.
BYTES = 5_000
#: The store's counter: later than the token of any image.
TOKEN = 1_000

#: Told after each table: how many are done, of how many.
Tell = Callable[[int, int], None]
_NUMBER = re.compile("|".join(f"{start // REACH}[0-9]{{6}}" for start in COUNTED.values()))


class NoRoom(Exception):
    """The disk has no room for a store of this size."""


@dataclass(frozen=True)
class Layout:
    """Which records of a store are in which state, by number: open ones first, settled ones last."""

    images: int

    @property
    def records(self) -> int:
        """Records of the store."""
        return max(self.images // IMAGES, 10)

    @property
    def sent(self) -> range:
        """Records whose command was sent, and no answer came."""
        return range(min(SENT, max(self.images // OPEN_SHARE // 4, 1)))

    @property
    def ready(self) -> range:
        """Records with a command that is ready."""
        return range(self.sent.stop, max(self.images // OPEN_SHARE, self.sent.stop + 1))

    @property
    def waiting(self) -> range:
        """Records whose plan waits for a read of the ERP."""
        return range(self.ready.stop, self.ready.stop + max(self.images // WAITING_SHARE, 1))

    @property
    def settled(self) -> range:
        """Records of which nothing is open."""
        return range(self.waiting.stop, self.records)


def fill(directory: Path, layout: Layout, tell: Tell) -> None:
    """Make a store with so many images. Raises NoRoom."""
    directory.mkdir(parents=True)
    if shutil.disk_usage(directory).free < layout.images * BYTES * 2:
        raise NoRoom(f"a mirror of {layout.images} rows takes up to {layout.images * BYTES * 2 >> 20} MB")
    with opened(directory, threaded=False):
        pass
    with closing(sqlite3.connect(directory / FILE, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "temp_store = 2"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        listed = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        indexes = connection.execute(listed).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        _write(connection, layout, tell)
        for _, statement in indexes:
            connection.execute(statement)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'token'", (str(TOKEN),))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _write(connection: sqlite3.Connection, layout: Layout, tell: Tell) -> None:
    connection.execute(
        "CREATE TEMP TABLE record (record INTEGER PRIMARY KEY, id TEXT NOT NULL, digits TEXT NOT NULL)"
    )
    connection.executemany(
        "INSERT INTO record VALUES (?, ?, ?)",
        ((n, canonical_id(n), digits(n)) for n in range(layout.records)),
    )
    connection.execute("CREATE INDEX temp.record_id ON record (id)")
    groups = (
        (pattern.sent, layout.sent),
        (pattern.ready, layout.ready),
        (pattern.waiting, layout.waiting),
        (pattern.settled, layout.settled),
    )
    firsts = {name: _free(connection, name) for name in COUNTED}
    for place, (story, records) in enumerate(groups):
        rows = pattern.rows_of(story)
        counters = {name: (firsts[name], len(rows[name].values)) for name in COUNTED}
        for step, table in enumerate(TABLES):
            _multiply(connection, table, rows[table], records, counters)
            tell(place * len(TABLES) + step + 1, len(groups) * len(TABLES))
        for name, (_, count) in counters.items():
            firsts[name] += count * len(records)


def _free(connection: sqlite3.Connection, table: str) -> int:
    """The first number that no row of a table has: a start leaves rows of its own."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return 1 if found is None else int(found[0]) + 1


def _multiply(
    connection: sqlite3.Connection,
    table: str,
    rows: Rows,
    records: range,
    counters: dict[str, tuple[int, int]],
) -> None:
    """Write a table's rows of a pattern for every record of a group."""
    columns = ", ".join(rows.columns)
    connection.execute(f"CREATE TEMP TABLE pattern ({columns}, named_row)")
    holders = ", ".join("?" for _ in rows.columns)
    connection.executemany(
        f"INSERT INTO pattern VALUES ({holders}, ?)", [(*row, _number_in(row)) for row in rows.values]
    )
    made = [
        _made(name, [row[at] for row in rows.values], records.start, counters)
        for at, name in enumerate(rows.columns)
    ]
    order = "ORDER BY r.id" if table in BY_ID else "ORDER BY r.record"
    connection.execute(
        f"INSERT INTO main.{table} ({columns}) SELECT {', '.join(made)} FROM record AS r"
        f" CROSS JOIN pattern AS p WHERE r.record BETWEEN ? AND ? {order}",
        (records.start, records.stop - 1),
    )
    connection.execute("DROP TABLE temp.pattern")


def _number_in(row: tuple[Value, ...]) -> int | None:
    """The number of a row that stands in a text of this one, as in a message id or a journal's subject."""
    found = {number for text in row if isinstance(text, str) for number in _NUMBER.findall(text)}
    assert len(found) < 2, f"a row of the pattern names several others: {sorted(found)}"
    return int(found.pop()) if found else None


def _made(name: str, values: list[Value], start: int, counters: dict[str, tuple[int, int]]) -> str:
    """The SQL that makes a column's values for another record."""
    column, id_mark, mark = f"p.{name}", *pattern.marks()
    if any(isinstance(value, int) and _counter_of(value) for value in values):
        return _counted(column, start, counters)
    texts = [value for value in values if isinstance(value, str)]
    if any(id_mark in text for text in texts):
        column = f"replace({column}, '{id_mark}', r.id)"
    if any(mark in text for text in texts):
        column = f"replace({column}, '{mark}', r.digits)"
    if any(_NUMBER.search(text) for text in texts):
        number = _counted("p.named_row", start, counters)
        column = f"replace({column}, coalesce(p.named_row, ''), coalesce({number}, ''))"
    return column


def _counter_of(value: int) -> str | None:
    return next((name for name, start in COUNTED.items() if start < value < start + REACH), None)


def _counted(column: str, start: int, counters: dict[str, tuple[int, int]]) -> str:
    """A number of a row: behind the first one of its group, by so many as each record has."""
    cases = [
        f"WHEN {column} BETWEEN {begin + 1} AND {begin + REACH - 1}"
        f" THEN {column} - {begin + 1} + {counters[name][0]} + (r.record - {start}) * {counters[name][1]}"
        for name, begin in COUNTED.items()
    ]
    return f"CASE {' '.join(cases)} ELSE {column} END"
