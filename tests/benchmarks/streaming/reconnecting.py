"""How long a link that breaks keeps the next change from the mirror, and what the process holds in memory."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

from tests.benchmarks.streaming.bare import subscriber
from tests.benchmarks.streaming.figure import Figure, beside
from tests.benchmarks.streaming.following import connected
from tests.benchmarks.streaming.link import Steered, link
from tests.benchmarks.streaming.rates import Bench
from tests.salesforce.orgprocess import Org

_HERE = Path(__file__).parents[3]


async def reconnecting(bench: Bench, rounds: int) -> AsyncIterator[Figure]:
    """A link that is closed, and one that goes dead without a word."""
    settings = Org(bench.org.told).settings()
    noticed = settings.keepalive_s + settings.keepalive_timeout_s
    with link(bench.org.told["grpc"]) as way:
        cut = [await _broken(bench, way, "cut") for _ in range(rounds)]
        at_once = [await _at_once(bench, way) for _ in range(rounds)]
        dead = await _broken(bench, way, "swallow")
    what = "a plain client that connects anew at once"
    yield beside("durable again after a cut", "s", median(cut), median(at_once), what)
    yield beside("durable again after a dead link", "s", dead, noticed, "keepalive and its timeout, as set")


async def _broken(bench: Bench, way: Steered, order: str) -> float:
    """Seconds from the break until the change that was written right behind it is durable."""
    site, system = bench.site, connected(bench.org.told, pubsub_endpoint=way.address)
    try:
        with site.through(system.source):
            await site.endure(bench.org.newest())
            bench.org.stamp(0)
            await site.endure(bench.org.newest())
            way.order(order)
            began = time.monotonic()
            bench.org.stamp(1)
            await site.endure(bench.org.newest())
            seconds = time.monotonic() - began
            await site.close()
    finally:
        await system.target.close()
    return seconds


async def _at_once(bench: Bench, way: Steered) -> float:
    """Seconds from a new connection until a plain client has the change."""
    first = bench.org.newest()
    bench.org.stamp(2)
    last, began = bench.org.newest(), time.monotonic()
    async with subscriber(bench.org, way.address) as client:
        await client.receive(first, last)
        return time.monotonic() - began


async def memory(bench: Bench, counts: tuple[int, ...]) -> AsyncIterator[Figure]:
    """Resident memory of a process of its own, after so many events from the oldest one on."""
    info = bench.folder / "org.json"
    info.write_text(json.dumps(bench.org.told))
    words = [str(info), str(bench.folder / "held"), *map(str, counts)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{__package__}.holding", *words), cwd=_HERE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the process that follows ended with {process.returncode}")
    early, late = json.loads(said)
    yield beside(f"memory after {counts[1]:,} events", "MB", late, early, f"after {counts[0]:,}")
