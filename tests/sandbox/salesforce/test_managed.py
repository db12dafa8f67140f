"""ManagedSubscribe and publishing: the rpcs beside Subscribe, GetTopic and GetSchema."""

from __future__ import annotations

import io
import uuid
from collections.abc import AsyncIterator
from typing import Any

import fastavro
import grpc
import grpc.aio
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from tests.sandbox.salesforce.client import ACCOUNT, Client, failure, first, trailer

NOTICE = "/event/Erp_Notice__e"


async def define(client: Client, **metadata: object) -> str:
    settings = {"topicName": ACCOUNT, "state": "RUN", "defaultReplay": "EARLIEST", **metadata}
    body = {"FullName": "Mirror", "Metadata": settings}
    answer = await client.call("POST", "tooling/sobjects/ManagedEventSubscription", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def managed(client: Client, *requests: pb.ManagedFetchRequest) -> AsyncIterator[Any]:
    call = client.stub.ManagedSubscribe(metadata=client.metadata(), timeout=20)
    try:
        for request in requests:
            await call.write(request)
        while (response := await call.read()) is not grpc.aio.EOF:
            yield response
        if await call.code() is not grpc.StatusCode.OK:
            raise await failure(call)
    finally:
        call.cancel()


async def names(client: Client, *requests: pb.ManagedFetchRequest, count: int = 1) -> list[str]:
    """Names of the accounts in the first responses."""
    events = [each for response in await first(managed(client, *requests), count) for each in response.events]
    return [(await client.decode(each)).body["Name"] for each in events]


async def fails(client: Client, *requests: pb.ManagedFetchRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await first(managed(client, *requests), 3)
    return caught.value


async def test_the_org_remembers_what_was_committed(empty: Client) -> None:
    subscription = await define(empty)
    assert subscription.startswith("18x")
    for name in "ABC":
        await empty.create(Name=name)
    start = pb.ManagedFetchRequest(subscription_id=subscription, num_requested=3)
    [response] = await first(managed(empty, start), 1)
    assert len(response.events) == 3
    assert await names(empty, start) == ["A", "B", "C"]
    told = await committed(empty, subscription, response.events[1].replay_id, 3)
    assert told.commit_response.commit_request_id == "c"
    assert told.commit_response.replay_id == response.events[1].replay_id
    assert told.commit_response.process_time > 0
    assert not told.commit_response.HasField("error")
    assert len(told.latest_replay_id) == 10
    by_name = pb.ManagedFetchRequest(developer_name="Mirror", num_requested=1)
    assert await names(empty, by_name) == ["C"]


async def committed(client: Client, subscription: str, place: bytes | None, events: int) -> Any:
    """The answer to a commit behind so many events; None: of the last of them."""
    call = client.stub.ManagedSubscribe(metadata=client.metadata(), timeout=20)
    try:
        await call.write(pb.ManagedFetchRequest(subscription_id=subscription, num_requested=100))
        last = b""
        while events:
            for event in (await call.read()).events:
                last, events = event.replay_id, events - 1
        commit = pb.CommitReplayRequest(commit_request_id="c", replay_id=last if place is None else place)
        await call.write(pb.ManagedFetchRequest(commit_replay_id_request=commit))
        while not (response := await call.read()).HasField("commit_response"):
            pass
        return response
    finally:
        call.cancel()


async def test_a_commit_of_an_unknown_replay_id_is_an_error_of_its_own(empty: Client) -> None:
    subscription = await define(empty)
    await empty.create(Name="A")
    answer = await committed(empty, subscription, b"\xff" * 10, 1)
    assert answer.commit_response.error.code == pb.COMMIT
    assert await names(empty, pb.ManagedFetchRequest(subscription_id=subscription, num_requested=1)) == ["A"]


async def test_only_what_was_delivered_on_the_call_and_nothing_older_is_committed(empty: Client) -> None:
    subscription = await define(empty)
    for name in "AB":
        await empty.create(Name=name)
    first, second = await empty.events(2)
    assert not (await committed(empty, subscription, None, 2)).commit_response.HasField("error")
    older = (await committed(empty, subscription, first.replay_id, 0)).commit_response
    assert (older.error.code, "older" in older.error.msg) == (pb.COMMIT, True)
    again = await committed(empty, subscription, second.replay_id, 0)
    assert not again.commit_response.HasField("error")


async def test_a_first_request_that_commits_is_refused(empty: Client) -> None:
    subscription = await define(empty)
    await empty.create(Name="A")
    [event] = await empty.events(1)
    commit = pb.CommitReplayRequest(commit_request_id="c", replay_id=event.replay_id)
    start = pb.ManagedFetchRequest(
        subscription_id=subscription, num_requested=1, commit_replay_id_request=commit
    )
    error = await fails(empty, start)
    assert trailer(error, "error-code").endswith("commit.request.restricted")


async def test_a_lost_place_begins_where_the_subscription_says(empty: Client) -> None:
    subscription = await define(empty, errorRecoveryReplay="EARLIEST", defaultReplay="EARLIEST")
    await empty.create(Name="A")
    assert not (await committed(empty, subscription, None, 1)).commit_response.HasField("error")
    await empty.control("faults", {"kind": "expire"})
    await empty.create(Name="B")
    assert await names(empty, pb.ManagedFetchRequest(subscription_id=subscription, num_requested=1)) == ["B"]


async def test_unknown_and_stopped_subscriptions_are_refused(empty: Client) -> None:
    error = await fails(empty, pb.ManagedFetchRequest(developer_name="Nobody", num_requested=1))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert trailer(error, "rpc-id")
    subscription = await define(empty, state="STOP")
    error = await fails(empty, pb.ManagedFetchRequest(subscription_id=subscription, num_requested=1))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    path = f"tooling/sobjects/ManagedEventSubscription/{subscription}"
    assert (await empty.call("PATCH", path, {"Metadata": {"state": "RUN"}})).status_code == 204
    error = await fails(empty, pb.ManagedFetchRequest(subscription_id=subscription))
    assert trailer(error, "error-code").endswith("subscription.fetch.requested.events.invalid")


async def test_tooling_finds_a_managed_subscription(empty: Client) -> None:
    subscription = await define(empty)
    text = f"SELECT Id, Metadata FROM ManagedEventSubscription WHERE Id = '{subscription}' LIMIT 1"
    answer = await empty.query(text, "tooling/query/")
    assert answer["size"] == 1
    assert answer["records"][0]["Metadata"]["topicName"] == ACCOUNT
    assert answer["records"][0]["Metadata"]["state"] == "RUN"


async def notice(client: Client, **fields: object) -> pb.ProducerEvent:
    info = await client.stub.GetTopic(pb.TopicRequest(topic_name=NOTICE), metadata=client.metadata())
    assert info.can_publish
    schema = fastavro.parse_schema(dict(await client.schema(info.schema_id)))
    body = {"CreatedDate": 1, "CreatedById": client.details.org_id, "Document__c": "D", **fields}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, body)
    return pb.ProducerEvent(id=str(uuid.uuid4()), schema_id=info.schema_id, payload=out.getvalue())


async def test_published_events_are_delivered_and_bad_ones_refused_one_by_one(empty: Client) -> None:
    good = await notice(empty, Message__c="over limit")
    damaged = pb.ProducerEvent(id="k", schema_id=good.schema_id, payload=b"\xff\xff")
    foreign = pb.ProducerEvent(id="f", schema_id="nothing", payload=good.payload)
    large = await notice(empty, Message__c="x" * 1_100_000)
    bare = await notice(empty, Document__c=None)
    request = pb.PublishRequest(topic_name=NOTICE, events=[good, damaged, foreign, large, bare])
    answer = await empty.stub.Publish(request, metadata=empty.metadata())
    assert len(answer.results[0].replay_id) == 10
    assert [each.HasField("error") for each in answer.results] == [False, True, True, True, True]
    assert {each.error.code for each in answer.results[1:]} == {pb.PUBLISH}
    assert [each.correlation_key for each in answer.results[:3]] == [good.id, "k", "f"]
    assert answer.rpc_id and answer.schema_id == good.schema_id
    fetch = pb.FetchRequest(topic_name=NOTICE, num_requested=5, replay_preset=pb.EARLIEST)
    [response] = await first(empty.responses(fetch), 1)
    assert [each.event.id for each in response.events] == [good.id]
    assert [each.event.payload for each in response.events] == [good.payload]


async def test_change_events_cannot_be_published(empty: Client) -> None:
    good = await notice(empty)
    for topic, status in (
        (ACCOUNT, grpc.StatusCode.PERMISSION_DENIED),
        ("/event/Nothing__e", grpc.StatusCode.NOT_FOUND),
    ):
        request = pb.PublishRequest(topic_name=topic, events=[good])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await empty.stub.Publish(request, metadata=empty.metadata())
        assert caught.value.code() is status
        assert trailer(caught.value, "error-code") and trailer(caught.value, "rpc-id")


async def test_a_publish_stream_answers_each_request(empty: Client) -> None:
    call = empty.stub.PublishStream(metadata=empty.metadata(), timeout=20)
    for topic in (NOTICE, ""):
        await call.write(pb.PublishRequest(topic_name=topic, events=[await notice(empty)]))
        assert len((await call.read()).results) == 1
    await call.write(pb.PublishRequest(topic_name=ACCOUNT, events=[await notice(empty)]))
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_responses_stay_below_three_megabytes(empty: Client) -> None:
    large = await notice(empty, Message__c="x" * 900_000)
    for _ in range(5):
        request = pb.PublishRequest(topic_name=NOTICE, events=[large])
        await empty.stub.Publish(request, metadata=empty.metadata())
    fetch = pb.FetchRequest(topic_name=NOTICE, num_requested=5, replay_preset=pb.EARLIEST)
    responses = await first(empty.responses(fetch), 2)
    assert [len(each.events) for each in responses] == [3, 2]
    assert all(each.ByteSize() <= 3 * 1024 * 1024 for each in responses)
