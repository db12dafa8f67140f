"""The event stream over the wire: positions, credit, failures, and what must never be lost or repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
import structlog

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.settings import Settings
from adapters.salesforce.stream import source, subscription
from adapters.salesforce.stream.source import SalesforceSource, topic_of
from adapters.salesforce.stream.subscription import Arrival, Backlog
from agent.core.change import Batch, ChangeKind
from agent.errors import PositionLost, Refused, Unreachable
from agent.ports import System
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import CONTACT
from tests.salesforce.peers import BlackholeProxy, Stream
from tests.salesforce.samples import ACCOUNT, ID, TOPIC, bits, encode, header, schema_json

Follow = Callable[[System, int], Awaitable[list[Batch]]]


def replay(number: int) -> bytes:
    return number.to_bytes(8, "big") + b"\x00\x00"


def event(
    number: int, schema_id: str = "account-1", payload: bytes | None = None, transaction: str = "t"
) -> pb.ConsumerEvent:
    """Event ``number``: sets the phone to that number."""
    head = header(sequenceNumber=number, commitNumber=number, changedFields=bits("Phone"))
    head["transactionKey"] = transaction
    data = encode({"ChangeEventHeader": head, "Phone": str(number)}) if payload is None else payload
    return pb.ConsumerEvent(
        event=pb.ProducerEvent(id=f"e-{number}", schema_id=schema_id, payload=data), replay_id=replay(number)
    )


async def idle(stream: Stream) -> None:
    await stream.wait_cancelled()


def phones(batches: list[Batch]) -> list[Any]:
    return [change.fields.get("Phone") for batch in batches for change in batch.changes]


def test_topic_names() -> None:
    assert topic_of("Account") == "/data/AccountChangeEvent"
    assert topic_of("Invoice__c") == "/data/Invoice__ChangeEvent"


async def test_new_stream_starts_at_the_oldest_event_never_at_the_tip(org: Org, follow: Follow) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    batches = await follow(system, 1)
    first = org.bus.streams[0].first
    assert (first.replay_preset, first.replay_id) == (pb.EARLIEST, b"")
    assert (batches[0].stream, batches[0].position) == (TOPIC, replay(1))


async def test_stored_position_is_resumed_as_it_was_stored(org: Org, follow: Follow) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(8))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({TOPIC: b"\x01opaque"})
    await follow(system, 1)
    first = org.bus.streams[0].first
    assert (first.topic_name, first.replay_preset, first.replay_id) == (TOPIC, pb.CUSTOM, b"\x01opaque")


async def test_credit_is_given_back_on_receipt_and_never_exceeds_100(org: Org, follow: Follow) -> None:
    totals: list[int] = []
    done = asyncio.Event()

    async def script(stream: Stream) -> None:
        outstanding = stream.first.num_requested
        totals.append(outstanding)
        for start in (0, 40, 80):
            await stream.send(*(event(start + number) for number in range(1, 41)))
            outstanding -= 40
            # Nothing has been read by the engine yet: the request comes on receipt.
            outstanding += (await stream.requests.get()).num_requested
            totals.append(outstanding)
        done.set()
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    await done.wait()
    assert totals == [100] * 4
    assert phones(await follow(system, 120)) == [str(number) for number in range(1, 121)]


async def test_full_backlog_stops_requests_until_the_engine_reads(
    org: Org, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.salesforce.stream.source.BACKLOG_BYTES", 1)
    sent = asyncio.Event()

    async def script(stream: Stream) -> None:
        await stream.send(event(1, transaction="a"))
        await stream.send(event(2, transaction="b"))
        sent.set()
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    await sent.wait()
    await follow(system, 1)
    assert org.bus.streams[0].requests.empty()
    await follow(system, 1)
    assert (await org.bus.streams[0].requests.get()).num_requested == 2


async def test_full_backlog_keeps_the_stream_by_asking_for_one_event(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.salesforce.stream.source.BACKLOG_BYTES", 1)
    monkeypatch.setattr("adapters.salesforce.stream.subscription.TRICKLE_S", 0.05)

    asked: asyncio.Queue[int] = asyncio.Queue()

    async def script(stream: Stream) -> None:
        await stream.send(event(1), event(2), event(3))
        while True:
            asked.put_nowait((await stream.requests.get()).num_requested)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    assert [await asked.get() for _ in range(3)] == [1, 1, 1]


def test_stream_without_credit_is_fed_before_the_server_ends_it() -> None:
    assert subscription.TRICKLE_S < 60
    assert subscription.CREDIT == 100


def test_half_open_link_is_found_within_ten_seconds_and_silence_behind_the_longest_keepalive() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert defaults["keepalive_s"] + defaults["keepalive_timeout_s"] <= 10
    assert defaults["silence_s"] > 270


async def test_replay_ids_may_repeat_within_a_batch_and_tell_no_events_apart(
    org: Org, follow: Follow
) -> None:
    def enriched(number: int) -> pb.ConsumerEvent:
        head = header(recordIds=[f"00100000000000{number}AAA"], changedFields=bits("Phone"))
        payload = encode({"ChangeEventHeader": head, "Phone": str(number)})
        return pb.ConsumerEvent(
            event=pb.ProducerEvent(id="same", schema_id="account-1", payload=payload), replay_id=replay(1)
        )

    async def script(stream: Stream) -> None:
        await stream.send(enriched(1), enriched(2))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    (batch,) = await follow(system, 2)
    assert phones([batch]) == ["1", "2"]
    assert len({one.source_id for one in batch.changes}) == 2


async def test_repeated_event_has_its_identity_whatever_its_replay_id(org: Org, follow: Follow) -> None:
    again = event(1)
    again.replay_id, again.event.id = replay(77), "another"

    async def script(stream: Stream) -> None:
        await stream.send(event(1), again)
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    (batch,) = await follow(system, 2)
    assert len({one.source_id for one in batch.changes}) == 1


async def test_sign_of_life_does_not_overtake_an_event_whose_schema_is_still_asked_for(org: Org) -> None:
    org.bus.schema_gate = asyncio.Event()

    async def script(stream: Stream) -> None:
        await stream.send(event(1))
        await stream.send(latest=replay(9))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    reading = asyncio.create_task(system.source.read())
    await org.bus.schema_asked.wait()
    assert not reading.done()
    org.bus.schema_gate.set()
    assert (await reading).position == replay(1)
    assert (await system.source.read()).position == replay(9)


async def test_sign_of_life_moves_the_position_behind_the_events_before_it(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1), latest=replay(1))
        await stream.send(latest=replay(9))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    first, second = await system.source.read(), await system.source.read()
    assert (len(first.changes), first.position) == (1, replay(1))
    assert (second.changes, second.position) == ((), replay(9))


async def test_position_of_a_batch_is_its_last_event_not_a_later_latest(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1), event(2), latest=replay(99))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    assert (await system.source.read()).position == replay(2)


@pytest.mark.parametrize("code", ["replayid.corrupted", "replayid.validation.failed"])
async def test_lost_position_names_its_stream(org: Org, code: str) -> None:
    async def script(stream: Stream) -> None:
        await stream.fail(grpc.StatusCode.INVALID_ARGUMENT, f"subscription.fetch.{code}")

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({TOPIC: replay(5)})
    with pytest.raises(PositionLost) as lost:
        await system.source.read()
    assert (lost.value.stream, tuple(lost.value.objects or ())) == (TOPIC, ("Account",))


async def test_number_of_a_failed_call_is_logged_for_the_vendors_support(org: Org) -> None:
    """In what people are told it would make old news look new."""

    async def script(stream: Stream) -> None:
        await stream.fail(grpc.StatusCode.UNAVAILABLE, "service.unavailable")

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    with structlog.testing.capture_logs() as logs, pytest.raises(Unreachable):
        await system.source.read()
    told = [one for one in logs if one["action"] == "salesforce.bus.failed"]
    assert [(one["code"], one["rpc"]) for one in told] == [("service.unavailable", "r-1")]


async def test_invalid_argument_without_its_trailer_keeps_the_position(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.fail(grpc.StatusCode.INVALID_ARGUMENT, text="Schema validation failed.")

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({TOPIC: replay(5)})
    with pytest.raises(Refused):
        await system.source.read()


async def test_ended_session_is_renewed_and_the_stream_goes_on_where_it_was(org: Org, follow: Follow) -> None:
    async def first(stream: Stream) -> None:
        await stream.send(event(1), event(2), latest=replay(99))
        await stream.fail(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")

    async def second(stream: Stream) -> None:
        await stream.send(event(3))
        await idle(stream)

    org.bus.scripts = [first, second]
    system = org.connect()
    await system.source.open({})
    assert phones(await follow(system, 3)) == ["1", "2", "3"]
    resumed = org.bus.streams[1]
    assert (resumed.first.replay_preset, resumed.first.replay_id) == (pb.CUSTOM, replay(2))
    assert org.http.logins == 2
    assert resumed.token != org.bus.streams[0].token


async def test_schema_call_with_an_old_token_logs_in_again(org: Org, follow: Follow) -> None:
    async def script(stream: Stream) -> None:
        org.bus.revoked.add(stream.token)
        await stream.send(event(1))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    assert phones(await follow(system, 1)) == ["1"]
    assert org.http.logins == 2


async def test_session_refused_again_and_again_is_a_refusal_not_a_storm(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.fail(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    with pytest.raises(Refused):
        await system.source.read()
    assert org.http.logins == 2


@pytest.mark.parametrize(
    ("status", "code", "wait"),
    [
        (grpc.StatusCode.UNAVAILABLE, "service.unavailable", None),
        (grpc.StatusCode.UNAVAILABLE, "", None),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "subscription.limit.exceeded", 3600.0),
        (grpc.StatusCode.UNKNOWN, "subscription.limit.exceeded", 3600.0),
        (grpc.StatusCode.UNKNOWN, "concurrent.client.limit.exceeded", 300.0),
    ],
)
async def test_what_arrived_is_handed_out_before_the_failure(
    org: Org, status: grpc.StatusCode, code: str, wait: float | None
) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1))
        await stream.fail(status, code)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    assert phones([await system.source.read()]) == ["1"]
    for _ in range(2):
        with pytest.raises(Unreachable) as caught:
            await system.source.read()
        assert caught.value.retry_after == wait


async def test_reason_of_a_stream_that_ends_while_credit_is_on_its_way_is_not_lost(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1))
        await stream.fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "subscription.limit.exceeded")

    org.bus.scripts = [script]
    system = org.connect(transaction_idle_s=0)
    for _ in range(30):
        await system.source.open({})
        await system.source.read()
        with pytest.raises(Unreachable) as told:
            await system.source.read()
        assert told.value.retry_after == 3600.0


async def test_managed_call_that_is_ahead_waits_until_our_own_has_come_as_far(
    org: Org, follow: Follow
) -> None:
    ahead, met = asyncio.Event(), asyncio.Event()

    async def own(stream: Stream) -> None:
        await ahead.wait()
        await stream.send(event(2), event(3))
        await stream.send(event(4), event(5), event(6))
        await idle(stream)

    async def managed(stream: Stream) -> None:
        await stream.send_managed(event(4))
        assert (await stream.requests.get()).num_requested == 1  # it was taken
        ahead.set()
        await met.wait()
        await stream.send_managed(event(5))
        await stream.send_managed(latest=replay(5))
        await stream.send_managed(event(6))
        await stream.send_managed(event(7))
        await idle(stream)

    org.bus.scripts, org.bus.managed = [own], managed
    system = org.connect(managed={TOPIC: "Agent"}, transaction_idle_s=0)
    await system.source.open({TOPIC: replay(1)})
    batches = await follow(system, 5)
    met.set()
    batches += await follow(system, 1)
    assert phones(batches) == ["2", "3", "4", "5", "6", "7"]
    places = [batch.position or b"" for batch in batches]
    assert places == sorted(places)


async def test_managed_call_that_is_behind_is_heard_until_it_has_come_as_far(
    org: Org, follow: Follow
) -> None:
    done = asyncio.Event()

    async def own(stream: Stream) -> None:
        await done.wait()
        await idle(stream)

    async def managed(stream: Stream) -> None:
        await stream.send_managed(event(1), event(2))
        await stream.send_managed(event(3), latest=replay(3))
        await stream.send_managed(event(4), event(5))
        await idle(stream)

    org.bus.scripts, org.bus.managed = [own], managed
    system = org.connect(managed={TOPIC: "Agent"}, transaction_idle_s=0)
    await system.source.open({TOPIC: replay(3)})
    assert phones(await follow(system, 2)) == ["4", "5"]
    done.set()


async def test_open_again_after_a_failure_starts_at_the_given_position(org: Org, follow: Follow) -> None:
    async def broken(stream: Stream) -> None:
        await stream.fail(grpc.StatusCode.UNAVAILABLE)

    async def whole(stream: Stream) -> None:
        await stream.send(event(6))
        await idle(stream)

    org.bus.scripts = [broken, whole]
    system = org.connect()
    await system.source.open({TOPIC: replay(4)})
    with pytest.raises(Unreachable):
        await system.source.read()
    await system.source.open({TOPIC: replay(5)})
    assert phones(await follow(system, 1)) == ["6"]
    assert org.bus.streams[1].first.replay_id == replay(5)


async def test_stream_ended_by_the_server_without_an_error_is_unreachable(org: Org) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(latest=replay(1))

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    await system.source.read()
    with pytest.raises(Unreachable, match="ended the stream"):
        await system.source.read()


async def test_missing_topic_says_that_change_data_capture_is_off(org: Org) -> None:
    org.bus.topics = set()
    system = org.connect()
    with pytest.raises(Refused, match="enable Change Data Capture for Account"):
        await system.source.open({})


async def test_topic_without_permission_is_refused(org: Org) -> None:
    org.bus.can_subscribe = False
    system = org.connect()
    with pytest.raises(Refused, match="View All"):
        await system.source.open({})


async def test_a_topic_that_is_refused_stops_only_itself(
    org: Org, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other streams go on; the refused one is told, and followed once it can be, from where it was."""
    monkeypatch.setattr(source, "ASK_AGAIN_S", 0.05)

    async def account(stream: Stream) -> None:
        await stream.send(event(1))
        await idle(stream)

    org.bus.scripts = [account, idle]
    system = org.connect(ACCOUNT, CONTACT)
    assert system.ailments is not None
    await system.source.open({topic_of("Contact"): replay(7)})
    assert phones(await follow(system, 1)) == ["1"]
    (told,) = system.ailments()
    assert "enable Change Data Capture for Contact" in told
    org.bus.topics.add(topic_of("Contact"))
    reading = asyncio.create_task(system.source.read())
    while len(org.bus.streams) < 2:  # noqa: ASYNC110 - the bus tells nobody
        await asyncio.sleep(0)
    reading.cancel()
    resumed = org.bus.streams[-1]
    assert not system.ailments() and resumed.first.topic_name == topic_of("Contact")
    assert (resumed.first.replay_preset, resumed.first.replay_id) == (pb.CUSTOM, replay(7))


