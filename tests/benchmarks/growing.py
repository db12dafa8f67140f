"""The law of growth: the same work on mirrors of three sizes, and what people wait for there."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from agent.clock import SystemClock
from agent.core.change import Change
from agent.operations.offline import offline
from agent.store.database import FILE
from tests.benchmarks.contract import rulebook
from tests.benchmarks.delivering import deliver, nothing_sent
from tests.benchmarks.figures import Figure, Goal, Rounds
from tests.benchmarks.filled import Layout
from tests.benchmarks.running import BATCH, Run
from tests.benchmarks.site import Site, opened, peers
from tests.benchmarks.workload import Events, batches, cloud_key

T = TypeVar("T")
PART = "growing"
#: Sizes are the largest one divided by these.
SHARES = (100, 10, 1)
ROUNDS = 3
#: After so many seconds a turn takes no further batch.
LONGEST_TURN_S = 5.0
#: Rows of the account that `status` gives, counted plainly.
ACCOUNT = "SELECT state, count(*) FROM obligation GROUP BY state"
#: What a trace shows, read plainly by the record's key.
TRACE = (
    "SELECT * FROM image WHERE entity = (SELECT entity FROM binding WHERE system = 'sf' AND type = 'customer'"
    " AND key = ?)"
)


@dataclass
class Size:
    """What was measured at one size: seconds per event and per command, and the reads."""

    images: int
    store: Path
    event: list[float] = field(default_factory=list)
    command: list[float] = field(default_factory=list)
    status: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    by_key: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    by_message: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


def growing(run: Run) -> Iterator[Figure]:
    """Events, deliveries, `status` and `trace` at each size."""
    sizes = [
        Size(images, run.stores.of(images)) for share in SHARES for images in [max(run.records // share, 20)]
    ]
    _write(run, sizes)
    for size in sizes:
        asyncio.run(_read(run, size))
        yield from _figures(size, sizes[0])
    yield _per_row(sizes[0])


def _write(run: Run, sizes: list[Size]) -> None:
    """The sizes take turns, so that whatever else the machine does meets all of them."""
    with ExitStack() as stack:
        opens = []
        for size in sizes:
            nothing_sent(size.store)
            events = Events(Layout(size.images).settled, seed=2)
            opens.append((size, stack.enter_context(opened(size.store)), events))
        for _ in run.rounds("growing: events and deliveries", ROUNDS):
            for size, site, events in opens:
                _turn(size, site, events.take(min(run.events(), events.size // ROUNDS)))


def _turn(size: Size, site: Site, events: list[Change]) -> None:
    began, taken = time.perf_counter(), 0
    for batch in batches(events, BATCH):
        site.cloud.coming.append(batch)
        taken += asyncio.run(site.intake.step())
        if time.perf_counter() - began > LONGEST_TURN_S:
            break
    size.event.append((time.perf_counter() - began) / taken)
    began = time.perf_counter()
    moved = asyncio.run(deliver(site))
    size.command.append((time.perf_counter() - began) / max(moved, 1))


async def _read(run: Run, size: Size) -> None:
    """What people wait for: `status` and `trace`, each beside a plain query about the same."""
    key = cloud_key(Layout(size.images).settled.stop - 1)
    with closing(sqlite3.connect(f"file:{size.store / FILE}?mode=ro", uri=True)) as plain:
        message = str(plain.execute("SELECT message_id FROM outbox ORDER BY number LIMIT 1").fetchone()[0])
        async with offline(size.store, rulebook(peers()), SystemClock()) as reads:
            for _ in run.rounds(f"reading {size.images:,} mirror rows", ROUNDS):
                status = await _timed(size.status, reads.status, lambda: plain.execute(ACCOUNT).fetchall())
                if not status.conservation.balanced:
                    raise RuntimeError(f"the account of the store does not balance: {status.conservation}")
                look = lambda: plain.execute(TRACE, (key,)).fetchall()  # noqa: E731 - both traces have it
                await _timed(size.by_key, lambda: reads.trace(key), look)
                await _timed(size.by_message, lambda: reads.trace(message), look)


async def _timed(
    into: tuple[list[float], list[float]],
    ours: Callable[[], Coroutine[Any, Any, T]],
    bare: Callable[[], object],
) -> T:
    began = time.perf_counter()
    answer = await ours()
    into[0].append(time.perf_counter() - began)
    began = time.perf_counter()
    bare()
    into[1].append(time.perf_counter() - began)
    return answer


def _figures(size: Size, smallest: Size) -> Iterator[Figure]:
    at = f"at {size.images:,}"
    yield _rate(f"events {at}", Rounds(size.event, smallest.event), 0.35)
    yield _rate(f"deliveries {at}", Rounds(size.command, smallest.command), 0.8)
    for name, (ours, bare) in (
        (f"status {at}", size.status),
        (f"trace by key {at}", size.by_key),
        (f"trace by message id {at}", size.by_message),
    ):
        yield Rounds(ours, bare).figure(PART, name, "ms", 1e3)


def _rate(name: str, rounds: Rounds, least: float) -> Figure:
    """A rate beside that of the smallest size, which is the reference of growth."""
    goal = Goal("11", f"≥ {least} of the smallest's", rounds.ratio >= least, held=least < 0.5)
    smallest = rounds.ours is rounds.bare
    rates = 1 / median(rounds.ours), 1 / median(rounds.bare)
    return Figure(
        PART, name, rates[0], "/s", rates[1], rounds.ratio, rounds.spread, None if smallest else goal
    )


def _per_row(size: Size) -> Figure:
    """Bytes of a mirror row, its share of the entity and of the bindings in it, beside its JSON document."""
    with closing(sqlite3.connect(f"file:{size.store / FILE}?mode=ro", uri=True)) as connection:
        raw = float(connection.execute("SELECT avg(length(fields)) FROM image").fetchone()[0])
        taken = connection.execute(
            "SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name IN"
            " (SELECT name FROM sqlite_master WHERE tbl_name IN ('image', 'entity', 'binding'))"
        ).fetchone()[0]
    each = int(taken) / size.images
    goal = Goal("10", "≤ 1.3 documents + 60", each <= 1.3 * raw + 60)
    return Figure(PART, "a mirror row", each, "bytes", raw, each / raw, None, goal, "beside its document")
