"""Change events as changes: what a field of an event says, and what it must never be taken to say."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce.stream import avro
from adapters.salesforce.stream.decoder import Unsupported
from adapters.salesforce.stream.event import Decoded, EventReader, origin
from agent.core.change import Change, ChangeKind, Operation
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from tests.salesforce.samples import ACCOUNT, COMMIT_MS, ID, TOPIC, bits, encode, header, schema_json

SCHEMA = avro.parse("account-1", schema_json())


def decoded(head: dict[str, Any], spec: ObjectSpec = ACCOUNT, **body: Any) -> Decoded:
    payload = encode({"ChangeEventHeader": head, **body})
    return EventReader(spec, TOPIC).read(SCHEMA, payload)


def change(head: dict[str, Any], spec: ObjectSpec = ACCOUNT, **body: Any) -> Change:
    return decoded(head, spec, **body).change


def update(*names: str, **changes: Any) -> dict[str, Any]:
    return header("UPDATE", changedFields=bits(*names), **changes)


def test_update_carries_only_changed_mapped_fields() -> None:
    got = change(update("Phone", "Fax", "LastModifiedDate"), Phone="1", Fax="2", LastModifiedDate=COMMIT_MS)
    assert got.kind is ChangeKind.EVENT
    assert got.fields == {"Phone": "1"}
    assert got.keys == (ID,)
    assert got.order == 11_000_000_001
    assert got.at == datetime(2026, 11, 23, 1, 45, 32, tzinfo=UTC)
    assert got.version == "2026-11-23T01:45:32.000Z"
    assert got.origin == "erp"
    assert got.transaction == "0002ab34-0000-0000-0000-000000000001"


def test_null_in_the_body_says_nothing_without_its_bit() -> None:
    assert change(update("Phone"), Phone="1", Name=None).fields == {"Phone": "1"}


def test_enriched_value_without_its_bit_is_not_a_change() -> None:
    assert change(update("Phone"), Phone="1", AccountNumber="C-000001").fields == {"Phone": "1"}


def test_nulled_comes_before_diff_and_changed() -> None:
    head = header(nulledFields=bits("Phone"), diffFields=bits("Phone"), changedFields=bits("Phone"))
    assert change(head, Phone="1").fields == {"Phone": None}


def test_changed_without_a_visible_value_is_never_null() -> None:
    got = change(update("Phone"))
    assert got.kind is ChangeKind.GAP
    assert got.keys == (ID,)
    assert got.fields == {}


DIFFERENCE = "--- \n+++ 9f86d0\n@@ -2,1 +2,1 @@\n-a\n+b"


def test_text_difference_is_handed_on_as_it_came_and_never_taken_for_the_value() -> None:
    got = change(
        header(diffFields=bits("Description"), changedFields=bits("Phone")), Phone="1", Description=DIFFERENCE
    )
    assert got.kind is ChangeKind.EVENT
    assert got.fields == {"Phone": "1"}
    assert got.differences == {"Description": DIFFERENCE}


@pytest.mark.parametrize("kind", ["UPDATE", "CREATE", "UNDELETE"])
def test_field_that_is_named_as_different_is_no_value_whatever_else_names_it(kind: str) -> None:
    named = bits("Description")
    got = change(header(kind, diffFields=named, changedFields=named), Description=DIFFERENCE)
    assert "Description" not in got.fields
    assert got.differences == {"Description": DIFFERENCE}


def test_nulled_text_is_null_although_it_is_named_as_different() -> None:
    named = bits("Description")
    got = change(header(nulledFields=named, diffFields=named), Description=DIFFERENCE)
    assert (got.fields, got.differences) == ({"Description": None}, {})


def test_difference_without_a_text_is_read() -> None:
    got = change(header(diffFields=bits("Description")))
    assert (got.kind, got.differences) == (ChangeKind.GAP, {})
    assert "Description" in got.reason


def test_text_difference_of_an_unmapped_field_changes_nothing() -> None:
    got = change(header(diffFields=bits("Site"), changedFields=bits("Phone")), Phone="1", Site="---")
    assert got.kind is ChangeKind.EVENT
    assert got.fields == {"Phone": "1"}


def test_compound_fields_get_their_rest_names() -> None:
    got = change(update("BillingAddress.Street"), BillingAddress={"Street": "Hafenweg 1"})
    assert got.fields == {"BillingStreet": "Hafenweg 1"}


def test_nulled_components_and_nulled_whole_address() -> None:
    every = [f"BillingAddress.{name}" for name in ("Street", "City", "Country")]
    assert change(header(nulledFields=bits(*every))).fields == {"BillingStreet": None, "BillingCity": None}
    assert change(header(nulledFields=bits("BillingAddress"))).fields == {
        "BillingStreet": None,
        "BillingCity": None,
    }


def test_geocoding_afterwards_is_an_empty_change_without_version() -> None:
    head = header(changeOrigin="", changedFields=["5-0x0180"])
    got = change(head, BillingAddress={"Latitude": 48.1, "Longitude": 11.5})
    assert got.kind is ChangeKind.EVENT
    assert (got.fields, got.version, got.origin) == ({}, None, None)


PERSON = ObjectSpec("Account", "Id", tuple(FieldSpec(n) for n in ("Name", "FirstName", "LastName")))
OLDER = schema_json("person-1", middle=True)


def person(head: dict[str, Any], text: str = OLDER, **body: Any) -> Change:
    payload = encode({"ChangeEventHeader": head, **body}, text)
    return EventReader(PERSON, TOPIC).read(avro.parse("person-1", text), payload).change


def named(*children: str) -> list[str]:
    return bits(*(f"Name.{child}" for child in children), text=OLDER)


def test_name_of_a_business_account_is_text_and_has_no_parts() -> None:
    assert change(update("Name"), Name="Nordlicht GmbH").fields == {"Name": "Nordlicht GmbH"}
    assert change(update("Name"), PERSON, Name="Nordlicht GmbH").fields == {"Name": "Nordlicht GmbH"}
    got = change(header("CREATE"), PERSON, Name="Nordlicht GmbH")
    assert got.fields == {"Name": "Nordlicht GmbH", "FirstName": None, "LastName": None}


def test_name_of_a_person_is_certain_where_one_component_is_all_of_it() -> None:
    got = person(header("CREATE"), Name={"LastName": "Lovelace", "Salutation": "Ms."})
    assert got.fields == {"Name": "Lovelace", "FirstName": None, "LastName": "Lovelace"}
    every = header(nulledFields=named("FirstName", "MiddleName", "Suffix"), changedFields=named("LastName"))
    got = person(every, Name={"LastName": "Lovelace"})
    assert got.fields == {"Name": "Lovelace", "FirstName": None, "LastName": "Lovelace"}


def test_name_of_several_components_is_read_because_their_order_is_the_users() -> None:
    got = person(header("CREATE"), Name={"FirstName": "Ada", "LastName": "Lovelace"})
    assert (got.kind, got.keys) == (ChangeKind.GAP, (ID,))
    every = named("FirstName", "MiddleName", "LastName", "Suffix")
    both = {"FirstName": "Ada", "LastName": "Lovelace"}
    assert person(header(changedFields=every), Name=both).kind is ChangeKind.GAP


@pytest.mark.parametrize("emptied", [True, False])
def test_name_of_which_only_a_part_is_told_is_read(emptied: bool) -> None:
    head: dict[str, Any] = {"nulledFields" if emptied else "changedFields": named("FirstName")}
    got = person(header(**head), Name=None if emptied else {"FirstName": "Ada"})
    assert (got.kind, got.fields) == (ChangeKind.GAP, {})
    assert "Name" in got.reason


def test_salutation_is_no_part_of_the_name() -> None:
    got = person(header(changedFields=named("Salutation")), Name={"Salutation": "Dr."})
    assert (got.kind, got.fields) == (ChangeKind.EVENT, {})


def test_every_component_of_a_person_name_is_mapped() -> None:
    names = ("Salutation", "FirstName", "MiddleName", "LastName", "Suffix")
    spec = ObjectSpec("Contact", "Id", tuple(FieldSpec(name) for name in names))
    text = schema_json("contact-1", middle=True, person=True)
    values = {name: name.upper() for name in names}
    payload = encode({"ChangeEventHeader": header("CREATE", entityName="Contact"), "Name": values}, text)
    got = EventReader(spec, TOPIC).read(avro.parse("contact-1", text), payload).change
    assert got.fields == values


def test_person_name_components_are_mapped() -> None:
    spec = ObjectSpec("Account", "Id", (FieldSpec("FirstName"), FieldSpec("LastName")))
    assert change(update("Name.FirstName"), spec, Name={"FirstName": "Ada"}).fields == {"FirstName": "Ada"}


@pytest.mark.parametrize("without", [(), ("StateCode", "CountryCode")])
@pytest.mark.parametrize("extra", [(), ("Xyz",)])
def test_address_components_come_and_go_with_the_org(
    without: tuple[str, ...], extra: tuple[str, ...]
) -> None:
    spec = ObjectSpec("Account", "Id", tuple(FieldSpec(f"Billing{n}") for n in ("City", "GeocodeAccuracy")))
    text = schema_json("other", address_without=without, address_extra=extra)
    names = ("BillingAddress.City", "BillingAddress.GeocodeAccuracy")
    head = header(changedFields=bits(*names, text=text))
    payload = encode(
        {"ChangeEventHeader": head, "BillingAddress": {"City": "Kiel", "GeocodeAccuracy": "Zip"}}, text
    )
    got = EventReader(spec, TOPIC).read(avro.parse("other", text), payload).change
    assert got.fields == {"BillingCity": "Kiel", "BillingGeocodeAccuracy": "Zip"}


@pytest.mark.parametrize(
    ("parent", "child", "rest"),
    [
        ("BillingAddress", "Street", "BillingStreet"),
        ("PersonMailingAddress", "City", "PersonMailingCity"),
        ("Address", "PostalCode", "PostalCode"),
        ("Depot__c", "City", "Depot__City__s"),
        ("Loc__c", "Latitude", "Loc__Latitude__s"),
        ("Name", "MiddleName", "MiddleName"),
    ],
)
def test_rest_names_of_components(parent: str, child: str, rest: str) -> None:
    assert avro.rest_name(parent, child) == rest


def test_geocoding_is_a_change_of_exactly_the_coordinates() -> None:
    names = ("BillingLatitude", "BillingLongitude")
    spec = ObjectSpec(
        "Account", "Id", (FieldSpec("BillingCity"), *(FieldSpec(n, FieldType.DECIMAL) for n in names))
    )
    head = header(changeOrigin="", changedFields=["5-0x0180"], commitUser="005000000000009AAA")
    got = change(head, spec, BillingAddress={"Latitude": 48.137, "Longitude": 11.575})
    assert got.fields == {"BillingLatitude": Decimal("48.137"), "BillingLongitude": Decimal("11.575")}
    assert (got.version, got.origin) == (None, None)


def test_location_components_are_mapped() -> None:
    spec = ObjectSpec("Account", "Id", (FieldSpec("Loc__Latitude__s", FieldType.DECIMAL),))
    got = change(update("Loc__c.Latitude"), spec, Loc__c={"Latitude": 48.137})
    assert got.fields == {"Loc__Latitude__s": Decimal("48.137")}


def test_types_come_from_the_documentation_of_the_schema() -> None:
    spec = ObjectSpec(
        "Account",
        "Id",
        (
            FieldSpec("Due_Date__c", FieldType.DATE),
            FieldSpec("Paid_At__c", FieldType.DATETIME),
            FieldSpec("Opens_At__c"),
        ),
    )
    got = change(
        update("Due_Date__c", "Paid_At__c", "Opens_At__c"),
        spec,
        Due_Date__c=1795392000000,
        Paid_At__c=COMMIT_MS,
        Opens_At__c=30_600_000,
    )
    assert got.fields == {
        "Due_Date__c": date(2026, 11, 23),
        "Paid_At__c": datetime(2026, 11, 23, 1, 45, 32, tzinfo=UTC),
        "Opens_At__c": "08:30:00.000Z",
    }


def test_dates_before_1970() -> None:
    assert change(update("Due_Date__c"), Due_Date__c=-86_400_000).fields == {
        "Due_Date__c": date(1969, 12, 31)
    }


@pytest.mark.parametrize("text", ["0.1", "50000.0", "-0.01", "9999999999999.99"])
def test_currency_is_exact(text: str) -> None:
    got = change(update("Credit_Limit__c"), Credit_Limit__c=float(text))
    assert got.fields == {"Credit_Limit__c": Decimal(text)}


@pytest.mark.parametrize(
    "double", [123456789012345680.0, 1e17, 1234567890.1234567, float("inf"), float("nan")]
)
def test_currency_beyond_a_double_is_read(double: float) -> None:
    got = change(update("Credit_Limit__c"), Credit_Limit__c=double)
    assert got.kind is ChangeKind.GAP
    assert "Credit_Limit__c" in got.reason


@given(st.decimals(min_value=Decimal("-9999999999999.99"), max_value=Decimal("9999999999999.99"), places=2))
def test_every_amount_of_15_digits_survives(amount: Decimal) -> None:
    got = change(update("Credit_Limit__c"), Credit_Limit__c=float(amount))
    assert got.kind is ChangeKind.EVENT
    assert got.fields == {"Credit_Limit__c": amount}


def test_create_and_undelete_carry_every_mapped_field() -> None:
    names = {field.name for field in ACCOUNT.fields} | {"Isthmus_Id__c"}
    for kind, operation in (("CREATE", Operation.CREATE), ("UNDELETE", Operation.UNDELETE)):
        got = change(header(kind), Name="A", BillingAddress={"City": "Kiel"}, Fax="9")
        assert got.operation is operation
        assert set(got.fields) == names
        assert (got.fields["Name"], got.fields["BillingCity"], got.fields["Phone"]) == ("A", "Kiel", None)


def test_create_without_system_fields_has_no_version() -> None:
    """Price book entries come so; the next read tells the version."""
    got = change(header("CREATE"), Name="A", LastModifiedDate=None)
    assert (got.kind, got.version, got.fields["Name"]) == (ChangeKind.EVENT, None, "A")


@pytest.mark.parametrize("enriched", [{}, {"AccountNumber": "C-000001", "Phone": "1"}])
def test_delete_carries_nothing_even_where_it_was_enriched(enriched: dict[str, Any]) -> None:
    got = change(header("DELETE"), **enriched)
    assert (got.kind, got.operation, dict(got.fields)) == (ChangeKind.EVENT, Operation.DELETE, {})


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("GAP_CREATE", Operation.CREATE),
        ("GAP_UPDATE", Operation.UPDATE),
        ("GAP_DELETE", Operation.DELETE),
        ("GAP_UNDELETE", Operation.UNDELETE),
        ("SNAPSHOT", Operation.UPDATE),
    ],
)
def test_gap_events_name_their_records(kind: str, operation: Operation) -> None:
    got = change(header(kind, recordIds=[ID, "001000000000002AAA"]))
    assert got.kind is ChangeKind.GAP
    assert got.operation is operation
    assert got.keys == (ID, "001000000000002AAA")


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("GAP_OVERFLOW", ["000000000000000AAA"]),
        ("UPDATE", ["001*"]),
        ("GAP_UPDATE", ["001*"]),
        ("UPDATE", []),
    ],
)
def test_overflow_and_wildcards_name_no_record(kind: str, ids: list[str]) -> None:
    got = change(header(kind, recordIds=ids))
    assert (got.kind, got.keys) == (ChangeKind.OVERFLOW, ())


def test_merged_events_keep_every_key() -> None:
    ids = [f"0010000000000{number:02d}AAA" for number in range(20)]
    assert change(header(recordIds=ids, changedFields=bits("Phone")), Phone="1").keys == tuple(ids)


def test_identity_survives_a_reset_and_tells_siblings_apart() -> None:
    first = change(update("Phone"), Phone="1").source_id
    assert change(update("Phone"), Phone="1").source_id == first
    for other in ({"sequenceNumber": 2}, {"transactionKey": "b"}, {"recordIds": ["001000000000002AAA"]}):
        assert change(update("Phone", **other), Phone="1").source_id != first


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("com/salesforce/api/rest/62.0;client=isthmus", "isthmus"),
        ("com/salesforce/api/soap/66.0;client=SfdcInternalAPI/", "SfdcInternalAPI"),
        ("com/salesforce/api/rest/62.0", None),
        ("", None),
    ],
)
def test_client_of_an_origin(text: str, client: str | None) -> None:
    assert origin(text) == client


def test_mapped_field_that_is_gone_is_said_once_and_the_others_go_on() -> None:
    reader = EventReader(ACCOUNT, TOPIC)
    newer = schema_json("account-2", without=("AccountNumber",))
    gone = avro.parse("account-2", newer)
    payload = encode(
        {"ChangeEventHeader": header(changedFields=bits("Phone", text=newer)), "Phone": "1"}, newer
    )
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert reader.read(gone, payload).change.fields == {"Phone": "1"}
            reader.read(SCHEMA, encode({"ChangeEventHeader": update("Phone"), "Phone": "1"}))
    (said,) = [one for one in logs if one["action"] == "salesforce.field.missing"]
    assert (said["object"], said["field"], said["schema"]) == ("Account", "AccountNumber", "account-2")


def test_created_record_of_a_schema_without_a_mapped_field_does_not_say_that_it_is_null() -> None:
    newer = schema_json("account-2", without=("AccountNumber",))
    payload = encode({"ChangeEventHeader": header("CREATE"), "Phone": "1"}, newer)
    got = EventReader(ACCOUNT, TOPIC).read(avro.parse("account-2", newer), payload).change
    assert "AccountNumber" not in got.fields and got.fields["Phone"] == "1"


def test_field_that_was_retyped_comes_as_its_schema_says() -> None:
    newer = schema_json("account-3", retyped={"Credit_Limit__c": ("string", "Data:Text")})
    head = header(changedFields=bits("Credit_Limit__c", text=newer))
    payload = encode({"ChangeEventHeader": head, "Credit_Limit__c": "12.50"}, newer)
    got = EventReader(ACCOUNT, TOPIC).read(avro.parse("account-3", newer), payload).change
    assert got.fields == {"Credit_Limit__c": "12.50"}


def test_plain_names_instead_of_bitmaps_are_understood() -> None:
    got = change(
        header(changedFields=["Phone", "BillingAddress.City"]), Phone="1", BillingAddress={"City": "K"}
    )
    assert got.fields == {"Phone": "1", "BillingCity": "K"}


def test_bits_beyond_the_schema_are_a_warning() -> None:
    got = decoded(header(changedFields=["0x" + "80" + "00" * 15, "0x80"]), Phone="1")
    assert got.change.fields == {"Phone": "1"}
    assert got.warning


def test_event_of_another_object_is_refused() -> None:
    with pytest.raises(ValueError, match="Contact"):
        change(header(entityName="Contact"))


def test_left_over_bytes_are_undecodable() -> None:
    with pytest.raises(avro.Undecodable, match="left over"):
        avro.decode(SCHEMA, encode({"ChangeEventHeader": header()}) + b"\x00")


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_undecodable(payload: bytes) -> None:
    with contextlib.suppress(avro.Undecodable):
        avro.decode(SCHEMA, payload)


def never(_: bytes) -> Any:
    raise Unsupported("the general way")


GENERAL = replace(SCHEMA, read_header=never)
#: What the stream takes for an event that nobody understands; anything else would stop it.
REFUSALS = (avro.Undecodable, ValueError, KeyError, TypeError, OverflowError)
SAMPLES = [
    encode({"ChangeEventHeader": head, **body})
    for head, body in (
        (update("Phone", "BillingAddress.City", "Credit_Limit__c", "LastModifiedDate"), {"Phone": "1"}),
        (header(diffFields=bits("Description"), nulledFields=bits("Fax")), {"Description": "--- x"}),
        (header("CREATE", recordIds=[ID, ID]), {"Name": {"LastName": "L"}, "Due_Date__c": 1, "Loc__c": {}}),
        (header("GAP_DELETE"), {}),
    )
]


@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=3))
def test_damaged_event_is_refused_or_means_the_same_on_both_ways(
    payload: bytes, damage: list[tuple[int, int]]
) -> None:
    damaged = bytearray(payload)
    for place, value in damage:
        damaged[place % len(damaged)] = value
    made: list[Change | None] = []
    for schema in (SCHEMA, GENERAL):
        try:
            made.append(EventReader(ACCOUNT, TOPIC).read(schema, bytes(damaged)).change)
        except REFUSALS:
            made.append(None)
    # What the general decoder refuses may lie in a field that nobody asked for.
    assert made[1] is None or repr(made[0]) == repr(made[1])


def test_header_is_readable_when_the_body_is_not() -> None:
    payload = encode({"ChangeEventHeader": header()})[:-5]
    with pytest.raises(avro.Undecodable):
        avro.decode(SCHEMA, payload)
    assert avro.decode_header(SCHEMA, payload).keys == (ID,)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"fields": []}', '{"type":"record","name":"X","fields":[{"name":"A"}]}']
)
def test_unusable_schemas_are_undecodable(text: str) -> None:
    with pytest.raises(avro.Undecodable):
        avro.parse("x", text)
