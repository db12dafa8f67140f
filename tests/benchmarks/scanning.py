"""Statements that go through a whole table that grows: what makes the law of growth a straight line.

No time is measured. The engine runs on a small store while every statement is noted, and SQLite is asked how
it carries each of them out (sqlite.org/eqp.html).
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from agent.flow.confirm import Confirm
from agent.flow.recovery import recover
from agent.flow.sweep import sweep
from agent.store import reads
from agent.store.database import FILE
from tests.benchmarks.contract import ERP
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.filled import Layout
from tests.benchmarks.pattern import TABLES
from tests.benchmarks.running import Run
from tests.benchmarks.site import Site, opened
from tests.benchmarks.workload import Events, batches

PART = "scanning"
IMAGES, EVENTS = 200, 40
#: How much of a statement is shown.
SHOWN = 64
_ALIAS = re.compile(r"\b(\w+) AS (\w+)\b")
_SCAN = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+\b")
_PARAMETER = re.compile(r":(\w+)")


def scanning(run: Run) -> Iterator[Figure]:
    """Statements of the engine and of what people ask, each that scans with what it scans."""
    run.narration.begin("scanning: how statements are carried out")
    with run.stores.copy(IMAGES) as here:
        noted = _noted(here)
        with closing(sqlite3.connect(here / FILE)) as connection:
            engine = {text: scanned(connection, one) for text, (one, _) in noted.items()}
            asked = {name: scanned(connection, text) for name, text in _questions()}
    yield from _figures("of the engine", engine, lambda text: f"{text[:SHOWN]}…", noted)
    yield from _figures("of people's questions", asked, lambda name: f"reads.{name}", {})


def _figures(
    whose: str,
    found: dict[str, set[str]],
    shown: Callable[[str], str],
    noted: dict[str, tuple[str, int]],
) -> Iterator[Figure]:
    scanning_ = {text: tables for text, tables in found.items() if tables}
    goal = Goal("11", "none", not scanning_, held=bool(noted))
    yield Figure(PART, whose, len(scanning_), "statements", len(found), goal=goal)
    for text, tables in scanning_.items():
        times = noted[text][1] if text in noted else 1
        yield Figure(PART, shown(text), times, "times", said=f"goes through {', '.join(sorted(tables))}")


def _noted(directory: Path) -> dict[str, tuple[str, int]]:
    """Every statement of a life of the agent, without its values → one with them, and how often it ran."""
    noted: Counter[str] = Counter()
    examples: dict[str, str] = {}

    def note(statement: str) -> None:
        text = " ".join(_LITERAL.sub("?", statement).split())
        noted[text] += 1
        examples.setdefault(text, statement)

    with opened(directory, threaded=False) as site:
        site.engine.store._connection.set_trace_callback(note)
        asyncio.run(_life(site))
        site.engine.store._connection.set_trace_callback(None)
    return {text: (examples[text], count) for text, count in noted.items()}


async def _life(site: Site) -> None:
    """A start, events of every kind, deliveries, confirming reads, and the look for what is late."""
    await recover(site.engine)
    events = Events(Layout(IMAGES).settled, mixed=True)
    site.cloud.coming.extend(batches(events.take(EVENTS), EVENTS))
    while site.cloud.coming:
        await site.intake.step()
    await site.delivery.step()
    await site.delivery.next_due_ms()
    confirm = Confirm(site.engine, site.engine.systems[ERP])
    await confirm.step()
    await confirm.next_due_ms()
    await sweep(site.engine)


def _questions() -> list[tuple[str, str]]:
    """The named queries of the store's reads."""
    return [
        (name, text)
        for name, text in vars(reads).items()
        if name.isupper() and isinstance(text, str) and not name.startswith("_")
    ]


def scanned(connection: sqlite3.Connection, statement: str) -> set[str]:
    """Tables that grow and that a statement goes through from end to end, by index or not.

    An index of only some rows, such as the open ones, is as short as those are few; a list that is cut off
    and has no condition ends early.
    """
    if " LIMIT " in statement and " WHERE " not in statement:
        return set()
    partial = {
        str(row[0])
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"
        )
    }
    values = dict.fromkeys(_PARAMETER.findall(_LITERAL.sub("", statement)))
    try:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    except sqlite3.Error:
        return set()  # BEGIN and its like have no plan
    named = {alias: table for table, alias in _ALIAS.findall(statement) if table in TABLES}
    found = set()
    for *_, detail in plan:
        scan = _SCAN.match(str(detail))
        if scan is not None and scan[2] not in partial:
            found.add(named.get(scan[1], str(scan[1])))
    return found & set(TABLES)
