"""From the send of a change to its commit in the mirror, in turns with a plain client that receives it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agent.core.change import Batch
from tests.benchmarks.streaming.bare import subscriber
from tests.benchmarks.streaming.figure import Figure, beside, quantile
from tests.benchmarks.streaming.following import connected
from tests.benchmarks.streaming.org import STAMPED, stamp
from tests.benchmarks.streaming.rates import Bench

#: Changes a second.
RATES = (10, 200)
RECEIVED = "receive only"
#: Ways of our own: as set by default, and without waiting for the rest of a transaction.
WAYS: dict[str, dict[str, Any]] = {"": {}, ", no idle wait": {"transaction_idle_s": 0}}
#: Flushes that are timed.
FLUSHES = 200
_HERE = Path(__file__).parents[3]


async def latency(bench: Bench, seconds: float, rounds: int) -> AsyncIterator[Figure]:
    """At each rate, by each way."""
    first = 0
    for rate in RATES:
        count = max(4, int(rate * seconds))
        found: dict[str, list[float]] = {way: [] for way in (*WAYS, RECEIVED)}
        for number in range(rounds):
            for way in list(found)[:: -1 if number % 2 else 1]:
                numbers = range(first, first + count)
                received = _received if way == RECEIVED else _followed
                there, moments = await received(bench, numbers, rate, WAYS.get(way, {}))
                found[way] += [there[stamp(n)] - at for n, at in zip(numbers, moments, strict=True)]
                first += count
        for way in WAYS:
            for share, name in ((0.5, "p50"), (0.99, "p99")):
                ours, plain = (1000 * quantile(found[each], share) for each in (way, RECEIVED))
                yield beside(f"latency {name} at {rate}/s{way}", "ms", ours, plain, RECEIVED)
            slow = 1000 * quantile(_flushes(bench.folder / "flushed"), 0.99)
            allowed = plain + 5 * slow + 5
            what = f"{RECEIVED} + 5 flushes + 5 ms; the p99 of a flush is {slow:.1f} ms"
            yield beside(f"latency p99 at {rate}/s{way}, beside its goal", "ms", ours, allowed, what)


async def _followed(
    bench: Bench, numbers: range, rate: int, settings: dict[str, Any]
) -> tuple[dict[str, float], list[float]]:
    """When each was durable here, and when each was sent."""
    there: dict[str, float] = {}

    def note(batch: Batch, at: float) -> None:
        there.update(
            (str(change.fields[STAMPED]), at) for change in batch.changes if STAMPED in change.fields
        )

    async def follow() -> None:
        while len(there) < len(numbers):
            await site.step()

    site, system = bench.site, connected(bench.org.told, **settings)
    try:
        with site.through(system.source):
            await site.open()
            await site.until(bench.org.newest())
            site.witness.told = note
            _, moments = await asyncio.gather(follow(), _sent(bench, numbers, rate))
            await site.close()
    finally:
        site.witness.told = lambda batch, at: None
        await system.target.close()
    await site.settle()
    return there, moments


async def _received(
    bench: Bench, numbers: range, rate: int, settings: dict[str, Any]
) -> tuple[dict[str, float], list[float]]:
    """When a plain client had each, and when each was sent."""
    position = bench.org.newest()
    async with subscriber(bench.org, bench.org.told["grpc"]) as client:
        events, moments = await asyncio.gather(
            client.some(position, len(numbers)), _sent(bench, numbers, rate)
        )
        return {str((await client.decoded(event))[STAMPED]): at for event, at in events}, moments


async def _sent(bench: Bench, numbers: range, rate: int) -> list[float]:
    """Let another process send; when each was sent."""
    file = bench.folder / "sending.json"
    port = int(bench.org.told["http"].rpartition(":")[2])
    file.write_text(json.dumps({"port": port, "token": bench.org.token, "ids": bench.org.ids}))
    words = [str(file), str(rate), str(len(numbers)), str(numbers.start)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{__package__}.sending", *words), cwd=_HERE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the sender ended with {process.returncode}")
    moments: list[float] = json.loads(said)
    return moments


def _flushes(file: Path) -> list[float]:
    """Seconds of each flush of one page behind the end of a file."""
    found = []
    with file.open("wb", buffering=0) as out:
        for _ in range(FLUSHES):
            out.write(bytes(4096))
            began = time.monotonic()
            os.fdatasync(out.fileno())
            found.append(time.monotonic() - began)
    return found
