"""Change events: schema, bitmaps, header and body per kind of change."""

from __future__ import annotations

from tests.sandbox.salesforce.client import ACCOUNT, INVOICE, Client, address_of


async def test_schema_has_the_shape_of_a_real_org(client: Client) -> None:
    [event, *_] = await client.events(1, ACCOUNT)
    schema = event.schema
    assert (schema["name"], schema["namespace"]) == ("AccountChangeEvent", "com.sforce.eventbus")
    assert len(schema["uuid"]) == 22
    assert schema["fields"][0]["name"] == "ChangeEventHeader"
    assert isinstance(schema["fields"][0]["type"], dict)
    assert all(field["type"][0] == "null" and field["default"] is None for field in schema["fields"][1:])
    by_name = {field["name"]: field for field in schema["fields"]}
    assert by_name["ShippingAddress"]["type"] == ["null", "Address"]
    assert by_name["LastModifiedDate"]["type"] == ["null", "long"]
    assert by_name["LastModifiedDate"]["doc"].endswith("DateTime")
    assert by_name["Credit_Limit__c"]["type"] == ["null", "double"]
    assert ":00N" in by_name["Credit_Limit__c"]["doc"]
    assert [each["name"] for each in address_of(schema)["fields"]][:3] == ["Street", "City", "State"]
    assert not {"IsDeleted", "SystemModstamp"} & set(by_name)


async def test_create_carries_all_values_and_no_changed_fields(empty: Client) -> None:
    identifier = await empty.create(
        Name="Åkerlund & Co", Phone="1", BillingStreet="Gata 1", Credit_Limit__c=10.5
    )
    [event] = await empty.events(1)
    assert event.header["changeType"] == "CREATE"
    assert event.header["recordIds"] == [identifier]
    assert event.header["changedFields"] == [] == event.header["nulledFields"]
    assert event.body["Name"] == "Åkerlund & Co"
    assert event.body["BillingAddress"]["Street"] == "Gata 1"
    assert event.body["Credit_Limit__c"] == 10.5
    assert event.body["Order_Block__c"] is False
    assert event.body["CreatedDate"] % 1000 == 0 == event.header["commitTimestamp"] % 1000
    assert event.header["sequenceNumber"] == 1


async def test_update_by_the_same_user_names_only_the_field_and_the_date(empty: Client) -> None:
    identifier = await empty.create(Name="A", Phone="1", Fax="2")
    await empty.update(identifier, Phone="3")
    [_, event] = await empty.events(2)
    assert sorted(event.names("changedFields")) == ["LastModifiedDate", "Phone"]
    assert set(event.body) == {"Phone", "LastModifiedDate"}


