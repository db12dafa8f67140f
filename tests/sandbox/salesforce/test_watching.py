"""What the org itself can tell of its clients, and faults that single out one of them."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from tests.sandbox.salesforce.client import ACCOUNT, ALL, DEADLINE_S, Client, codes, trailer

OURS = {"Sforce-Call-Options": "client=isthmus"}


async def test_a_fault_may_be_for_one_client_only(empty: Client) -> None:
    await empty.control("faults", {"kind": "unavailable", "client": "isthmus"})
    assert (await empty.call("GET", "limits")).status_code == 200
    assert codes(await empty.call("GET", "limits", headers=OURS)) == ["SERVER_UNAVAILABLE"]
    assert (await empty.call("GET", "limits", headers=OURS)).status_code == 200


async def test_a_locked_row_may_be_one_clients_only(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    await empty.control("faults", {"kind": "lock-row", "client": "isthmus"})
    await empty.update(identifier, Name="B")
    answer = await empty.call("PATCH", f"sobjects/Account/{identifier}", {"Phone": "1"}, OURS)
    assert codes(answer) == ["UNABLE_TO_LOCK_ROW"]


async def test_a_sign_in_is_refused_as_told_and_the_history_shows_it(empty: Client) -> None:
    """Refusals as in the vendor's "OAuth 2.0 Authorization Errors"; the history is its LoginHistory."""
    await empty.control("faults", {"kind": "deny-login", "client": "isthmus"})
    form = {
        "grant_type": "client_credentials",
        "client_id": empty.details.client_id,
        "client_secret": empty.details.client_secret,
    }
    answer = await empty.http.post("/services/oauth2/token", data=form, headers=OURS)
    assert (answer.status_code, answer.json()["error"]) == (400, "inactive_user")
    await empty.sign_in()
    found = (await empty.http.get("/_sandbox/logins")).json()["logins"]
    assert [(each["client"], each["error"]) for each in found] == [
        ("", ""),
        ("isthmus", "inactive_user"),
        ("", ""),
    ]


async def test_every_subscription_is_known_with_its_beginning_and_its_credit(empty: Client) -> None:
    await empty.create(Name="A")
    [event] = await empty.events(1)
    await empty.create(Name="B")
    await empty.events(1, ACCOUNT, after=event.replay_id)
    told = (await empty.http.get("/_sandbox/stream")).json()
    first, second = told["subscriptions"]
    assert (first["topic"], first["preset"], first["replay_id"]) == (ALL, "EARLIEST", "")
    assert (second["topic"], second["preset"]) == (ACCOUNT, "CUSTOM")
    assert second["replay_id"] == event.replay_id.hex()
    assert (second["sent"], second["most_credit"]) == (1, 1)
    assert told["newest"][ACCOUNT] > event.replay_id.hex()
    async with asyncio.timeout(DEADLINE_S):
        while any(each["open"] for each in told["subscriptions"]):
            told = (await empty.http.get("/_sandbox/stream")).json()


async def test_an_event_may_be_overtaken_by_one_of_another_record_only(empty: Client) -> None:
    one = await empty.create(Name="A")
    await empty.control("faults", {"kind": "reorder", "scope": "Account", "delay": 60})
    await empty.update(one, Phone="1")
    other = await empty.create(Name="B")
    await empty.control("faults", {"kind": "reorder", "scope": "Account", "delay": 60})
    await empty.update(one, Phone="2")
    await empty.update(one, Phone="3")
    events = await empty.events(5)
    assert [each.header["recordIds"][0] for each in events] == [one, other, one, one, one]
    assert [each.body.get("Phone") for each in events if each.header["changeType"] == "UPDATE"] == [
        "1",
        "2",
        "3",
    ]


async def test_an_event_that_waits_to_be_overtaken_is_told_in_the_end(empty: Client) -> None:
    await empty.control("faults", {"kind": "reorder", "delay": 0})
    await empty.create(Name="A")
    [event] = await empty.events(1)
    assert event.header["changeType"] == "CREATE"


async def test_a_response_may_hold_one_event_only(empty: Client) -> None:
    for name in "ABC":
        await empty.create(Name=name)
    await empty.control("faults", {"kind": "piecemeal", "scope": "Account"})
    sizes = []
    request = pb.FetchRequest(topic_name=ACCOUNT, num_requested=3, replay_preset=pb.EARLIEST)
    async for response in empty.responses(request):
        sizes.append(len(response.events))
        if sum(sizes) == 3:
            break
    assert sizes == [1, 2]


async def test_a_subscription_may_be_refused_for_another_reason_than_its_replay_id(empty: Client) -> None:
    """INVALID_ARGUMENT has many causes (Pub/Sub API guide, "Handle Errors"); the trailer tells which."""
    code = "subscription.fetch.topic.name.invalid"
    await empty.control("faults", {"kind": "refuse-stream", "detail": f"{code}: no"})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await empty.events(1)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert trailer(caught.value, "error-code").endswith(code)


async def test_a_validation_rule_can_be_taken_away_again(empty: Client) -> None:
    rule = {"object": "Account", "when": "Name = 'No'"}
    await empty.control("validations", rule)
    assert (await empty.call("POST", "sobjects/Account", {"Name": "No"})).status_code == 400
    await empty.http.request("DELETE", "/_sandbox/validations", json=rule)
    await empty.create(Name="No")
