"""Custom channels: enriched fields, filters, and how they are set up."""

from __future__ import annotations

from typing import Any

from tests.sandbox.salesforce.client import Client, codes

CHANNEL = "/data/Sync__chn"


async def channel(client: Client, *members: dict[str, Any]) -> None:
    await client.control("channels", {"name": "Sync__chn", "members": list(members)})


async def test_enriched_fields_come_along_with_the_values_of_the_delivery(empty: Client) -> None:
    await channel(empty, {"object": "Account", "enriched": ["Isthmus_Id__c", "BillingAddress"]})
    identifier = await empty.create(Name="A", Isthmus_Id__c="e-1", BillingCity="Ulm")
    await empty.update(identifier, Phone="1")
    await empty.update(identifier, Isthmus_Id__c="e-2")
    _, first, second = await empty.events(3, CHANNEL)
    assert first.body["Isthmus_Id__c"] == "e-2"
    assert first.body["BillingAddress"]["City"] == "Ulm"
    assert first.names("changedFields") == ["Phone", "LastModifiedDate"]
    assert second.names("changedFields") == ["LastModifiedDate", "Isthmus_Id__c"]
    plain = (await empty.events(3))[1]
    assert "Isthmus_Id__c" not in plain.body


async def test_a_delete_carries_the_enriched_key(empty: Client) -> None:
    await channel(empty, {"object": "Account", "enriched": ["Isthmus_Id__c"]})
    identifier = await empty.create(Name="A", Isthmus_Id__c="e-1")
    await empty.call("DELETE", f"sobjects/Account/{identifier}")
    _, gone = await empty.events(2, CHANNEL)
    assert (gone.header["changeType"], gone.body) == ("DELETE", {"Isthmus_Id__c": "e-1"})


async def test_merged_records_come_apart_under_the_same_replay_id(empty: Client) -> None:
    await channel(empty, {"object": "Account", "enriched": ["AccountNumber"]})
    ids = [await empty.create(Name="A", AccountNumber=number) for number in ("1", "2")]
    update = {"op": "update", "object": "Account", "fields": {"Type": "Customer"}}
    await empty.control("transaction", {"writes": [update | {"id": each} for each in ids]})
    _, _, one, two = await empty.events(4, CHANNEL)
    assert one.replay_id == two.replay_id
    assert [one.header["recordIds"], two.header["recordIds"]] == [[each] for each in ids]
    assert [one.body["AccountNumber"], two.body["AccountNumber"]] == ["1", "2"]
    merged = (await empty.events(3))[2]
    assert merged.header["recordIds"] == ids


async def test_records_that_come_apart_may_do_so_over_several_responses(empty: Client) -> None:
    """No response has more events than were asked for; who begins behind the first is told of no other."""
    await channel(empty, {"object": "Account", "enriched": ["AccountNumber"]})
    ids = [await empty.create(Name="A") for _ in range(3)]
    update = {"op": "update", "object": "Account", "fields": {"Type": "Customer"}}
    await empty.control("transaction", {"writes": [update | {"id": each} for each in ids]})
    *_, last, one, two = await empty.events(5, CHANNEL)
    assert [each.header["recordIds"] for each in (one, two)] == [[ids[0]], [ids[1]]]
    assert [each.header["recordIds"] for each in await empty.events(3, CHANNEL, last.replay_id)] == [
        [each] for each in ids
    ]
    await empty.update(ids[0], Phone="1")
    (behind,) = await empty.events(1, CHANNEL, two.replay_id)
    assert behind.body["Phone"] == "1"


async def test_events_outside_the_filter_are_not_sent(empty: Client) -> None:
    await channel(empty, {"object": "Account", "filter": "Industry = 'Energy' AND AnnualRevenue > 10"})
    inside = await empty.create(Name="in", Industry="Energy", AnnualRevenue=11)
    await empty.create(Name="out", Industry="Retail", AnnualRevenue=11)
    await empty.update(inside, AnnualRevenue=5)
    await empty.update(inside, AnnualRevenue=20)
    events = await empty.events(2, CHANNEL)
    assert [event.header["changeType"] for event in events] == ["CREATE", "UPDATE"]
    assert events[1].body["AnnualRevenue"] == 20
    assert len(await empty.events(4)) == 4


async def test_channels_are_set_up_by_the_tooling_api(empty: Client) -> None:
    body = {"FullName": "Sync__chn", "Metadata": {"channelType": "data", "label": "Sync"}}
    assert (await empty.call("POST", "tooling/sobjects/PlatformEventChannel", body)).status_code == 201
    again = await empty.call("POST", "tooling/sobjects/PlatformEventChannel", body)
    assert codes(again) == ["DUPLICATE_DEVELOPER_NAME"]
    metadata: dict[str, Any] = {
        "eventChannel": "Sync__chn",
        "selectedEntity": "AccountChangeEvent",
        "enrichedFields": [{"name": "Name"}],
        "filterExpression": "Name != 'hidden'",
    }
    member = {"FullName": "Sync_chn_Account", "Metadata": metadata}
    made = await empty.call("POST", "tooling/sobjects/PlatformEventChannelMember", member)
    assert made.status_code == 201
    identifier = await empty.create(Name="shown")
    await empty.create(Name="hidden")
    await empty.update(identifier, Phone="1")
    _, update = await empty.events(2, CHANNEL)
    assert update.body["Name"] == "shown"
    path = f"tooling/sobjects/PlatformEventChannelMember/{made.json()['id']}"
    shown = (await empty.call("GET", path)).json()
    assert (shown["EventChannel"], shown["FilterExpression"]) == ("Sync__chn", "Name != 'hidden'")
    assert (await empty.call("DELETE", path)).status_code == 204
    metadata["enrichedFields"] = [{"name": f"Field{n}__c"} for n in range(11)]
    member["FullName"] = "Other"
    refused = await empty.call("POST", "tooling/sobjects/PlatformEventChannelMember", member)
    assert refused.status_code == 400
