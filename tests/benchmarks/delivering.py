"""Delivery: from the outbox to a target that answers at once, beside the two bare transactions of a batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.bare import bare, looking, marks, written_since
from tests.benchmarks.contract import ERP
from tests.benchmarks.figures import Figure, Rounds
from tests.benchmarks.peers import BATCH
from tests.benchmarks.profiling import profiled
from tests.benchmarks.running import Run
from tests.benchmarks.site import Site, opened

PART = "delivering"


def delivering(run: Run) -> Iterator[Figure]:
    """Batches of ready commands, sent and accepted."""
    images = max(run.records // 10, 20)
    with run.stores.copy(images) as here, run.stores.copy(images) as there:
        rounds = _measured(run, here, there)
    yield rounds.figure(PART, "a command", "µs", 1e6)
    rate, bare_rate = 1 / median(rounds.ours), 1 / median(rounds.bare)
    yield Figure(PART, "commands", rate, "/s", bare_rate, rounds.ratio, rounds.spread)
    if run.profile:
        with run.stores.copy(images) as here:
            run.profiles.append(profiled(f"Delivering {BATCH} commands:", here, deliver))


async def deliver(site: Site) -> int:
    """One round of delivery. Returns how many commands moved."""
    return await site.delivery.step()


def _measured(run: Run, here: Path, there: Path) -> Rounds:
    ours, plainly = [], []
    for directory in (here, there):
        nothing_sent(directory)
    with opened(here) as site, bare(there) as plain:
        for _ in run.rounds("delivering"):
            before, numbers = marks(here), ready(here)
            if not numbers:
                break
            began = time.perf_counter()
            moved = asyncio.run(deliver(site))
            ours.append((time.perf_counter() - began) / moved)
            assert moved == len(numbers), f"{moved} of {len(numbers)} ready commands moved"
            plainly.append(plain.deliveries(written_since(here, before), numbers, BATCH) / moved)
    return Rounds(ours, plainly)


def nothing_sent(directory: Path) -> None:
    """As if the agent had died before the send: lost answers are none of what is measured."""
    with bare(directory) as plain:
        plain.connection.execute("UPDATE outbox SET state = 'ready' WHERE state IN ('sent', 'uncertain')")


def ready(directory: Path) -> list[int]:
    """The commands that the next round takes."""
    with looking(directory) as connection:
        found = connection.execute(
            "SELECT number FROM outbox WHERE target = ? AND state = 'ready' ORDER BY number LIMIT ?",
            (ERP, BATCH),
        )
        return [int(row[0]) for row in found]
