"""Events that come apart: with enriched fields the same change of many records is one event for each.

All of these have one replay id, and they need not come in one response: a call takes 100 events at a time, a
transaction changes 200 records. Whoever began anew behind that id could miss some.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from agent.core.change import Batch
from agent.core.objects import FieldSpec, ObjectSpec
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import fresh_org
from tests.salesforce.peers import Stream
from tests.salesforce.samples import bits, encode, header
from tests.salesforce.test_source import event, idle, phones, replay

pytestmark = pytest.mark.invariant("I1")
CHANNEL = "/data/Sales__chn"
ACCOUNT = ObjectSpec("Account", "Id", (FieldSpec("Name"), FieldSpec("Phone")))
RECORDS = 150


def part(number: int, record: int) -> pb.ConsumerEvent:
    """A part of event ``number``: the same change of another record."""
    head = header(recordIds=[f"00100000000000{record}AAA"], sequenceNumber=number, commitNumber=number)
    head |= {"changedFields": bits("Phone")}
    payload = encode({"ChangeEventHeader": head, "Phone": str(record)})
    produced = pb.ProducerEvent(id=f"e-{number}", schema_id="account-1", payload=payload)
    return pb.ConsumerEvent(event=produced, replay_id=replay(number))


async def test_a_call_that_is_begun_anew_in_the_midst_of_such_an_event_begins_before_it(org: Org) -> None:
    org.bus.topics.add(CHANNEL)
    again: asyncio.Queue[bytes] = asyncio.Queue()

    async def first(stream: Stream) -> None:
        await stream.send(event(1), part(2, 1), part(2, 2))
        await stream.fail(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")

    async def second(stream: Stream) -> None:
        again.put_nowait(stream.first.replay_id)
        await stream.send(part(2, 1), part(2, 2), part(2, 3))
        await idle(stream)

    org.bus.scripts = [first, second]
    system = org.connect(channels={CHANNEL: ["*"]}, transaction_idle_s=0)
    await system.source.open({})
    batches: list[Batch] = []
    while "3" not in phones(batches):
        batches.append(await system.source.read())
    assert again.get_nowait() == replay(1)
    assert set(phones(batches)) == {"1", "2", "3"}


async def test_a_sign_of_life_tells_that_all_parts_have_come(org: Org) -> None:
    org.bus.topics.add(CHANNEL)
    again: asyncio.Queue[bytes] = asyncio.Queue()

    async def first(stream: Stream) -> None:
        await stream.send(event(1), part(2, 1))
        await stream.send(latest=replay(9))
        await stream.fail(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")

    async def second(stream: Stream) -> None:
        again.put_nowait(stream.first.replay_id)
        await idle(stream)

    org.bus.scripts = [first, second]
    system = org.connect(channels={CHANNEL: ["*"]}, transaction_idle_s=0)
    await system.source.open({})
    assert await again.get() == replay(9)


async def test_whatever_was_handed_on_last_nothing_is_missed_by_going_on_there(tmp_path: Path) -> None:
    """150 records change alike, 100 events come at a time, and the engine may be killed behind any batch."""
    async with fresh_org(tmp_path) as org:
        members = [{"object": "Account", "enriched": ["AccountNumber"]}]
        await org.control("channels", {"name": "Sales__chn", "members": members})
        made = {"op": "create", "object": "Account", "fields": {"Name": "Nordlicht"}}
        keys = (await org.control("transaction", {"writes": [made] * RECORDS}))["ids"]
        same = {"op": "update", "object": "Account", "fields": {"Phone": "same"}}
        await org.control("transaction", {"writes": [same | {"id": key} for key in keys]})
        system = org.connect(ACCOUNT, channels={CHANNEL: ["*"]}, transaction_idle_s=0)
        positions: dict[str, bytes] = {}
        heard: set[str] = set()
        while heard != set(keys):
            await system.source.open(positions)
            batch = await system.source.read()
            heard |= told(batch)
            while batch.position in (None, positions.get(CHANNEL)) and heard != set(keys):
                batch = await system.source.read()
                heard |= told(batch)
            assert batch.position is None or positions.get(CHANNEL, b"") <= batch.position
            positions = {CHANNEL: batch.position} if batch.position else positions


def told(batch: Batch) -> set[str]:
    """The records of which a batch says that their phone changed."""
    return {key for one in batch.changes for key in one.keys if one.fields.get("Phone") == "same"}


async def test_both_calls_of_a_managed_subscription_have_met_only_behind_all_parts(org: Org) -> None:
    """First the managed call is ahead within an event, then our own: none of both leaves anything out."""
    org.bus.topics.add(CHANNEL)
    heard, rest, met = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def own(stream: Stream) -> None:
        await stream.send(event(1), part(2, 1))
        await rest.wait()
        await stream.send(part(2, 2), part(3, 3))
        try:
            await idle(stream)
        finally:
            met.set()

    async def managed(stream: Stream) -> None:
        await stream.send_managed(part(2, 1), part(2, 2))
        assert (await stream.requests.get()).num_requested == 2  # it was taken
        heard.set()
        await met.wait()
        await stream.send_managed(part(3, 3), part(3, 4))
        await stream.send_managed(part(4, 5))
        await idle(stream)

    org.bus.scripts, org.bus.managed = [own], managed
    system = org.connect(channels={CHANNEL: ["*"]}, managed={CHANNEL: "Agent"}, transaction_idle_s=0)
    await system.source.open({})
    batches = [await system.source.read()]
    await heard.wait()
    rest.set()
    while "5" not in phones(batches):
        batches.append(await system.source.read())
    assert set(phones(batches)) == {"1", "2", "3", "4", "5"}
