"""``python -m tests.benchmarks.streaming [--json FILE] [--records N] [--seconds S] [--rounds R]``.

Events of a stand-in org, over TLS, until they are durable in the mirror: how many a second, how late, how
soon again after a link broke, in how much memory. ``--parts`` takes some of that only, ``--profile`` shows
where the time goes, too. A table on stderr while it measures, one line last on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import garbage, log
from tests.benchmarks.running import DISK
from tests.benchmarks.streaming.bare import mirror
from tests.benchmarks.streaming.figure import Figure
from tests.benchmarks.streaming.following import following
from tests.benchmarks.streaming.latency import latency
from tests.benchmarks.streaming.org import SIZE, busy_org
from tests.benchmarks.streaming.profiling import profiled
from tests.benchmarks.streaming.rates import Bench, bulk, far, trickle
from tests.benchmarks.streaming.reconnecting import memory, reconnecting
from tests.benchmarks.telling import keep_under_load, told_later

#: Records at most: more would measure how fast the stand-in org makes them.
MOST = 5_000
PARTS = ("bulk", "far", "trickle", "latency", "reconnecting", "memory")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is.

    records  customers and events of a round are shares of it
    held     events of the measurement of memory
    """

    records: int
    held: int
    seconds: float
    rounds: int

    @property
    def events(self) -> int:
        """Customers, and events of a round in bulk: whole transactions."""
        return max(1, self.records // 5 // SIZE) * SIZE


async def figures(size: Size, parts: Sequence[str], profile: bool) -> AsyncIterator[Figure]:
    """The lines of the table."""
    DISK.mkdir(exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-", dir=DISK)))
        org = stack.enter_context(busy_org(folder / "org"))
        org.create(size.events)
        plain = stack.enter_context(mirror(folder / "bare.db"))
        site = await stack.enter_async_context(following(org.told, folder / "store"))
        await site.agree(org.newest)
        bench = Bench(org, site, plain, folder)
        for part in parts:
            async for figure in _part(bench, size, part):
                yield figure
        if profile:
            sys.stderr.write(await profiled(org, folder / "profiled", size.events))


async def _part(bench: Bench, size: Size, part: str) -> AsyncIterator[Figure]:
    counts = (max(size.held // 5, 1), size.held)
    if part == "memory":
        bench.org.update(counts[1])
    found = {
        "bulk": lambda: bulk(bench, size.events, size.rounds),
        "far": lambda: far(bench, size.events, size.rounds),
        "trickle": lambda: trickle(bench, max(size.events // 4, SIZE), size.rounds),
        "latency": lambda: latency(bench, size.seconds, size.rounds),
        "reconnecting": lambda: reconnecting(bench, size.rounds),
        "memory": lambda: memory(bench, counts),
    }
    async for figure in found[part]():
        yield figure


async def _told(size: Size, parts: Sequence[str], profile: bool) -> list[Figure]:
    """Each as soon as it is known."""
    return await told_later(figures(size, parts, profile))


def main(arguments: Sequence[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.streaming", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=MOST, help=f"size, at most {MOST}")
    parser.add_argument("--held", type=int, help="events of the measurement of memory (as --records)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement of time (2)")
    parser.add_argument("--rounds", type=int, default=2, help="of each measurement (2)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all by default")
    parser.add_argument("--profile", action="store_true", help="show where the time goes, too")
    chosen = parser.parse_args(list(arguments))
    log.configure(level="ERROR")
    records = min(chosen.records, MOST)
    size = Size(records, chosen.held or records, chosen.seconds, chosen.rounds)
    garbage.settle()
    found = asyncio.run(_told(size, chosen.parts, chosen.profile))
    keep_under_load(chosen.json, "streaming", found)
    print(f"streaming: {len(found)} figures, load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
