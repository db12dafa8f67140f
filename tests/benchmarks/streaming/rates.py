"""Events a second, in bulk and one by one, near and far; in turns with the bare reference."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks.streaming.bare import Mirror, subscriber
from tests.benchmarks.streaming.figure import Figure, beside
from tests.benchmarks.streaming.following import Following, connected
from tests.benchmarks.streaming.link import link
from tests.benchmarks.streaming.org import TOPIC, BusyOrg

CHAIN = "the bare chain: fastavro, one document and one transaction a response"
#: Requested events that the server counts at most: no more can be on the way at once.
WINDOW = 100
#: Round trips, in milliseconds.
FAR = (20, 50)


@dataclass
class Bench:
    """What all measurements share."""

    org: BusyOrg
    site: Following
    mirror: Mirror
    folder: Path


@dataclass
class Taken:
    """Of each round: seconds for an event, by the clock and of the processor; and our events to a commit."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    bare_processor: list[float] = field(default_factory=list)
    adapter: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Our share of the bare chain's speed, the median of the rounds."""
        return median(bare / ours for ours, bare in zip(self.ours, self.bare, strict=True))

    @property
    def rate(self) -> float:
        """Our events a second."""
        return 1 / median(self.ours)


async def bulk(bench: Bench, events: int, rounds: int) -> AsyncIterator[Figure]:
    """Transactions of 200 changes, which wait in the org when the stream begins."""
    taken = Taken()
    for number in range(rounds):
        first = bench.org.newest()
        await _round(bench, taken, lambda: bench.org.update(events), _near(bench), number % 2 == 1)
        taken.adapter.append(await _adapter(bench, first, bench.org.newest()) / events)
    yield Figure("events", "/s", taken.rate, 1 / median(taken.bare), CHAIN, taken.ratio)
    ours, received = taken.rate, 1 / median(taken.received)
    yield beside(
        "events, beside receive only", "/s", ours, received, "what a plain client receives from this org"
    )
    ours, plain = median(taken.processor) * 1e6, median(taken.bare_processor) * 1e6
    yield beside("processor for an event", "µs", ours, plain, CHAIN)
    yield beside("processor for an event, adapter alone", "µs", median(taken.adapter) * 1e6, plain, CHAIN)
    yield beside("events to a transaction", "", median(taken.changes), WINDOW, "events to a response at most")


async def trickle(bench: Bench, events: int, rounds: int) -> AsyncIterator[Figure]:
    """Transactions of one change, one to a response, as fast as they come."""
    taken = Taken()
    bench.org.control("POST", "faults", kind="piecemeal", count=10**9)
    for number in range(rounds):
        await _round(bench, taken, lambda: bench.org.update_alone(events), _near(bench), number % 2 == 1)
    bench.org.control("DELETE", "faults")
    yield Figure("events one by one", "/s", taken.rate, 1 / median(taken.bare), CHAIN, taken.ratio)
    ours, received = taken.rate, 1 / median(taken.received)
    what = "what a plain client receives from this org"
    yield beside("events one by one, beside receive only", "/s", ours, received, what)
    yield beside("events one by one to a transaction", "", median(taken.changes), 1, "the bare chain")
    ours, plain = median(taken.processor) * 1e6, median(taken.bare_processor) * 1e6
    yield beside("processor for an event one by one", "µs", ours, plain, CHAIN)


async def far(bench: Bench, events: int, rounds: int) -> AsyncIterator[Figure]:
    """The same as in bulk, with a round trip between us and the org."""
    for trip in FAR:
        taken, most = Taken(), WINDOW * 1000 / trip
        with link(bench.org.told["grpc"]) as way:
            way.order(f"delay {trip / 2000}")
            for number in range(rounds):
                await _round(bench, taken, lambda: bench.org.update(events), way.address, number % 2 == 1)
        name = f"events at {trip} ms"
        yield beside(name, "/s", taken.rate, most, f"{WINDOW} in a round trip")
        yield Figure(f"{name}, beside bare", "/s", taken.rate, 1 / median(taken.bare), CHAIN, taken.ratio)


def _near(bench: Bench) -> str:
    return str(bench.org.told["grpc"])


async def _round(bench: Bench, taken: Taken, write: Callable[[], None], endpoint: str, turned: bool) -> None:
    """Write, then take what was written by each of the ways. ``turned``: the other way first."""
    first, seen = bench.org.newest(), bench.site.witness.seen
    write()
    last = bench.org.newest()

    async def ours() -> None:
        count, processor, seconds, batches = await _ours(bench, endpoint, last)
        taken.ours.append(seconds / count)
        taken.processor.append(processor / count)
        taken.changes.append(count / batches)

    async def bare() -> None:
        async with subscriber(bench.org, endpoint) as client:
            began = time.monotonic()
            events = await client.receive(first, last)
            taken.received.append((time.monotonic() - began) / len(events))
            await client.decoded(events[0][0])  # asks for the schema, as ours knows its own by now
            processor, began = time.process_time(), time.monotonic()
            await client.keep(first, last, bench.mirror)
            taken.bare.append((time.monotonic() - began) / len(events))
            taken.bare_processor.append((time.process_time() - processor) / len(events))

    for way in (bare, ours) if turned else (ours, bare):
        await way()
    await bench.site.settle()
    assert bench.site.witness.seen > seen


async def _ours(bench: Bench, endpoint: str, last: bytes) -> tuple[int, float, float, int]:
    """Follow to that place. Events, seconds of the processor, seconds, and batches."""
    site = bench.site
    system = connected(bench.org.told, pubsub_endpoint=endpoint)
    try:
        with site.through(system.source):
            await site.open()
            seen, batches = site.witness.seen, site.witness.batches
            processor, began = time.process_time(), time.monotonic()
            await site.until(last)
            seconds, worked = time.monotonic() - began, time.process_time() - processor
            await site.close()
    finally:
        await system.target.close()
    return site.witness.seen - seen, worked, seconds, site.witness.batches - batches


async def _adapter(bench: Bench, first: bytes, last: bytes) -> float:
    """Seconds of the processor for reading what came between: received and decoded, and nothing else."""
    system = connected(bench.org.told)
    try:
        await system.source.open({TOPIC: first})
        began, position = time.process_time(), first
        while position != last:
            position = (await system.source.read()).position or position
        return time.process_time() - began
    finally:
        await system.source.close()
        await system.target.close()
