"""What must be in a store after its power failed: judged with plain SQLite, knowing nothing of the agent.

A state is the whole content, table by table. Whoever writes notes the state each time it is told that a
transaction is durable; afterwards the store must hold the last noted state, or the one after it, whole.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class State:
    """The content of a store: a digest of it, and how many rows each table has, for the explanation."""

    digest: bytes
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a store after a power failure.

    kind  ``lost``: an older state, so many acknowledged transactions behind; ``partial``: like no state that
          there ever was; ``damaged``: it is no sound database; ``closed``: it could not be opened
    """

    kind: str
    text: str
    lost: int = 0


#: Tables to which a start adds; the values that it changes stand in ``meta``.
STARTED = ("life", "journal")
Tables = dict[str, list[tuple[Any, ...]]]


def look(file: Path) -> tuple[State, str]:
    """The state of a store, and what SQLite says of its soundness ("ok").

    SQLite takes back what was left half done, as it does for every program that opens the file.
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        sound = str(connection.execute("PRAGMA integrity_check(3)").fetchone()[0])
        return _state(connection), sound


def tables(file: Path) -> Tables:
    """Every row of every table."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}


def started(before: Tables, after: Tables) -> Finding | None:
    """Whether a start left everything as it was, but for what it writes down of itself."""
    for name, rows in before.items():
        if name in ("meta", "sqlite_sequence"):
            continue
        there = after.get(name, [])
        if there[: len(rows)] != rows or (len(there) > len(rows) and name not in STARTED):
            return Finding("partial", f"the start changed {name}, from {len(rows)} rows to {len(there)}")
    return None


def noted(file: Path) -> State:
    """The state of a store that is in use."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return _state(connection)


def _state(connection: sqlite3.Connection) -> State:
    digest, counts = hashlib.blake2b(digest_size=16), []
    connection.execute("BEGIN")
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    for (name,) in names.fetchall():
        rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
        counts.append((str(name), len(rows)))
        digest.update(repr((name, rows)).encode())
    connection.execute("COMMIT")
    return State(digest.digest(), tuple(counts))


class Judge(Protocol):
    """Looks into a store that was started after a power failure."""

    def __call__(self, file: Path, acknowledged: int) -> Finding | None:
        """What is wrong in it; ``acknowledged`` is the number of the last acknowledgement before that."""


def by_states(states: Sequence[State], between: Mapping[int, Sequence[State]] | None = None) -> Judge:
    """The content must be that of the last acknowledgement, or of the one after it.

    ``states[n]`` is the content after the n-th acknowledgement. The next transaction may have become durable
    without anybody being told; ``between``: what else was to be seen behind an acknowledgement, when the
    writer had been told that it failed.
    """

    def judge(file: Path, acknowledged: int) -> Finding | None:
        found, sound = look(file)
        if sound != "ok":
            return Finding("damaged", sound)
        if any(state.digest == found.digest for state in (between or {}).get(acknowledged, ())):
            return None
        return _among(found, states, acknowledged)

    return judge


def _among(found: State, states: Sequence[State], acknowledged: int) -> Finding | None:
    if any(state.digest == found.digest for state in states[acknowledged : acknowledged + 2]):
        return None
    for back in range(1, acknowledged + 1):
        if states[acknowledged - back].digest == found.digest:
            return Finding("lost", f"{back} acknowledged transactions are not there", back)
    for ahead in range(2, len(states) - acknowledged):
        if states[acknowledged + ahead].digest == found.digest:
            return Finding("partial", f"it holds what was written {ahead} transactions later")
    there, wanted = dict(found.rows), dict(states[acknowledged].rows)
    differ = {name: (wanted.get(name), count) for name, count in there.items() if count != wanted.get(name)}
    return Finding("partial", f"it is like no state that there was; rows (wanted, found): {differ}")


def by_units(units: Sequence[str], rows: int) -> Judge:
    """Units of work that many callers handed over: each is there whole or not at all, the acknowledged are.

    ``units[n - 1]`` is the n-th acknowledged one; each writes so many ``rows`` of the journal under its name.
    """

    def judge(file: Path, acknowledged: int) -> Finding | None:
        sound = look(file)[1]
        if sound != "ok":
            return Finding("damaged", sound)
        with closing(sqlite3.connect(file)) as connection:
            found = dict(
                connection.execute(
                    "SELECT subject_id, count(*) FROM journal WHERE subject = 'unit' GROUP BY subject_id"
                ).fetchall()
            )
        missing = [unit for unit in units[:acknowledged] if unit not in found]
        if missing:
            return Finding("lost", f"acknowledged units are not there: {missing}", len(missing))
        torn = {unit: count for unit, count in found.items() if count != rows}
        return Finding("partial", f"units are there in part: {torn}") if torn else None

    return judge


def by_birth(states: Sequence[State]) -> Judge:
    """A store that was being made: until its maker was told, it need only be sound."""
    later = by_states(states)

    def judge(file: Path, acknowledged: int) -> Finding | None:
        if acknowledged:
            return later(file, acknowledged)
        sound = look(file)[1]
        return None if sound == "ok" else Finding("damaged", sound)

    return judge