async def test_undecodable_event_is_reported_and_the_stream_goes_on(org: Org, follow: Follow) -> None:
    broken = event(1).event.payload[:-3]

    async def script(stream: Stream) -> None:
        await stream.send(
            event(1, payload=broken), event(2, schema_id="gone"), event(3, schema_id=""), event(4)
        )
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    (batch,) = await follow(system, 4)
    first, second, third, fourth = batch.changes
    assert [one.kind for one in batch.changes[:3]] == [ChangeKind.UNDECODABLE] * 3
    assert (first.keys, first.raw, first.object) == ((ID,), broken, "Account")
    assert replay(1).hex() in first.reason
    assert (second.keys, third.keys) == ((), ())
    assert "gone" in second.reason
    assert fourth.fields == {"Phone": "4"}
    assert batch.position == replay(4)


async def test_schema_change_in_mid_stream_is_followed(org: Org, follow: Follow) -> None:
    newer = schema_json("account-2", without=("RecordTypeId",))
    org.bus.schemas["account-2"] = newer
    head = header(sequenceNumber=2, changedFields=bits("Phone", text=newer))
    payload = encode({"ChangeEventHeader": head, "Phone": "2"}, newer)

    async def script(stream: Stream) -> None:
        await stream.send(event(1), event(2, "account-2", payload), event(3), event(4, "account-2", payload))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    assert phones(await follow(system, 4)) == ["1", "2", "3", "2"]
    assert org.bus.schema_calls == ["account-1", "account-2"]


