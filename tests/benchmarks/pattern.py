"""Patterns: the rows that the product itself leaves of one record, from which a large store is made.

One record per pattern goes the whole way through the engine in a store of its own. Whatever names the record
or counts a row is a mark there, so that the same rows can be written for any other record.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import failpoints
from agent.core.change import Batch, Change, ChangeKind
from agent.flow.intake import Intake
from agent.store.database import FILE
from tests.benchmarks.contract import CLOUD, ERP, OBJECT
from tests.benchmarks.site import Site, opened
from tests.benchmarks.workload import WIDTH, canonical_id, cloud_key, digits, known, updated

#: The number of the record that a pattern is made of, as wide as any.
MARK = 555_555_555_555
assert len(str(MARK)) == WIDTH
#: Tables with a counter of their own, and where it begins: a row's number is known wherever it stands.
COUNTED = {"binding": 610_000_000, "inbox": 620_000_000, "outbox": 630_000_000, "journal": 640_000_000}
#: How far a counter gets in a pattern, at most.
REACH = 1_000_000
#: Tables that hold a record's rows. Those whose key is the canonical id come first.
BY_ID = ("entity", "image", "waiting")
TABLES = (*BY_ID, "binding", "inbox", "obligation", "outbox", "cause", "journal")

Value = str | int | bytes | None
Story = Callable[[Site], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Rows:
    """A record's rows in a table."""

    columns: tuple[str, ...]
    values: list[tuple[Value, ...]]


async def _take(site: Site, system: str, change: Change) -> None:
    peer = site.cloud if system == CLOUD else site.erp
    peer.coming.append(Batch("events", (change,)))
    await Intake(site.engine, site.engine.systems[system]).step()


async def settled(site: Site) -> None:
    """Both systems had it before, equal, as a first snapshot finds it; nothing is left to do."""
    for system, key in ((CLOUD, cloud_key(MARK)), (ERP, f"{ERP}{MARK}")):
        fields = known(MARK)
        seen = Change(f"row-{digits(MARK)}", "read", ChangeKind.READ, OBJECT, (key,), fields=fields)
        await _take(site, system, seen)


async def ready(site: Site) -> None:
    """Settled, then changed in the cloud: a command to the ERP is ready."""
    await settled(site)
    await _take(site, CLOUD, updated(MARK, 2, 1))


async def sent(site: Site) -> None:
    """Ready, then taken for delivery: the agent died behind the send."""
    await ready(site)
    failpoints.arm("delivery.after_apply", failpoints.Action.CRASH)
    try:
        await site.delivery.step()
    except failpoints.Crash:
        return
    finally:
        failpoints.disarm()
    raise AssertionError("nothing was sent")


async def waiting(site: Site) -> None:
    """Changed in the cloud while it is not known what the ERP holds: its plan waits for a read."""
    await settled(site)
    gap = Change(f"gap-{digits(MARK)}", "events", ChangeKind.GAP, OBJECT, (f"{ERP}{MARK}",))
    await _take(site, ERP, gap)
    await _take(site, CLOUD, updated(MARK, 2, 1))


def rows_of(story: Story) -> dict[str, Rows]:
    """The rows that a story leaves of the marked record, by table."""
    directory = Path(tempfile.mkdtemp(prefix="isthmus-pattern-"))
    try:
        with opened(directory, threaded=False):
            pass
        with closing(sqlite3.connect(directory / FILE)) as connection, connection:
            for table, start in COUNTED.items():
                connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
                connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, start))
        with opened(directory, threaded=False) as site:
            before = _tables(directory)  # a start leaves rows of its own
            asyncio.run(story(site))
            after = _tables(directory)
    finally:
        shutil.rmtree(directory)
    return {
        table: Rows(rows.columns, [row for row in rows.values if row not in before[table].values])
        for table, rows in after.items()
    }


def _tables(directory: Path) -> dict[str, Rows]:
    with closing(sqlite3.connect(directory / FILE)) as connection:
        return {table: _all(connection, table) for table in TABLES}


def _all(connection: sqlite3.Connection, table: str) -> Rows:
    found = connection.execute(f"SELECT * FROM {table}")
    return Rows(tuple(column[0] for column in found.description), found.fetchall())


def marks() -> tuple[str, str]:
    """What stands for the record's canonical id and for its number."""
    return canonical_id(MARK), digits(MARK)
