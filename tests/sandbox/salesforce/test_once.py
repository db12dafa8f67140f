"""Rows written together name each record once, whichever API they come by."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tests.sandbox.salesforce.client import Client
from tests.sandbox.salesforce.test_bulk import ingest, lines
from tests.sandbox.salesforce.test_soap import results, text

UPSERT = "composite/sobjects/Account/Isthmus_Id__c"


def account(**fields: object) -> dict[str, object]:
    return {"attributes": {"type": "Account"}, **fields}


async def test_a_collection_writes_none_of_the_rows_that_share_an_external_id(empty: Client) -> None:
    rows = [
        account(Isthmus_Id__c="k", Name="A"),
        account(Isthmus_Id__c="other", Name="B"),
        account(Isthmus_Id__c="K", Name="C"),
    ]
    first, good, last = (await empty.call("PATCH", UPSERT, {"records": rows})).json()
    assert (first["success"], good["success"], last["success"]) == (False, True, False)
    [error] = first["errors"]
    assert error["statusCode"] == "DUPLICATE_VALUE"
    assert error["message"] == "Duplicate external id specified: k"
    assert [each["Name"] for each in (await empty.query("SELECT Name FROM Account"))["records"]] == ["B"]


async def test_all_or_none_undoes_the_rest_of_a_collection_with_a_repeated_key(empty: Client) -> None:
    rows = [account(Isthmus_Id__c=key, Name="A") for key in ("k", "other", "k")]
    answer = (await empty.call("PATCH", UPSERT, {"allOrNone": True, "records": rows})).json()
    codes = [each["errors"][0]["statusCode"] for each in answer]
    assert codes == ["DUPLICATE_VALUE", "ALL_OR_NONE_OPERATION_ROLLED_BACK", "DUPLICATE_VALUE"]
    assert (await empty.query("SELECT COUNT() FROM Account"))["totalSize"] == 0


async def test_a_collection_updates_no_record_that_it_names_twice_in_either_form_of_id(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    rows = [account(id=identifier, Name="B"), account(Id=identifier[:15], Name="C")]
    answer = (await empty.call("PATCH", "composite/sobjects", {"records": rows})).json()
    assert [each["errors"][0]["statusCode"] for each in answer] == ["DUPLICATE_VALUE"] * 2
    assert answer[0]["errors"][0]["message"] == f"Duplicate id specified: {identifier}"
    assert [each["Name"] for each in (await empty.query("SELECT Name FROM Account"))["records"]] == ["A"]


async def test_rows_without_a_key_are_no_repetition_of_each_other(empty: Client) -> None:
    answer = (await empty.call("PATCH", UPSERT, {"records": [account(Name="A"), account(Name="B")]})).json()
    assert [each["errors"][0]["statusCode"] for each in answer] == ["MISSING_ARGUMENT"] * 2


async def test_a_bulk_job_fails_repeated_keys_within_two_hundred_rows_only(empty: Client) -> None:
    near = "Isthmus_Id__c,Name\nk,A\nk,B\nother,C\n"
    job = await ingest(empty, near, operation="upsert", externalIdFieldName="Isthmus_Id__c")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (3, 2)
    failed = await lines(empty, f"jobs/ingest/{job['id']}/failedResults")
    assert [row[1].split(":")[:2] for row in failed[1:]] == [
        ["DUPLICATE_VALUE", "Duplicate external id specified"]
    ] * 2
    far = "Isthmus_Id__c,Name\n" + "".join(f"{n},{n}\n" for n in range(200)) + "0,again\n"
    job = await ingest(empty, far, operation="upsert", externalIdFieldName="Isthmus_Id__c")
    assert job["numberRecordsFailed"] == 0
    found = await empty.query("SELECT Name FROM Account WHERE Isthmus_Id__c = '0'")
    assert [each["Name"] for each in found["records"]] == ["again"]


async def test_soap_updates_no_record_that_it_names_twice(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    one = f"<sObjects><type>Account</type><Id>{identifier}</Id><Name>B</Name></sObjects>"
    answer: list[ET.Element] = await results(empty, f"<update>{one}{one}</update>")
    assert [text(each, "success") for each in answer] == ["false", "false"]
    assert "DUPLICATE_VALUE" in ET.tostring(answer[0]).decode()
