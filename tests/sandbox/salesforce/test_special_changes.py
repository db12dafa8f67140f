"""Change events beyond single fields of Account: names, places, diffs, gaps by size, many objects at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from adapters.sandbox.salesforce.options import Options
from adapters.sandbox.salesforce.server import running
from tests.sandbox.salesforce.client import Client
from tests.sandbox.salesforce.conftest import QUICK

LONG = "\n".join(f"Clause {number}: nothing is agreed until everything is agreed." for number in range(40))


async def test_a_persons_name_is_a_record_in_events_and_text_in_rest(empty: Client) -> None:
    person = await empty.create("Contact", FirstName="Zoë", LastName="Núñez", Salutation="Dr.")
    answer = await empty.call("PATCH", f"sobjects/Contact/{person}", {"LastName": "Ek"})
    assert answer.status_code == 204
    made, changed = await empty.events(2)
    assert made.body["Name"] == {"Salutation": "Dr.", "FirstName": "Zoë", "LastName": "Núñez"}
    assert changed.header["changedFields"][1] == "1-0x04"
    assert changed.body["Name"]["LastName"] == "Ek"
    assert (await empty.call("GET", f"sobjects/Contact/{person}")).json()["Name"] == "Zoë Ek"


async def test_only_nested_fields_changed_leaves_out_the_top_level(empty: Client) -> None:
    account = await empty.create(Name="A", BillingCity="Ulm")
    await empty.control("faults", {"kind": "geocode", "scope": "Account"})
    await empty.update(account, BillingCity="Bonn")
    event = (await empty.events(3))[2]
    assert [each.partition("-")[1] for each in event.header["changedFields"]] == ["-"]
    assert "LastModifiedDate" not in event.body
    assert event.header["changeOrigin"] == ""


async def test_a_place_is_a_record_with_latitude_and_longitude(empty: Client) -> None:
    account = await empty.create(Name="A")
    await empty.update(account, Depot__Latitude__s=53.5, Depot__Longitude__s=9.9)
    [_, event] = await empty.events(2)
    assert event.body["Depot__c"] == {"Latitude": 53.5, "Longitude": 9.9}
    parts = [each for each in event.header["changedFields"] if "-" in each]
    assert parts[0].endswith("-0x03")


async def test_a_small_change_of_a_long_text_is_sent_as_a_diff(empty: Client) -> None:
    new = LONG.replace("Clause 7:", "Clause seven:")
    account = await empty.create(Name="A", Description=LONG)
    await empty.update(account, Description=new, Phone="1")
    await empty.update(account, Description="short")
    _, event, whole = await empty.events(3)
    lines = event.body["Description"].split("\n")
    assert lines[0] == "--- "
    assert lines[1] == f"+++ {hashlib.sha256(new.encode()).hexdigest()}"
    assert lines[2] == "@@ -8 +8 @@"
    assert lines[3].startswith("-Clause 7:") and lines[4].startswith("+Clause seven:")
    assert event.names("diffFields") == ["Description"]
    assert sorted(event.names("changedFields")) == ["Description", "LastModifiedDate", "Phone"]
    assert (whole.body["Description"], whole.header["diffFields"]) == ("short", [])


async def test_times_of_day_and_several_choices(empty: Client) -> None:
    await empty.create("Subscription__c", Delivery_Window__c="08:30:00.000Z")
    await empty.create(Name="A", Languages__c="fr;de")
    first, second = await empty.events(2)
    assert first.body["Delivery_Window__c"] == (8 * 60 + 30) * 60_000
    docs = {each["name"]: each["doc"] for each in first.schema["fields"] if "doc" in each}
    assert docs["Delivery_Window__c"].startswith("Data:TimeOnly")
    assert docs["Start_Date__c"].startswith("Data:DateOnly")
    assert second.body["Languages__c"] == "de;fr"


async def test_sequence_numbers_count_objects_that_tell_nothing(empty: Client) -> None:
    graph = [
        {
            "method": "POST",
            "url": f"/services/data/v62.0/sobjects/{name}",
            "referenceId": f"r{at}",
            "body": body,
        }
        for at, (name, body) in enumerate(
            (
                ("Account", {"Name": "A"}),
                ("Contact", {"LastName": "B", "AccountId": "@{r0.id}"}),
                ("Invoice__c", {"Account__c": "@{r0.id}"}),
                ("Account", {"Name": "C", "ParentId": "@{r0.id}"}),
            )
        )
    ]
    await empty.call("POST", "composite", {"compositeRequest": graph, "allOrNone": True})
    events = await empty.events(4)
    told = [(event.header["sequenceNumber"], event.header["entityName"]) for event in events]
    assert told == [(1, "Account"), (2, "Contact"), (3, "Invoice__c"), (4, "Account")]
    assert len({event.header["transactionKey"] for event in events}) == 1
    assert len({event.header["commitNumber"] for event in events}) == 1


async def test_a_record_created_and_changed_in_one_transaction_is_one_create(empty: Client) -> None:
    parts = [
        {
            "method": "POST",
            "url": "/services/data/v62.0/sobjects/Account",
            "referenceId": "a",
            "body": {"Name": "A"},
        },
        {
            "method": "PATCH",
            "url": "/services/data/v62.0/sobjects/Account/@{a.id}",
            "referenceId": "b",
            "body": {"Name": "B"},
        },
    ]
    await empty.call("POST", "composite", {"compositeRequest": parts, "allOrNone": True})
    [event] = await empty.events(1)
    assert (event.header["changeType"], event.body["Name"]) == ("CREATE", "B")
    assert event.header["changedFields"] == []


async def test_a_record_created_and_deleted_in_one_transaction_is_nothing(empty: Client) -> None:
    url = "/services/data/v62.0/sobjects/Account"
    parts = [
        {"method": "POST", "url": url, "referenceId": "a", "body": {"Name": "A"}},
        {"method": "DELETE", "url": f"{url}/@{{a.id}}", "referenceId": "b"},
    ]
    answer = await empty.call("POST", "composite", {"compositeRequest": parts, "allOrNone": True})
    assert [each["httpStatusCode"] for each in answer.json()["compositeResponse"]] == [201, 204]
    marker = await empty.create(Name="marker")
    [event] = await empty.events(1)
    assert event.header["recordIds"] == [marker]


async def test_an_event_beyond_a_megabyte_becomes_a_gap(empty: Client) -> None:
    for number in range(9):
        field = {"object": "Account", "name": f"Text{number}__c", "type": "textarea", "length": 131_072}
        await empty.control("fields", field)
    identifier = await empty.create(Name="A", **{f"Text{n}__c": "x" * 131_072 for n in range(9)})
    [event] = await empty.events(1)
    assert (event.header["changeType"], event.header["recordIds"]) == ("GAP_CREATE", [identifier])
    assert event.body == {}


async def test_a_removed_field_makes_a_new_schema_too(empty: Client) -> None:
    field = {"object": "Account", "name": "Region__c", "length": 20}
    await empty.control("fields", field)
    account = await empty.create(Name="A", Region__c="x")
    answer = await empty.http.request("DELETE", "/_sandbox/fields", json=field)
    assert answer.status_code == 200
    await empty.update(account, Phone="1")
    before, after = await empty.events(2)
    assert "Region__c" in {each["name"] for each in before.schema["fields"]}
    assert "Region__c" not in {each["name"] for each in after.schema["fields"]}
    assert (await empty.query("SELECT Region__c FROM Account"))[0]["errorCode"] == "INVALID_FIELD"


async def test_a_transaction_of_too_many_changes_overflows_object_by_object(key_folder: Path) -> None:
    chosen = Options(overflow_at=60, state_dir=key_folder, timings=QUICK)
    async with running(chosen) as details, Client(details) as client:
        records = [{"attributes": {"type": "Account"}, "Name": str(n)} for n in range(9)]
        records.append({"attributes": {"type": "Invoice__c"}})
        await client.call("POST", "composite/sobjects", {"records": records})
        marker = await client.create(Name="after")
        accounts, invoices, after = await client.events(3)
    for event, name in ((accounts, "Account"), (invoices, "Invoice__c")):
        assert event.header["changeType"] == "GAP_OVERFLOW"
        assert event.header["entityName"] == name
        assert event.header["recordIds"] == ["000000000000000AAA"]
    assert after.header["recordIds"] == [marker]