async def test_update_by_another_user_names_that_user(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    write = {"op": "update", "object": "Account", "id": identifier, "fields": {"Name": "B"}}
    await empty.control("transaction", {"user": "finance", "writes": [write]})
    [_, event] = await empty.events(2)
    assert "LastModifiedById" in event.names("changedFields")
    assert event.header["changeOrigin"] == "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"


async def test_bitmaps_equal_those_of_a_real_org(empty: Client) -> None:
    """Measured on a real org: ``["0x800000","6-0x01"]`` is LastModifiedDate and ShippingAddress.Street."""
    identifier = await empty.create(Name="A")
    await empty.update(identifier, ShippingStreet="Quay 1")
    [_, event] = await empty.events(2)
    assert event.header["changedFields"] == ["0x800000", "6-0x01"]
    assert event.names("changedFields") == ["LastModifiedDate", "ShippingAddress.Street"]


async def test_bitmap_digits_are_even_and_upper_case(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    await empty.update(identifier, Name="B", Fax="1", OwnerId=None, Order_Block__c=True, BillingCity="Ulm")
    [_, event] = await empty.events(2)
    for element in event.header["changedFields"]:
        digits = element.rpartition("0x")[2]
        assert len(digits) % 2 == 0
        assert digits == digits.upper()


async def test_a_changed_part_of_an_address_does_not_set_the_bit_of_the_address(empty: Client) -> None:
    identifier = await empty.create(Name="A", BillingStreet="x", BillingCity="y")
    await empty.update(identifier, BillingCity="z")
    [_, event] = await empty.events(2)
    assert event.names("changedFields") == ["LastModifiedDate", "BillingAddress.City"]
    assert {name: value for name, value in event.body["BillingAddress"].items() if value} == {"City": "z"}


async def test_a_field_set_to_null_shows_only_in_the_bitmaps(empty: Client) -> None:
    identifier = await empty.create(Name="A", Phone="1", BillingCity="Ulm", Credit_Limit__c=5)
    await empty.update(identifier, Phone=None, BillingCity="", Credit_Limit__c=None)
    [_, event] = await empty.events(2)
    assert event.names("nulledFields") == ["Phone", "Credit_Limit__c", "BillingAddress.City"]
    assert set(event.body) == {"LastModifiedDate"}


async def test_delete_has_no_values_and_undelete_has_all(empty: Client) -> None:
    identifier = await empty.create(Name="A", Phone="1")
    await empty.call("DELETE", f"sobjects/Account/{identifier}")
    write = {"op": "undelete", "object": "Account", "id": identifier}
    await empty.control("transaction", {"writes": [write]})
    [_, deleted, restored] = await empty.events(3)
    assert (deleted.header["changeType"], deleted.body) == ("DELETE", {})
    assert restored.header["changeType"] == "UNDELETE"
    assert restored.body["Phone"] == "1"


async def test_dates_are_midnight_milliseconds_and_times_whole_seconds(empty: Client) -> None:
    await empty.create(
        "Invoice__c", Name="i", Invoice_Date__c="2026-03-01", Paid_At__c="2026-03-02T10:11:12.345+0200"
    )
    [event] = await empty.events(1, INVOICE)
    assert event.body["Invoice_Date__c"] == 1772323200000
    assert event.body["Paid_At__c"] == 1772439072000
    assert event.schema["name"] == "Invoice__ChangeEvent"
    assert event.header["entityName"] == "Invoice__c"


async def test_change_origin_names_the_client_only_when_one_was_set(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    await empty.update(identifier, client="isthmus", Phone="1")
    [plain, ours] = await empty.events(2)
    assert plain.header["changeOrigin"] == "com/salesforce/api/rest/62.0"
    assert ours.header["changeOrigin"] == "com/salesforce/api/rest/62.0;client=isthmus"


async def test_events_of_a_transaction_share_key_and_commit_number(empty: Client) -> None:
    writes = [{"op": "create", "object": "Account", "fields": {"Name": name}} for name in "AB"]
    await empty.control("transaction", {"writes": writes})
    await empty.create(Name="C")
    one, two, other = (each.header for each in await empty.events(3))
    assert one["transactionKey"] == two["transactionKey"] != other["transactionKey"]
    assert one["commitNumber"] == two["commitNumber"] < other["commitNumber"]
    assert (one["sequenceNumber"], two["sequenceNumber"], other["sequenceNumber"]) == (1, 2, 1)


async def test_several_writes_on_a_record_are_one_event_of_the_first_kind(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    update = {"op": "update", "object": "Account", "id": identifier}
    writes = [{**update, "fields": {"Phone": "1"}}, {**update, "fields": {"Phone": "2", "Fax": "3"}}]
    await empty.control("transaction", {"writes": writes})
    [_, event] = await empty.events(2)
    assert (event.body["Phone"], event.body["Fax"]) == ("2", "3")


async def test_equal_changes_of_a_transaction_are_merged_into_one_event(empty: Client) -> None:
    ids = [await empty.create(Name="A"), await empty.create(Name="A")]
    writes = [
        {"op": "update", "object": "Account", "id": each, "fields": {"Type": "Customer"}} for each in ids
    ]
    await empty.control("transaction", {"writes": writes})
    [event] = (await empty.events(3))[2:]
    assert event.header["recordIds"] == ids


async def test_a_flow_changes_another_field_under_our_own_origin(empty: Client) -> None:
    flow = {"object": "Account", "when_field": "Phone", "set_field": "Site", "value_template": "call {Phone}"}
    await empty.control("flows", flow)
    identifier = await empty.create(Name="A")
    await empty.update(identifier, client="isthmus", Phone="12")
    [_, event] = await empty.events(2)
    assert event.body["Site"] == "call 12"
    assert event.header["changeOrigin"].endswith(";client=isthmus")
    assert (await empty.log())["writes"][-1]["flow_fields"] == {"Site": "call 12"}


async def test_a_new_field_makes_a_new_schema_and_old_events_keep_theirs(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    await empty.control("fields", {"object": "Account", "name": "Region__c", "length": 20})
    await empty.update(identifier, Region__c="North")
    [before, after] = await empty.events(2)
    assert before.schema["uuid"] != after.schema["uuid"]
    assert after.names("changedFields") == ["LastModifiedDate", "Region__c"]


async def test_geocoding_sends_a_second_event_by_the_org_itself(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    await empty.control("faults", {"kind": "geocode", "scope": "Account"})
    await empty.update(identifier, client="isthmus", BillingCity="Ulm")
    [_, _, event] = await empty.events(3)
    assert event.header["changedFields"] == ["5-0x0180"]
    assert event.header["changeOrigin"] == ""
    assert event.names("changedFields") == ["BillingAddress.Latitude", "BillingAddress.Longitude"]
