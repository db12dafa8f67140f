"""Channels that carry several objects: what is taken from them, and what the settings may say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.stream.channel import Channel, channels_of, topic_of
from agent.core.change import Batch, ChangeKind
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import ConfigError, PositionLost
from agent.ports import System
from tests.salesforce.conftest import Org
from tests.salesforce.peers import Stream
from tests.salesforce.samples import ACCOUNT, TOPIC, bits, encode, header, schema_json
from tests.salesforce.test_source import event, idle, phones, replay

ALL, SALES = "/data/ChangeEvents", "/data/Sales__chn"
CONTACT = ObjectSpec("Contact", "Id", (FieldSpec("Phone"), FieldSpec("LastName")))
INVOICE = ObjectSpec("Invoice__c", "Id", (FieldSpec("Name"),))
CONTACT_SCHEMA = schema_json("contact-1", person=True, without=("Site",))


def contact(number: int, transaction: str = "t") -> pb.ConsumerEvent:
    head = header(
        entityName="Contact", recordIds=["003000000000001AAA"], sequenceNumber=number, commitNumber=number
    )
    head |= {"transactionKey": transaction, "changedFields": bits("Phone", text=CONTACT_SCHEMA)}
    payload = encode({"ChangeEventHeader": head, "Phone": f"c{number}"}, CONTACT_SCHEMA)
    return pb.ConsumerEvent(
        event=pb.ProducerEvent(id=f"c-{number}", schema_id="contact-1", payload=payload),
        replay_id=replay(number),
    )


@pytest.fixture
def bus(org: Org) -> Org:
    org.bus.topics = {TOPIC, ALL, SALES, topic_of("Contact"), topic_of("Invoice__c")}
    org.bus.schemas["contact-1"] = CONTACT_SCHEMA
    return org


async def until(system: System, changes: int) -> list[Batch]:
    batches: list[Batch] = []
    while sum(len(batch.changes) for batch in batches) < changes:
        batches.append(await system.source.read())
    return batches


def test_without_a_word_each_object_is_taken_from_its_own_topic() -> None:
    silent = ObjectSpec("User", "Id", (), capture=False)
    assert channels_of((ACCOUNT, INVOICE, silent), {}, {}) == (
        Channel(TOPIC, ("Account",)),
        Channel("/data/Invoice__ChangeEvent", ("Invoice__c",)),
    )


def test_objects_that_no_channel_names_keep_their_own_topic() -> None:
    found = channels_of((ACCOUNT, CONTACT, INVOICE), {SALES: ["Contact", "Account"]}, {SALES: "Agent"})
    assert found == (
        Channel(SALES, ("Contact", "Account"), "Agent"),
        Channel("/data/Invoice__ChangeEvent", ("Invoice__c",)),
    )


def test_star_stands_for_all_that_no_other_channel_names() -> None:
    found = channels_of((ACCOUNT, CONTACT, INVOICE), {ALL: ["*"], SALES: ["Contact"]}, {})
    assert found == (Channel(ALL, ("Account", "Invoice__c")), Channel(SALES, ("Contact",)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"channels": {ALL: ["Account"], SALES: ["Account"]}},
            "Account is taken from /data/ChangeEvents already",
        ),
        ({"channels": {ALL: ["*"], SALES: ["*"]}}, "already"),
        ({"channels": {ALL: ["Acount"]}}, "did you mean 'Account'"),
        ({"channels": {TOPIC: ["Contact"]}}, "this topic never carries Contact"),
        ({"channels": {TOPIC: ["*"]}}, "cannot carry"),
        ({"channels": {ALL: []}}, "names no object"),
        ({"managed": {SALES: "Agent"}}, "is not followed"),
        (
            {"channels": {ALL: ["*"], SALES: ["Contact"]}, "managed": {ALL: "A", SALES: "A"}},
            "A keeps the place",
        ),
    ],
)
def test_object_belongs_to_one_channel_and_every_channel_can_carry_it(
    org: Org, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        org.connect(ACCOUNT, CONTACT, **settings)


@pytest.mark.parametrize(
    "topic", ["Account", "/event/Notice__e", "/data/", "/data/Sales", "/data/ChangeEvents "]
)
def test_topic_that_is_none_is_refused(org: Org, topic: str) -> None:
    with pytest.raises(ValueError, match="channels"):
        org.connect(channels={topic: ["Account"]})


async def test_events_of_a_channel_are_told_apart_by_their_object(bus: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1), contact(2), event(3))
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(ACCOUNT, CONTACT, channels={ALL: ["*"]})
    await system.source.open({})
    (batch,) = await until(system, 3)
    assert [(one.object, one.fields["Phone"]) for one in batch.changes] == [
        ("Account", "1"),
        ("Contact", "c2"),
        ("Account", "3"),
    ]
    assert {one.stream for one in batch.changes} == {ALL}
    assert bus.bus.schema_calls == ["account-1", "contact-1"]


async def test_channel_without_a_schema_of_its_own_is_never_asked_for_a_blank_one(bus: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1), event(2, schema_id=""))
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(ACCOUNT, CONTACT, channels={ALL: ["*"]})
    await system.source.open({})
    await until(system, 2)
    assert "" not in bus.bus.schema_calls


async def test_events_of_objects_that_are_not_taken_move_the_position(bus: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(contact(1), contact(2))
        await stream.send(event(3), contact(4))
        await stream.send(latest=replay(4))
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(channels={ALL: ["Account"]}, transaction_idle_s=0)
    await system.source.open({})
    batches = [await system.source.read()]
    while batches[-1].position != replay(4):
        batches.append(await system.source.read())
    assert phones(batches) == ["3"]
    assert batches[0].position in (replay(1), replay(3))


async def test_object_of_one_channel_is_not_taken_from_another_that_carries_it_too(bus: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1), contact(2))
        await stream.send(latest=replay(9))
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(ACCOUNT, CONTACT, channels={ALL: ["Account"], SALES: ["Contact"]})
    await system.source.open({})
    ends: dict[str, bytes | None] = {}
    changes = []
    while set(ends.values()) != {replay(9)} or len(ends) < 2:
        batch = await system.source.read()
        ends[batch.stream] = batch.position
        changes += [(one.stream, one.object) for one in batch.changes]
    assert sorted(changes) == [(ALL, "Account"), (SALES, "Contact")]


async def test_each_channel_resumes_at_its_own_position(bus: Org) -> None:
    begun: asyncio.Queue[pb.FetchRequest] = asyncio.Queue()

    async def script(stream: Stream) -> None:
        begun.put_nowait(stream.first)
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(ACCOUNT, CONTACT, INVOICE, channels={ALL: ["Account"], SALES: ["Contact"]})
    await system.source.open({ALL: b"one", SALES: b"two"})
    firsts = [await begun.get() for _ in range(3)]
    asked = {first.topic_name: (first.replay_preset, first.replay_id) for first in firsts}
    assert asked == {
        ALL: (pb.CUSTOM, b"one"),
        SALES: (pb.CUSTOM, b"two"),
        topic_of("Invoice__c"): (pb.EARLIEST, b""),
    }


async def test_lost_position_of_a_channel_names_every_object_of_it(bus: Org) -> None:
    async def script(stream: Stream) -> None:
        if stream.first.topic_name == SALES:
            await stream.fail(grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted")
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(ACCOUNT, CONTACT, INVOICE, channels={SALES: ["Contact", "Account"]})
    await system.source.open({SALES: replay(1)})
    with pytest.raises(PositionLost) as lost:
        await system.source.read()
    assert lost.value.stream == SALES
    assert set(lost.value.objects or ()) == {"Contact", "Account"}


@pytest.mark.parametrize(
    ("stored", "objects"),
    [
        ({TOPIC: b"1"}, ("Account",)),
        ({TOPIC: b"1", ALL: b"2"}, ("Account",)),
        ({SALES: b"1"}, ("Account", "Contact")),
    ],
)
async def test_object_that_moved_to_another_stream_is_read_because_its_place_did_not_move_with_it(
    bus: Org, stored: dict[str, bytes], objects: tuple[str, ...]
) -> None:
    bus.bus.scripts = [idle]
    system = bus.connect(ACCOUNT, CONTACT, channels={ALL: ["*"]})
    with pytest.raises(PositionLost) as lost:
        await system.source.open(stored)
    (left,) = set(stored) - {ALL}
    assert (lost.value.stream, lost.value.objects) == (left, objects)
    await system.source.open({stream: place for stream, place in stored.items() if stream != left})


async def test_place_of_an_object_that_is_not_captured_any_more_is_no_matter(bus: Org) -> None:
    bus.bus.scripts = [idle]
    system = bus.connect(CONTACT)
    await system.source.open({TOPIC: b"1", topic_of("Contact"): b"2"})


async def test_event_of_an_unknown_schema_may_be_about_any_object_of_its_channel(bus: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1, schema_id="gone"), event(2))
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(ACCOUNT, CONTACT, channels={ALL: ["*"]})
    await system.source.open({})
    first, second, third = [one for batch in await until(system, 3) for one in batch.changes]
    assert (first.kind, first.object, bool(first.raw)) == (ChangeKind.UNDECODABLE, "Account", True)
    assert (second.kind, second.object, second.raw) == (ChangeKind.OVERFLOW, "Contact", b"")
    assert first.source_id != second.source_id
    assert third.fields == {"Phone": "2"}


async def test_damaged_event_is_about_the_object_that_its_schema_is_called_after(bus: Org) -> None:
    damaged = pb.ConsumerEvent(
        event=pb.ProducerEvent(id="d", schema_id="contact-1", payload=b"\xff" * 5), replay_id=replay(1)
    )
    foreign = pb.ConsumerEvent(
        event=pb.ProducerEvent(id="f", schema_id="lead-1", payload=b"\xff" * 5), replay_id=replay(2)
    )
    document = json.loads(CONTACT_SCHEMA) | {"name": "LeadChangeEvent"}
    bus.bus.schemas["lead-1"] = json.dumps(document)

    async def script(stream: Stream) -> None:
        await stream.send(damaged, foreign, event(3))
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect(ACCOUNT, CONTACT, channels={ALL: ["*"]})
    await system.source.open({})
    first, second = [one for batch in await until(system, 2) for one in batch.changes]
    assert (first.kind, first.object) == (ChangeKind.UNDECODABLE, "Contact")
    assert second.fields == {"Phone": "3"}


async def test_event_of_another_object_on_a_topic_of_one_is_said(bus: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(contact(1))
        await idle(stream)

    bus.bus.scripts = [script]
    system = bus.connect()
    await system.source.open({})
    (change,) = (await until(system, 1))[0].changes
    assert (change.kind, change.object) == (ChangeKind.UNDECODABLE, "Account")
    assert "Contact" in change.reason