async def test_interrupted_read_loses_nothing(org: Org, follow: Follow) -> None:
    org.bus.schema_gate = asyncio.Event()

    async def script(stream: Stream) -> None:
        await stream.send(event(1))
        await stream.send(latest=replay(9))
        await idle(stream)

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    reading = asyncio.create_task(system.source.read())
    await org.bus.schema_asked.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    org.bus.schema_gate.set()
    batch = await system.source.read()
    assert (phones([batch]), batch.position) == (["1"], replay(1))


async def test_silent_stream_is_dead(org: Org) -> None:
    org.bus.scripts = [idle]
    system = org.connect(silence_s=0.2)
    await system.source.open({})
    with pytest.raises(Unreachable, match="sign of life"):
        await system.source.read()


async def test_half_open_link_is_found_by_pings(org: Org, follow: Follow) -> None:
    async def script(stream: Stream) -> None:
        await stream.send(event(1))
        await idle(stream)

    org.bus.scripts = [script]
    proxy = BlackholeProxy(org.bus.port)
    await proxy.start()
    try:
        system = org.connect(
            pubsub_endpoint=f"127.0.0.1:{proxy.port}",
            keepalive_s=0.2,
            keepalive_timeout_s=0.2,
            silence_s=3600,
        )
        await system.source.open({})
        await follow(system, 1)
        proxy.swallow()
        with pytest.raises(Unreachable):
            await system.source.read()
        await system.source.close()
    finally:
        await proxy.stop()


async def test_server_that_minds_pings_gets_fewer_from_the_next_connection(org: Org) -> None:
    await org.bus.stop()
    await org.bus.start(patient=False)
    org.bus.scripts = [idle]
    system = org.connect(keepalive_s=0.2)
    await system.source.open({})
    with pytest.raises(Unreachable, match=r"(?i)too many pings"):
        await system.source.read()
    assert isinstance(system.source, SalesforceSource)
    assert system.source.keepalive_s == 0.4


async def test_nothing_listening_is_unreachable(org: Org) -> None:
    await org.bus.stop()
    system = org.connect()
    with pytest.raises(Unreachable):
        await system.source.open({})


async def test_read_before_open_and_close_twice(org: Org) -> None:
    system = org.connect()
    with pytest.raises(Unreachable):
        await system.source.read()
    await system.source.close()
    await system.source.close()


async def test_backlog_counts_bytes() -> None:
    backlog = Backlog(10)
    backlog.put(Arrival(TOPIC, pb.FetchResponse(), 6))
    assert backlog.has_room()
    backlog.put(Arrival(TOPIC, pb.FetchResponse(), 6))
    assert not backlog.has_room()
    backlog.drop()
    assert backlog.has_room()
