"""Subscribe, GetTopic and GetSchema as a subscriber meets them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce import pubsub_api_pb2_grpc as stubs
from adapters.sandbox.salesforce.options import Options
from adapters.sandbox.salesforce.pubsub.delivery import Timings
from adapters.sandbox.salesforce.server import running
from tests.sandbox.salesforce.client import ACCOUNT, ALL, INVOICE, Client, first, trailer


def fetch(
    topic: str = ACCOUNT, count: int = 10, preset: pb.ReplayPreset = pb.EARLIEST, replay: bytes = b""
) -> pb.FetchRequest:
    return pb.FetchRequest(topic_name=topic, num_requested=count, replay_preset=preset, replay_id=replay)


async def fails(client: Client, *requests: pb.FetchRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in client.responses(*requests):
            pass
    return caught.value


async def test_earliest_delivers_the_seeded_creates_with_ten_byte_replay_ids(client: Client) -> None:
    [response] = await first(client.responses(fetch()), 1)
    assert [len(each.replay_id) for each in response.events] == [10, 10, 10]
    assert response.latest_replay_id == response.events[-1].replay_id
    assert response.events[0].replay_id[8:] == b"\0\0"
    assert response.pending_num_requested == 7
    assert response.rpc_id


async def test_custom_is_exclusive_and_takes_eight_or_ten_bytes(client: Client) -> None:
    events = await client.events(3, ACCOUNT)
    for width in (8, 10):
        rest = await client.events(2, ACCOUNT, after=events[0].replay_id[:width])
        assert [each.replay_id for each in rest] == [each.replay_id for each in events[1:]]


async def test_replay_ids_are_not_contiguous(client: Client) -> None:
    counters = [int.from_bytes(each.replay_id[:8], "big") for each in await client.events(3)]
    assert counters == sorted(counters)
    assert counters != list(range(counters[0], counters[0] + 3))


async def test_forgotten_preset_starts_at_the_tip_although_a_replay_id_is_given(client: Client) -> None:
    [event, *_] = await client.events(3)
    request = pb.FetchRequest(topic_name=ACCOUNT, num_requested=5, replay_id=event.replay_id)
    [response] = await first(client.responses(request), 1)
    assert not response.events


async def test_outstanding_credit_is_capped_at_one_hundred(empty: Client) -> None:
    [response] = await first(empty.responses(fetch(count=500), fetch(count=90)), 1)
    assert response.pending_num_requested == 100


async def test_credit_limits_what_is_delivered_and_is_added_up(client: Client) -> None:
    responses = await first(client.responses(fetch(count=1), fetch(count=1)), 2)
    assert sum(len(each.events) for each in responses) == 2
    assert responses[-1].pending_num_requested == 0


async def test_later_presets_and_replay_ids_are_ignored(client: Client) -> None:
    again = fetch("", 1, pb.EARLIEST)
    responses = await first(client.responses(fetch(count=1), again, fetch("", 1, pb.CUSTOM, b"nonsense")), 3)
    ids = [event.replay_id for response in responses for event in response.events]
    assert len(set(ids)) == 3


async def test_a_quiet_stream_sends_empty_responses_with_an_advancing_replay_id(client: Client) -> None:
    responses = await first(client.responses(fetch()), 3)
    quiet = [each for each in responses if not each.events]
    assert len(quiet) == 2
    assert responses[0].latest_replay_id < quiet[0].latest_replay_id < quiet[1].latest_replay_id
    assert all(len(each.latest_replay_id) == 10 for each in responses)


async def test_the_replay_id_of_an_empty_response_can_be_resumed_from(client: Client) -> None:
    anchor = await client.tip()
    identifier = await client.create(Name="Later")
    [event] = await client.events(1, after=anchor)
    assert event.header["recordIds"] == [identifier]


async def test_a_stream_without_credit_is_ended(client: Client) -> None:
    responses = [each async for each in client.responses(fetch(count=3))]
    assert len(responses[0].events) == 3


async def test_no_credit_asked_is_an_error(client: Client) -> None:
    error = await fails(client, fetch(count=0))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert trailer(error, "error-code").endswith("subscription.fetch.requested.events.invalid")


async def test_another_topic_on_the_same_stream_is_refused(client: Client) -> None:
    error = await fails(client, fetch(), fetch(INVOICE))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "replayid" not in trailer(error, "error-code")


async def test_custom_without_a_replay_id_fails_validation(client: Client) -> None:
    error = await fails(client, fetch(preset=pb.CUSTOM))
    assert trailer(error, "error-code").endswith("subscription.fetch.replayid.validation.failed")


UNKNOWN: list[bytes] = [b"\xff" * 10, b"\0" * 10, b"abc"]


async def test_an_unknown_replay_id_is_corrupted(client: Client) -> None:
    for identifier in UNKNOWN:
        error = await fails(client, fetch(preset=pb.CUSTOM, replay=identifier))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert trailer(error, "error-code") == (
            "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted"
        )
        rpc_id = trailer(error, "rpc-id")
        assert rpc_id and (error.details() or "").endswith(f"rpcId: {rpc_id}")


async def test_a_replay_id_past_retention_looks_like_an_unknown_one(client: Client) -> None:
    [event, *_] = await client.events(3)
    await client.control("clock", {"advance": 73 * 3600})
    await client.sign_in()
    error = await fails(client, fetch(preset=pb.CUSTOM, replay=event.replay_id))
    assert trailer(error, "error-code").endswith("replayid.corrupted")


async def test_topics_are_case_sensitive_and_unknown_ones_are_not_found(client: Client) -> None:
    for topic in ("/data/accountchangeevent", "/data/UserChangeEvent"):
        error = await fails(client, fetch(topic))
        assert error.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.GetTopic(pb.TopicRequest(topic_name=topic), metadata=client.metadata())
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_topic_of_several_objects_has_a_blank_schema_id(client: Client) -> None:
    info = await client.stub.GetTopic(pb.TopicRequest(topic_name=ALL), metadata=client.metadata())
    assert info.schema_id == ""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.GetSchema(pb.SchemaRequest(), metadata=client.metadata())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "can't be blank" in (caught.value.details() or "")


KEYS: list[str] = ["accesstoken", "instanceurl", "tenantid"]


async def test_every_call_checks_all_three_metadata_keys(client: Client) -> None:
    for broken in KEYS:
        metadata = [(key, "x" if key == broken else value) for key, value in client.metadata()]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.GetTopic(pb.TopicRequest(topic_name=ACCOUNT), metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert trailer(caught.value, "error-code").endswith("service.auth.error")


async def test_the_short_org_id_is_accepted_as_tenant(client: Client) -> None:
    metadata = [(key, value[:15] if key == "tenantid" else value) for key, value in client.metadata()]
    info = await client.stub.GetTopic(pb.TopicRequest(topic_name=ACCOUNT), metadata=metadata)
    assert len(info.schema_id) == 22


async def test_an_open_stream_outlives_its_token_but_a_new_call_does_not(client: Client) -> None:
    responses = client.responses(fetch(count=100))
    await anext(responses)
    await client.control("faults", {"kind": "revoke"})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.GetTopic(pb.TopicRequest(topic_name=ACCOUNT), metadata=client.metadata())
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (await anext(responses)).latest_replay_id
    await responses.aclose()


async def test_the_secure_port_presents_a_certificate_of_the_printed_authority(client: Client) -> None:
    trust = grpc.ssl_channel_credentials(client.authority())
    target = client.details.grpc.replace("127.0.0.1", "localhost")
    async with grpc.aio.secure_channel(target, trust) as channel:
        stub = stubs.PubSubStub(channel)  # type: ignore[no-untyped-call]  # generated code is untyped
        info = await stub.GetTopic(pb.TopicRequest(topic_name=ACCOUNT), metadata=client.metadata())
    assert info.can_subscribe


async def test_a_subscription_at_the_tip_misses_what_comes_while_it_settles(
    key_folder: Path,
) -> None:
    slow = Timings(keepalive=0.2, latest_settle=2)
    async with (
        running(Options(state_dir=key_folder, timings=slow)) as details,
        Client(details) as client,
    ):
        responses = client.responses(fetch(preset=pb.LATEST))
        first_response = asyncio.create_task(anext(responses))
        await client.create(Name="missed")
        assert not (await first_response).events
        identifier = await client.create(Name="seen")
        async for response in responses:
            if response.events:
                break
        event = await client.decode(response.events[0])
        await responses.aclose()
    assert event.header["recordIds"] == [identifier]
