"""Each fault does what its name says, once, where it was aimed."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import grpc
import grpc.aio
import httpx2
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from tests.sandbox.salesforce.client import ACCOUNT, ALL, Client, codes, trailer


async def arm(client: Client, kind: str, **options: object) -> None:
    await client.control("faults", {"kind": kind, **options})


async def test_an_unknown_kind_is_refused_with_the_nearest(client: Client) -> None:
    answer = await client.control("faults", {"kind": "gapp"}, 400)
    assert "did you mean 'gap'" in answer["error"]


async def test_a_delay_without_an_end_is_refused(client: Client) -> None:
    for delay in ("1e400", "true", "-1", "86401"):
        body = f'{{"kind": "answer-late", "delay": {delay}}}'
        answer = await client.http.post("/_sandbox/faults", content=body)
        assert answer.status_code == 400, answer.text
        assert "'delay' is a number of seconds" in answer.json()["error"]


async def test_kinds_and_armed_faults_are_listed_and_cleared(client: Client) -> None:
    await arm(client, "gap", scope="account", count=2, after=1)
    listing = (await client.http.get("/_sandbox/faults")).json()
    assert {"gap", "overflow", "duplicate", "expire", "answer-lost"} <= set(listing["kinds"])
    assert (listing["armed"][0]["scope"], listing["armed"][0]["count"]) == ("Account", 2)
    assert (await client.http.delete("/_sandbox/faults")).json() == {"cleared": 1}


async def test_gap_sends_the_header_only_and_then_is_over(empty: Client) -> None:
    await arm(empty, "gap", scope="Account", after=1)
    ids = [await empty.create(Name=name) for name in "ABC"]
    before, gap, later = await empty.events(3)
    assert (before.header["changeType"], later.header["changeType"]) == ("CREATE", "CREATE")
    assert gap.header["changeType"] == "GAP_CREATE"
    assert gap.header["recordIds"] == [ids[1]]
    assert gap.body == {}


async def test_overflow_replaces_all_changes_of_the_object_by_one_without_ids(empty: Client) -> None:
    await arm(empty, "overflow", scope="Account")
    account = {"op": "create", "object": "Account", "fields": {"Name": "A"}}
    invoice = {"op": "create", "object": "Invoice__c", "fields": {}}
    await empty.control("transaction", {"writes": [account, invoice, account]})
    overflow, other = await empty.events(2)
    assert overflow.header["changeType"] == "GAP_OVERFLOW"
    assert overflow.header["recordIds"] == ["000000000000000AAA"]
    assert overflow.body == {}
    assert other.header["entityName"] == "Invoice__c"


async def test_duplicate_delivers_the_same_event_under_another_replay_id(empty: Client) -> None:
    await arm(empty, "duplicate")
    await empty.create(Name="A")
    one, two = await empty.events(2)
    assert one.event_id == two.event_id
    assert one.replay_id != two.replay_id
    assert one.header == two.header


async def test_undecodable_garbles_the_payload_but_not_the_schema_id(empty: Client) -> None:
    await arm(empty, "undecodable")
    await empty.create(Name="A")
    request = pb.FetchRequest(topic_name=ACCOUNT, num_requested=1, replay_preset=pb.EARLIEST)
    response = await anext(responses := empty.responses(request))
    await responses.aclose()
    assert await empty.schema(response.events[0].event.schema_id)
    with pytest.raises((EOFError, ValueError, IndexError, MemoryError, OverflowError)):
        await empty.decode(response.events[0])


@pytest.mark.parametrize("kind", ["expire", "reset"])
async def test_replay_ids_become_unknown(client: Client, kind: str) -> None:
    events = await client.events(3)
    await arm(client, kind)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.events(1, after=events[0].replay_id)
    assert trailer(caught.value, "error-code").endswith("subscription.fetch.replayid.corrupted")
    identifier = await client.create(Name="new life")
    [event] = await client.events(1)
    assert event.header["recordIds"] == [identifier]


async def test_expire_may_wait_for_a_number_of_events(client: Client) -> None:
    await arm(client, "expire", after=1)
    anchor = await client.tip()
    await client.create(Name="A")
    assert len(await client.events(1, after=anchor)) == 1
    await client.create(Name="B")
    with pytest.raises(grpc.aio.AioRpcError):
        await client.events(1, after=anchor)


@pytest.mark.parametrize("kind", ["break", "reset"])
async def test_open_streams_are_dropped_as_unavailable(client: Client, kind: str) -> None:
    request = pb.FetchRequest(topic_name=ALL, num_requested=50, replay_preset=pb.EARLIEST)
    responses = client.responses(request)
    await anext(responses)
    await arm(client, kind)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in responses:
            pass
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_revoke_ends_all_sessions(client: Client) -> None:
    await arm(client, "revoke")
    assert codes(await client.call("GET", "limits")) == ["INVALID_SESSION_ID"]


async def test_a_locked_row_is_refused_once_and_nothing_is_written(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    await arm(empty, "lock-row", scope="Account")
    answer = await empty.call("PATCH", f"sobjects/Account/{identifier}", {"Phone": "1"})
    assert (answer.status_code, codes(answer)) == (400, ["UNABLE_TO_LOCK_ROW"])
    await empty.update(identifier, Phone="1")
    log = await empty.log()
    assert [len(log["writes"]), len(log["rejected"])] == [2, 1]


async def test_a_locked_row_in_a_collection_stays_with_its_item(empty: Client) -> None:
    await arm(empty, "lock-row", after=1)
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in "ABC"]
    results = (await empty.call("POST", "composite/sobjects", {"records": records})).json()
    assert [each["success"] for each in results] == [True, False, True]
    assert results[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("unavailable", 503, "SERVER_UNAVAILABLE"), ("limit", 403, "REQUEST_LIMIT_EXCEEDED")],
)
async def test_a_call_is_refused_without_effect(empty: Client, kind: str, status: int, code: str) -> None:
    await arm(empty, kind, scope="Account", method="POST")
    assert (await empty.call("GET", "sobjects/Account/describe")).status_code == 200
    answer = await empty.call("POST", "sobjects/Account", {"Name": "A"})
    assert (answer.status_code, codes(answer)) == (status, [code])
    assert (await empty.log())["writes"] == []


async def test_a_lost_answer_was_carried_out(empty: Client) -> None:
    await arm(empty, "answer-lost", scope="Account", method="PATCH")
    path = "sobjects/Account/Isthmus_Id__c/a-1"
    with pytest.raises(httpx2.TransportError):
        await empty.call("PATCH", path, {"Name": "A"})
    answer = await empty.call("PATCH", path, {"Name": "A"})
    assert (answer.status_code, answer.json()["created"]) == (200, False)


async def test_a_lost_answer_over_tls_was_carried_out(empty: Client) -> None:
    await arm(empty, "answer-lost")
    trust = ssl.create_default_context(cafile=empty.details.ca_file)
    headers = {"Authorization": f"Bearer {empty.token}"}
    async with httpx2.AsyncClient(base_url=empty.details.https, verify=trust, trust_env=False) as http:
        with pytest.raises(httpx2.TransportError):
            await http.post("/services/data/v62.0/sobjects/Account", json={"Name": "A"}, headers=headers)
    assert len((await empty.log())["writes"]) == 1


async def test_a_late_answer_was_carried_out_before_the_caller_gave_up(empty: Client) -> None:
    await arm(empty, "answer-late", delay=5, method="POST")
    headers = {"Authorization": f"Bearer {empty.token}"}
    with pytest.raises(httpx2.ReadTimeout):
        await empty.http.post(
            "/services/data/v62.0/sobjects/Account", json={"Name": "A"}, headers=headers, timeout=0.3
        )
    assert (await empty.query("SELECT COUNT() FROM Account"))["totalSize"] == 1


async def test_merge_joins_all_changes_of_a_transaction(empty: Client) -> None:
    ids = [await empty.create(Name=name) for name in "AB"]
    await arm(empty, "merge", scope="Account")
    update = {"op": "update", "object": "Account"}
    writes = [update | {"id": each, "fields": {"Phone": each[-3:] + str(at)}} for at, each in enumerate(ids)]
    await empty.control("transaction", {"writes": writes})
    event = (await empty.events(3))[2]
    assert (event.header["changeType"], event.header["recordIds"]) == ("GAP_UPDATE", ids)


async def test_wildcard_names_every_record(empty: Client) -> None:
    await arm(empty, "wildcard", scope="Account")
    await empty.create(Name="A")
    [event] = await empty.events(1)
    assert (event.header["changeType"], event.header["recordIds"]) == ("GAP_UPDATE", ["001*"])


async def test_delay_holds_the_event_and_all_behind_it_in_order(empty: Client) -> None:
    await arm(empty, "delay", scope="Account", delay=0.6)
    first = await empty.create(Name="A")
    second = await empty.create("Invoice__c", Name="i")
    request = pb.FetchRequest(topic_name=ALL, num_requested=5, replay_preset=pb.EARLIEST)
    seen: list[bytes] = []
    quiet = False
    async for response in empty.responses(request):
        quiet = quiet or not response.events
        seen += [each.event.payload for each in response.events]
        if len(seen) == 2:
            break
    assert quiet
    told = [event.header["recordIds"][0] for event in await empty.events(2)]
    assert told == [first, second]


async def test_lose_never_tells(empty: Client) -> None:
    await arm(empty, "lose", scope="Account")
    lost = await empty.create(Name="lost")
    kept = await empty.create(Name="kept")
    [event] = await empty.events(1)
    assert event.header["recordIds"] == [kept]
    assert (await empty.call("GET", f"sobjects/Account/{lost}")).status_code == 200


async def test_schema_changes_just_before_the_event(empty: Client) -> None:
    await empty.create(Name="A")
    await arm(empty, "schema", scope="Account")
    await empty.create(Name="B")
    before, after = await empty.events(2)
    assert before.schema["uuid"] != after.schema["uuid"]
    assert after.schema["fields"][-1]["name"] == "Added_1__c"


async def test_silent_streams_say_nothing_more(empty: Client) -> None:
    request = pb.FetchRequest(topic_name=ALL, num_requested=5, replay_preset=pb.EARLIEST)
    silent = empty.responses(request)
    await anext(silent)
    await arm(empty, "silent")
    await empty.create(Name="A")
    waiting = asyncio.ensure_future(anext(silent))
    assert len(await empty.events(1)) == 1
    [response] = await first_quiet(empty)
    assert not response.events
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await silent.aclose()


async def first_quiet(client: Client) -> list[Any]:
    """The keepalive of a stream that began after the others fell silent."""
    request = pb.FetchRequest(topic_name=ALL, num_requested=5)
    async for response in client.responses(request):
        return [response]
    return []


async def test_event_limit_ends_the_stream_when_events_are_due(empty: Client) -> None:
    await arm(empty, "event-limit", scope="Account")
    await empty.create(Name="A")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await empty.events(1)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert trailer(caught.value, "error-code").endswith("subscription.limit.exceeded")
    assert len(await empty.events(1)) == 1


async def test_faults_strike_composite_calls_and_soap_too(empty: Client) -> None:
    await arm(empty, "unavailable", scope="Contact")
    part = {"method": "POST", "url": "/services/data/v62.0/sobjects/Contact", "referenceId": "a", "body": {}}
    answer = await empty.call("POST", "composite", {"compositeRequest": [part]})
    assert answer.status_code == 503
    answer = await empty.call("POST", "composite", {"compositeRequest": [part]})
    assert answer.status_code == 200


async def test_refuse_answers_with_any_code_at_its_own_status(empty: Client) -> None:
    for detail, status, code in (
        ("QUERY_TIMEOUT: Your query request was running for too long.", 400, "QUERY_TIMEOUT"),
        ("INSUFFICIENT_ACCESS_OR_READONLY", 403, "INSUFFICIENT_ACCESS_OR_READONLY"),
        ("", 500, "UNKNOWN_EXCEPTION"),
    ):
        await arm(empty, "refuse", scope="Account", detail=detail)
        answer = await empty.call("GET", "query?q=SELECT+Id+FROM+Account")
        assert (answer.status_code, codes(answer)) == (status, [code])
    user = (await empty.query("SELECT Id FROM User LIMIT 1"))["records"][0]["Id"]
    answer = await empty.call("DELETE", f"sobjects/User/{user}")
    assert (answer.status_code, codes(answer)) == (403, ["INSUFFICIENT_ACCESS_OR_READONLY"])


async def test_half_open_connections_answer_nothing_not_even_pings(empty: Client) -> None:
    watch = [
        ("grpc.keepalive_time_ms", 200),
        ("grpc.keepalive_timeout_ms", 300),
        ("grpc.http2.ping_timeout_ms", 300),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    for secure in (False, True):
        async with watching(empty, secure, watch) as channel:
            path = "/eventbus.v1.PubSub/Subscribe"
            subscribe = channel.stream_stream(
                path, pb.FetchRequest.SerializeToString, pb.FetchResponse.FromString
            )
            call = subscribe(metadata=empty.metadata(), timeout=20)
            await call.write(pb.FetchRequest(topic_name=ALL, num_requested=5, replay_preset=pb.EARLIEST))
            assert not (await call.read()).events
            await arm(empty, "half-open")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await exhausted(call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    async with Client(empty.details) as client:
        identifier = await client.create(Name="A")
        [event] = await client.events(1)
        assert event.header["recordIds"] == [identifier]


async def exhausted(call: Any) -> None:
    """Reads until nothing more comes."""
    while await call.read() is not grpc.aio.EOF:
        continue


def watching(client: Client, secure: bool, options: list[tuple[str, int]]) -> Any:
    """A channel that watches its connection by pings."""
    options = [*options, ("grpc.use_local_subchannel_pool", 1)]
    if not secure:
        return grpc.aio.insecure_channel(client.details.grpc_plaintext, options=options)
    trust = grpc.ssl_channel_credentials(client.authority())
    target = client.details.grpc.replace("127.0.0.1", "localhost")
    return grpc.aio.secure_channel(target, trust, options=options)
