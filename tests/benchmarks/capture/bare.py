"""The bare reference: rows as they stand, by the same driver, into a plain table, a commit for each page."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.capture.table import COLUMNS, Account

#: Rows of a page and of a commit, as ours by default.
PAGE = 200
#: A thread cannot be told to stop: it gives up.
LONGEST_S = 60.0


class Plain:
    """A reader that remembers how far it is, and nothing else."""

    def __init__(self, account: Account, store: sqlite3.Connection, *, rising: bool) -> None:
        self._account = account
        self._store = store
        self._statement = account.rising(PAGE) if rising else account.journal(PAGE)
        self._rising = rising
        self.behind: Any = 0

    def begin(self) -> None:
        """Go on behind what is there now."""
        self.behind = self._account.newest(rising=self._rising)

    def page(self) -> list[str]:
        """Read and keep the next page. Returns the names in it."""
        rows = self._account.rows(self._statement, self.behind)
        if not rows:
            return []
        marks = ", ".join("?" * (1 + len(COLUMNS)))
        self._store.execute("BEGIN IMMEDIATE")
        kept = [(str(row[1]), *(str(value) for value in row[2:])) for row in rows]
        self._store.executemany(f"INSERT OR REPLACE INTO mirror VALUES ({marks})", kept)
        self._store.execute("COMMIT")
        self.behind = rows[-1][0]
        return [str(row[2]) for row in rows]

    def until(self, names: set[str], pause_s: float) -> dict[str, float]:
        """Read on, resting where there is nothing, until all were seen; when each was kept."""
        there: dict[str, float] = {}
        until = time.monotonic() + LONGEST_S
        while not names <= there.keys():
            found, now = self.page(), time.monotonic()
            if now > until:
                raise TimeoutError(f"{len(names - there.keys())} changes never came")
            for name in found:
                there.setdefault(name, now)
            if not found:
                time.sleep(pause_s)
        return there


@contextmanager
def plain(account: Account, file: Path, *, rising: bool) -> Iterator[Plain]:
    """A reader with a table of its own."""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as store:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            store.execute(f"PRAGMA {pragma}")
        columns = ", ".join(f"{name} TEXT" for name in COLUMNS)
        store.execute(f"CREATE TABLE IF NOT EXISTS mirror (id TEXT PRIMARY KEY, {columns}) STRICT")
        yield Plain(account, store, rising=rising)
