"""The objects of the sample org, their rules, and those that a file adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.sandbox.salesforce import options
from adapters.sandbox.salesforce.options import Options
from adapters.sandbox.salesforce.org import definitions
from adapters.sandbox.salesforce.org.shapes import BadObjects
from adapters.sandbox.salesforce.server import running
from tests.sandbox.salesforce.client import Client, codes
from tests.sandbox.salesforce.conftest import QUICK

PARTS = """
[object.Account]
prefix = "001"
[object.Account.fields]
Name = "string(40) required"
audit = "audit"

[object.Machine__c]
prefix = "aM0"
record_types = ["Truck", "Trailer"]
validations = [{ when = "Weight__c > 40", message = "Too heavy.", field = "Weight__c" }]
duplicates = [{ name = "By_plate", match = ["Plate__c"], block = true }]
flows = [{ when = "Plate__c", set = "Label__c", value = "{Plate__c} ({Weight__c} t)" }]
[object.Machine__c.fields]
Name = "auto-number(M-{000})"
RecordTypeId = "record-type"
audit = "audit"
Account__c = "lookup(Account) cascade"
Plate__c = "string(12)"
Weight__c = "double(5,1)"
Label__c = "string(80)"
"""


MISFITS: list[tuple[str, dict[str, object], str, list[str] | None]] = [
    ("Account", {"Tier__c": "Platinum"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Tier__c"]),
    ("Account", {"Credit_Limit__c": -1}, "FIELD_CUSTOM_VALIDATION_EXCEPTION", ["Credit_Limit__c"]),
    ("Account", {"RecordTypeId": "012000000000000AAA"}, "INVALID_CROSS_REFERENCE_KEY", ["RecordTypeId"]),
    ("Contact", {"LastName": "A", "Email": "no address"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
    ("Contact", {"FirstName": "A"}, "REQUIRED_FIELD_MISSING", ["LastName"]),
    ("Contact", {"LastName": "A", "Birthdate": "soon"}, "JSON_PARSER_ERROR", ["Birthdate"]),
    ("Contact", {"LastName": "A", "Name": "x"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"]),
    ("Subscription__c", {"Delivery_Window__c": "25:00:00"}, "JSON_PARSER_ERROR", ["Delivery_Window__c"]),
    ("Subscription__c", {"Quantity__c": 0}, "FIELD_CUSTOM_VALIDATION_EXCEPTION", ["Quantity__c"]),
    ("User", {"Username": "x"}, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", None),
]


async def test_values_that_do_not_fit_have_codes_of_their_own(empty: Client) -> None:
    for object_name, fields, code, named in MISFITS:
        body = {"Name": "x", **fields} if object_name == "Account" else fields
        answer = await empty.call("POST", f"sobjects/{object_name}", body)
        assert answer.status_code == 400
        assert (codes(answer), answer.json()[0].get("fields")) == ([code], named)


async def test_record_types_default_and_are_chosen(empty: Client) -> None:
    kinds = await empty.query(
        "SELECT Id, DeveloperName FROM RecordType WHERE SobjectType = 'Account' ORDER BY DeveloperName"
    )
    customer, partner = (each["Id"] for each in kinds["records"])
    account = await empty.create(Name="A")
    await empty.update(account, RecordTypeId=partner)
    described = (await empty.call("GET", "sobjects/Account/describe")).json()["recordTypeInfos"]
    default = [each["recordTypeId"] for each in described if each["defaultRecordTypeMapping"]]
    assert default == [customer]
    row = await empty.query("SELECT RecordType.DeveloperName FROM Account")
    assert row["records"][0]["RecordType"]["DeveloperName"] == "Partner"


async def test_a_duplicate_rule_warns_and_lets_save(empty: Client) -> None:
    twin = await empty.create(Name="A", VAT_Number__c="DE1")
    answer = await empty.call("POST", "sobjects/Account", {"Name": "B", "VAT_Number__c": "de1"})
    [error] = answer.json()
    assert error["errorCode"] == "DUPLICATES_DETECTED"
    [match] = error["duplicateResult"]["matchResults"]
    assert [each["record"]["Id"] for each in match["matchRecords"]] == [twin]
    assert error["duplicateResult"]["allowSave"] is True
    header = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    saved = await empty.call("POST", "sobjects/Account", {"Name": "B", "VAT_Number__c": "DE1"}, header)
    assert saved.status_code == 201


async def test_a_flow_writes_in_the_transaction_of_the_caller(empty: Client) -> None:
    account = await empty.create(Name="A")
    await empty.update(account, client="isthmus", Rating="Hot")
    [_, event] = await empty.events(2)
    assert event.names("changedFields") == ["Rating", "LastModifiedDate", "Service_Level__c"]
    assert event.header["changeOrigin"].endswith("client=isthmus")
    assert (await empty.call("GET", f"sobjects/Account/{account}")).json()["Service_Level__c"] == "Hot"


async def test_numbers_are_counted_and_names_made_up(empty: Client) -> None:
    person = await empty.create("Contact", FirstName="Zoë", LastName="Núñez")
    row = (await empty.call("GET", f"sobjects/Contact/{person}")).json()
    assert row["Name"] == "Zoë Núñez"
    for expected in ("S-000001", "S-000002"):
        made = await empty.create("Subscription__c", Status__c="active", Delivery_Window__c="08:30:00.000Z")
        row = (await empty.call("GET", f"sobjects/Subscription__c/{made}")).json()
        assert (row["Name"], row["Status__c"], row["Status_Note__c"]) == (expected, "Active", "now Active")
        assert row["Delivery_Window__c"] == "08:30:00.000Z"


async def test_a_child_may_forbid_the_delete(empty: Client) -> None:
    account = await empty.create(Name="A")
    await empty.create("Contract", AccountId=account)
    answer = await empty.call("DELETE", f"sobjects/Account/{account}")
    assert codes(answer) == ["DELETE_FAILED"]
    parent, child = await empty.create(Name="P"), await empty.create(Name="C")
    await empty.update(child, ParentId=parent)
    assert (await empty.call("DELETE", f"sobjects/Account/{parent}")).status_code == 204
    assert (await empty.call("GET", f"sobjects/Account/{child}")).json()["ParentId"] is None


async def test_business_of_the_seeded_customers_hangs_together(key_folder: Path) -> None:
    chosen = Options(accounts=12, business=True, state_dir=key_folder, timings=QUICK)
    async with running(chosen) as details, Client(details) as client:
        for name, least in (
            ("Contact", 12),
            ("Product2", 8),
            ("Contract", 12),
            ("OrderItem", 12),
            ("Payment__c", 8),
        ):
            assert (await client.query(f"SELECT COUNT() FROM {name}"))["totalSize"] >= least
        rows = await client.query(
            "SELECT Net_Amount__c, Tax_Amount__c, Gross_Amount__c, Account__r.AccountNumber FROM Invoice__c"
        )
        for row in rows["records"]:
            assert round(row["Net_Amount__c"] + row["Tax_Amount__c"], 2) == row["Gross_Amount__c"]
            assert row["Account__r"]["AccountNumber"].startswith("C-")
        owners = await client.query(
            "SELECT Order.Account.Name, PricebookEntry.Product2.Name FROM OrderItem LIMIT 1"
        )
        assert owners["records"][0]["Order"]["Account"]["Name"]


async def test_history_older_than_the_retention_left_no_events(key_folder: Path) -> None:
    chosen = Options(accounts=3, history_hours=100, state_dir=key_folder, timings=QUICK)
    async with running(chosen) as details, Client(details) as client:
        anchor = await client.tip()
        new = await client.create(Name="new")
        [event] = await client.events(1)
        assert event.header["recordIds"] == [new]
        assert len(await client.events(1, after=anchor)) == 1
        assert (await client.query("SELECT COUNT() FROM Account"))["totalSize"] == 4


async def test_objects_from_a_file(key_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(PARTS)
    defined = definitions.read(tmp_path / "own.toml")
    async with (
        running(Options(defined=defined, state_dir=key_folder, timings=QUICK)) as details,
        Client(details) as client,
    ):
        account = await client.create(Name="A")
        machine = await client.create("Machine__c", Account__c=account, Plate__c="B-1", Weight__c=7.5)
        row = (await client.call("GET", f"sobjects/Machine__c/{machine}")).json()
        assert (row["Name"], row["Label__c"]) == ("M-001", "B-1 (7.5 t)")
        assert machine.startswith("aM0")
        twice = await client.call("POST", "sobjects/Machine__c", {"Plate__c": "b-1"})
        assert codes(twice) == ["DUPLICATES_DETECTED"]
        heavy = await client.call("PATCH", f"sobjects/Machine__c/{machine}", {"Weight__c": 41})
        assert heavy.json()[0]["message"] == "Too heavy."
        [event] = await client.events(1, "/data/Machine__ChangeEvent")
        assert event.body["Weight__c"] == 7.5
        found = await client.query("SELECT (SELECT Name FROM Machines__r) FROM Account")
        assert found["records"][0]["Machines__r"]["totalSize"] == 1
        assert (await client.call("GET", "sobjects/Contact/describe")).status_code == 200


def test_every_problem_of_an_objects_file_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        '[object.A__c]\nprefix = "toolong"\nlable = "x"\nflows = [{ when = "Nme", set = "Name" }]\n'
        '[object.A__c.fields]\nName = "strng(5)"\nOther__c = "lookup(Acount)"\nB__c = "string(5) requird"\n'
        "[things.X]\n"
    )
    with pytest.raises(BadObjects) as caught:
        definitions.read(path)
    text = str(caught.value)
    for part in (
        "did you mean 'string'",
        "did you mean 'Account'",
        "did you mean 'required'",
        "did you mean 'label'",
        "'value' is missing",
        "unknown section 'things'",
        "is not three letters",
    ):
        assert part in text, text
    with pytest.raises(SystemExit) as ended:
        options.parse(["--objects", str(path)])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("bad.toml: ") == len(text.splitlines())


async def test_records_and_events_outlive_the_process_in_a_file(key_folder: Path, tmp_path: Path) -> None:
    chosen = Options(accounts=3, state_dir=key_folder, state_file=tmp_path / "org.db", timings=QUICK)
    async with running(chosen) as details, Client(details) as client:
        kept = await client.create(
            Name="kept", Credit_Limit__c=10.25, Depot__Latitude__s=1.5, Depot__Longitude__s=2.5
        )
        gone = await client.create(Name="gone")
        await client.call("DELETE", f"sobjects/Account/{gone}")
        await client.control("fields", {"object": "Account", "name": "Region__c", "external_id": True})
        await client.update(kept, Region__c="North")
        before = await client.events(7)
    async with running(chosen) as details, Client(details) as client:
        row = (await client.call("GET", f"sobjects/Account/{kept}")).json()
        assert (row["Credit_Limit__c"], row["Region__c"]) == (10.25, "North")
        assert row["Depot__c"] == {"latitude": 1.5, "longitude": 2.5}
        assert (await client.call("GET", f"sobjects/Account/{gone}")).json()[0][
            "errorCode"
        ] == "ENTITY_IS_DELETED"
        assert (await client.query("SELECT COUNT() FROM Account"))["totalSize"] == 4
        assert (await client.call("GET", "sobjects/Account/Region__c/north")).status_code == 200
        after = await client.events(7)
        assert [each.replay_id for each in after] == [each.replay_id for each in before]
        new = await client.create(Name="new")
        assert new not in {kept, gone}
        [event] = await client.events(1, after=before[-1].replay_id)
        assert event.header["transactionKey"] not in {each.header["transactionKey"] for each in before}
        assert event.header["commitNumber"] > before[-1].header["commitNumber"]
    (tmp_path / "none.db").write_text("this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(SystemExit):
        async with running(Options(state_dir=key_folder, state_file=tmp_path / "none.db")):
            pass


def test_a_rule_that_cannot_be_read_is_told_before_the_org_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.toml"
    for when, told in (("Nme = 'x'", "No such column 'Nme'"), ("Name ==", "unexpected token")):
        path.write_text(PARTS.replace("Weight__c > 40", when))
        with pytest.raises(SystemExit) as ended:
            options.parse(["--objects", str(path)])
        assert ended.value.code == 2
        assert f"own.toml: Machine__c: validation '{when}'" in (said := capsys.readouterr().err)
        assert told in said
