"""Merge and commit: events through the real intake onto the real store, beside the same rows, plainly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks.bare import Bare, bare, marks, written_since
from tests.benchmarks.figures import Figure, Goal, Rounds
from tests.benchmarks.filled import Layout
from tests.benchmarks.profiling import profiled
from tests.benchmarks.running import BATCH, Run
from tests.benchmarks.site import Site, opened
from tests.benchmarks.workload import Events, batches

PART = "ingesting"
#: Single events per round are so many times fewer.
TRICKLE = 4


@dataclass
class Taken:
    """What rounds of intake took, per event: seconds here and bare, the processor's alone, and rows."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    bare_processor: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)


def ingesting(run: Run) -> Iterator[Figure]:
    """Batches of a stream in memory and on disk, then events that come one by one."""
    images = max(run.records // 10, 20)
    for name, place in run.places():
        with run.stores.copy(images, place) as here, run.stores.copy(images, place) as there:
            taken = _measured(run, f"ingesting {name}", (here, there), BATCH)
        rounds, rate = Rounds(taken.ours, taken.bare), 1 / median(taken.ours)
        goal = Goal("1", "≥ 0.55 of the bare chain", rounds.ratio >= 0.55)
        yield rounds.figure(PART, f"an event {name}", "µs", 1e6, goal)
        yield Figure(PART, f"events {name}", rate, "/s", 1 / median(taken.bare), rounds.ratio, rounds.spread)
    goal = Goal("2", "≤ 100 µs", median(taken.processor) <= 100e-6)
    processor = Rounds(taken.processor, taken.bare_processor)
    yield processor.figure(PART, "an event, processor alone", "µs", 1e6, goal)
    yield Figure(PART, "rows written per event", median(taken.rows), "rows")
    with run.stores.copy(images) as here, run.stores.copy(images) as there:
        taken = _measured(run, "ingesting one by one", (here, there), 1)
    rounds = Rounds(taken.ours, taken.bare)
    goal = Goal("12", "≥ 2.5 of a bare transaction each", rounds.ratio >= 2.5)
    yield rounds.figure(PART, "an event that comes alone", "µs", 1e6, goal)
    if run.profile:
        _profile(run, images)


def _measured(run: Run, what: str, stores: tuple[Path, Path], size: int) -> Taken:
    """Take turns: a round of events here, then the rows that it wrote, plainly, there."""
    here, there = stores
    settled = Layout(max(run.records // 10, 20)).settled
    events, count = Events(settled, mixed=True), run.events() // (1 if size > 1 else TRICKLE)
    taken = Taken()
    with opened(here) as site, bare(there) as plain:
        for _ in run.rounds(what):
            if events.left < count:
                break
            _round(taken, site, plain, (events, max(count, 1), size))
    return taken


def _round(taken: Taken, site: Site, plain: Bare, load: tuple[Events, int, int]) -> None:
    events, count, size = load
    coming = batches(events.take(count), size)
    before = marks(site.engine.store.directory)
    site.cloud.coming.extend(coming)
    processor, began = time.process_time(), time.perf_counter()
    asyncio.run(_take_all(site))
    taken.ours.append((time.perf_counter() - began) / count)
    taken.processor.append((time.process_time() - processor) / count)
    written = written_since(site.engine.store.directory, before)
    taken.rows.append(written.count / count)
    processor = time.process_time()
    taken.bare.append(plain.transactions(written, len(coming)) / count)
    taken.bare_processor.append((time.process_time() - processor) / count)


async def _take_all(site: Site) -> None:
    while site.cloud.coming:
        await site.intake.step()


def _profile(run: Run, images: int) -> None:
    with run.stores.copy(images) as here:
        coming = batches(Events(Layout(images).settled, mixed=True).take(run.events()), BATCH)

        async def work(site: Site) -> None:
            site.cloud.coming.extend(coming)
            await _take_all(site)

        run.profiles.append(profiled(f"Taking {run.events()} events:", here, work))
