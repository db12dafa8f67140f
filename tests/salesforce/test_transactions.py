"""Changes of one transaction become durable at once, however their events arrive."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import grpc
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce.stream.transaction import Assembly, Item
from agent.core.change import Batch, Change, ChangeKind
from agent.errors import Unreachable
from tests.salesforce.conftest import Org
from tests.salesforce.peers import Stream
from tests.salesforce.samples import TOPIC
from tests.salesforce.test_source import event, idle, phones, replay


async def read(system: Any) -> Batch:
    batch: Batch = await system.source.read()
    return batch


async def test_transaction_in_several_responses_is_in_one_batch_and_ends_with_the_next_one(org: Org) -> None:
    more = asyncio.Event()

    async def script(stream: Stream) -> None:
        await stream.send(event(1, transaction="a"), event(2, transaction="b"))
        await stream.send(event(3, transaction="b"))
        await more.wait()
        await stream.send(event(4, transaction="b"), event(5, transaction="c"))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=60)
    await system.source.open({})
    first = await read(system)
    more.set()
    second = await read(system)
    assert (phones([first]), first.position) == (["1"], replay(1))
    assert (phones([second]), second.position) == (["2", "3", "4"], replay(4))


async def test_transactions_that_arrived_while_nobody_read_become_durable_together(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.salesforce.stream.source.AT_ONCE", 20)
    sent = asyncio.Event()

    async def script(stream: Stream) -> None:
        for number in range(1, 31):
            await stream.send(event(number, transaction=str(number)))
        sent.set()
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=0.01)
    await system.source.open({})
    await sent.wait()
    credit = 0
    while credit < 30:  # it is given back for what has arrived
        credit += (await org.bus.streams[0].requests.get()).num_requested
    first, second = await read(system), await read(system)
    assert (phones([first]), phones([second])) == (
        [str(number) for number in range(1, 21)],
        [str(number) for number in range(21, 30)],
    )


async def test_last_transaction_is_taken_when_nothing_more_comes(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1), event(2))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=0.01)
    await system.source.open({})
    batch = await read(system)
    assert (phones([batch]), batch.position) == (["1", "2"], replay(2))


async def test_sign_of_life_ends_a_transaction_and_never_overtakes_it(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1), event(2))
        await stream.send(latest=replay(50))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=60)
    await system.source.open({})
    first, second = await read(system), await read(system)
    assert (phones([first]), first.position) == (["1", "2"], replay(2))
    assert (second.changes, second.position) == ((), replay(50))


async def test_interrupted_read_keeps_what_waits_for_its_transaction(org: Org) -> None:
    more = asyncio.Event()

    async def script(stream: Stream) -> None:
        await stream.send(event(1))
        await more.wait()
        await stream.send(event(2), event(3, transaction="next"))
        await idle(stream)

    org.bus.scripts = [script]
    org.bus.schema_gate = None
    system = org.connect(transaction_idle_s=60)
    await system.source.open({})
    for _ in range(3):
        reading = asyncio.create_task(read(system))
        await org.bus.schema_asked.wait()
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    more.set()
    batch = await read(system)
    assert (phones([batch]), batch.position) == (["1", "2"], replay(2))


@pytest.mark.parametrize("seed", range(6))
async def test_any_split_into_responses_and_any_interruption_gives_whole_transactions(
    org: Org, seed: int
) -> None:
    chance = random.Random(seed)
    sizes = [chance.randint(1, 9) for _ in range(12)]
    events = [f"t{number}" for number, size in enumerate(sizes) for _ in range(size)]
    total = len(events)

    async def script(stream: Stream) -> None:
        at, credit = 0, stream.first.num_requested
        while at < total:
            size = min(chance.randint(1, 12), total - at)
            while credit < size:
                credit += (await stream.requests.get()).num_requested
            part = [event(number + 1, transaction=events[number]) for number in range(at, at + size)]
            await stream.send(*part)
            at, credit = at + size, credit - size
            if chance.random() < 0.3:
                await asyncio.sleep(0)
        await stream.send(latest=replay(total + 5))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=60)
    await system.source.open({})
    batches: list[Batch] = []
    while not batches or batches[-1].position != replay(total + 5):
        reading = asyncio.create_task(read(system))
        for _ in range(chance.randint(0, 4)):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            reading.cancel()
        (found,) = await asyncio.gather(reading, return_exceptions=True)
        if isinstance(found, Batch):
            batches.append(found)
    assert phones(batches) == [str(number + 1) for number in range(total)]
    where: dict[str, set[int]] = {}
    for number, batch in enumerate(batches):
        for change in batch.changes:
            where.setdefault(change.transaction or "", set()).add(number)
    assert all(len(found) == 1 for found in where.values())


async def test_broken_stream_hands_out_what_it_held_back_before_it_fails(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1, transaction="a"), event(2, transaction="b"))
        await stream.requests.get()
        await stream.fail(grpc.StatusCode.UNAVAILABLE)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=0.01)
    await system.source.open({})
    assert phones([await read(system), await read(system)]) == ["1", "2"]
    with pytest.raises(Unreachable):
        await read(system)


@pytest.mark.parametrize("bound", ["MOST_EVENTS", "MOST_BYTES"])
async def test_transaction_beyond_the_bound_is_split_and_said(
    org: Org, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    three = 3 if bound == "MOST_EVENTS" else 3 * event(1).ByteSize()
    monkeypatch.setattr(f"adapters.salesforce.stream.transaction.{bound}", three)

    async def script(stream: Stream) -> None:
        await stream.send(*(event(number) for number in range(1, 9)))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=0.01)
    await system.source.open({})
    with structlog.testing.capture_logs() as logs:
        batches = [await read(system) for _ in range(3)]
    assert phones(batches) == [str(number) for number in range(1, 9)]
    assert [batch.position for batch in batches] == [replay(3), replay(6), replay(8)]
    assert [one["action"] for one in logs].count("salesforce.transaction.split") == 1


async def test_held_back_events_count_as_backlog(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.salesforce.stream.source.BACKLOG_BYTES", 1)

    async def script(stream: Stream) -> None:
        await stream.send(event(1, transaction="a"), event(2, transaction="b"))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=0.01)
    await system.source.open({})
    assert phones([await read(system)]) == ["1"]
    assert org.bus.streams[0].requests.empty()
    assert phones([await read(system)]) == ["2"]
    assert (await org.bus.streams[0].requests.get()).num_requested == 2


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30),
    st.lists(st.integers(0, 29), max_size=8),
)
def test_nothing_is_lost_repeated_or_reordered_and_no_transaction_is_cut(
    events: list[tuple[int, bool]], flushes: list[int]
) -> None:
    """Events of a few transactions, some unwanted; handed on whenever they may be, and all at some places."""
    assembly = Assembly(TOPIC, 60.0)
    batches: list[Batch] = []
    for number, (transaction, wanted) in enumerate(events):
        change = Change(str(number), TOPIC, ChangeKind.EVENT, "Account", transaction=str(transaction))
        assembly.add(Item(replay(number), 1, str(transaction), (change,) if wanted else ()), 0.0)
        count = len(assembly) if number in flushes else assembly.finished()
        if count:
            batches.append(assembly.take(count)[0])
    if len(assembly):
        batches.append(assembly.take(len(assembly))[0])
    taken = [int(change.source_id) for batch in batches for change in batch.changes]
    assert taken == [number for number, (_, wanted) in enumerate(events) if wanted]
    for before, after in pairwise(batches):
        end = int.from_bytes((before.position or b"")[:8], "big")
        begins = int.from_bytes((after.position or b"")[:8], "big")
        assert end < begins
        cut = end + 1 < len(events) and events[end][0] == events[end + 1][0] and bool(before.changes)
        if cut and before.changes[-1].source_id == str(end):
            assert end in flushes or not any(wanted for _, wanted in events[end + 1 : begins + 1])
