"""SOQL: the subset, comparison rules, pages and refusals."""

from __future__ import annotations

import pytest

from tests.sandbox.salesforce.client import Client, codes


@pytest.fixture
async def stocked(empty: Client) -> Client:
    """Four accounts and an invoice."""
    await empty.create(Name="Alpha", AccountNumber="C-1", Credit_Limit__c=10, Phone="1")
    await empty.create(Name="beta", AccountNumber="C-2", Credit_Limit__c=20.5)
    third = await empty.create(Name="Gamma's", AccountNumber="C-3", Isthmus_Id__c="x-3", Order_Block__c=True)
    gone = await empty.create(Name="Gone", AccountNumber="C-4")
    await empty.call("DELETE", f"sobjects/Account/{gone}")
    await empty.create("Invoice__c", Name="90000001", Account__c=third, Invoice_Date__c="2026-02-03")
    return empty


CONDITIONS: list[tuple[str, str]] = [
    ("Name = 'ALPHA'", "Alpha"),
    ("Name = 'Gamma\\'s'", "Gamma's"),
    ("Name LIKE '%A' AND Phone = null", "beta"),
    ("Credit_Limit__c >= 10 AND Credit_Limit__c < 20.5", "Alpha"),
    ("Credit_Limit__c = null", "Gamma's"),
    ("Isthmus_Id__c != null", "Gamma's"),
    ("AccountNumber IN ('C-2', 'C-4')", "beta"),
    ("AccountNumber NOT IN ('C-2', 'C-3')", "Alpha"),
    ("Order_Block__c = true", "Gamma's"),
    ("(Name = 'Alpha' OR Name = 'beta') AND NOT Phone = '1'", "beta"),
    ("SystemModstamp >= 2020-01-01T00:00:00Z AND Phone != null", "Alpha"),
]


async def test_conditions(stocked: Client) -> None:
    for where, found in CONDITIONS:
        answer = await stocked.query(f"SELECT Name FROM Account WHERE {where}")
        assert [each["Name"] for each in answer["records"]] == [found]


async def test_order_limit_offset_and_count(stocked: Client) -> None:
    answer = await stocked.query(
        "SELECT Name FROM Account ORDER BY Credit_Limit__c DESC NULLS LAST, Id LIMIT 2"
    )
    assert [each["Name"] for each in answer["records"]] == ["beta", "Alpha"]
    answer = await stocked.query("SELECT Name FROM Account ORDER BY AccountNumber LIMIT 1 OFFSET 1")
    assert answer["records"][0]["Name"] == "beta"
    assert (await stocked.query("SELECT COUNT() FROM Account")) == {
        "totalSize": 3,
        "done": True,
        "records": [],
    }


async def test_a_parent_is_reached_through_its_relationship(stocked: Client) -> None:
    answer = await stocked.query(
        "SELECT Name, Account__r.AccountNumber FROM Invoice__c "
        "WHERE Account__r.Isthmus_Id__c = 'x-3' AND Invoice_Date__c > 2026-01-31"
    )
    [row] = answer["records"]
    assert row["Account__r"]["AccountNumber"] == "C-3"


async def test_deleted_rows_are_seen_only_by_query_all(stocked: Client) -> None:
    text = "SELECT Name, IsDeleted FROM Account WHERE IsDeleted = true"
    assert (await stocked.query(text))["totalSize"] == 0
    assert (await stocked.query(text, "queryAll"))["records"][0]["Name"] == "Gone"


UNREADABLE: list[tuple[str, str]] = [
    ("SELECT Nme FROM Account", "INVALID_FIELD"),
    ("SELECT Id FROM Acount", "INVALID_TYPE"),
    ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account WHERE Name = 'a' AND Phone = 'b' OR Fax = 'c'", "MALFORMED_QUERY"),
    ("SELECT Id FROM Account WHERE Credit_Limit__c = '1'", "INVALID_FIELD"),
    ("UPDATE Account", "MALFORMED_QUERY"),
]


async def test_a_query_that_cannot_be_read_is_refused(stocked: Client) -> None:
    for text, code in UNREADABLE:
        assert [each["errorCode"] for each in await stocked.query(text)] == [code]


async def test_pages_follow_the_locator_until_done_and_unknown_locators_are_refused(empty: Client) -> None:
    for start in (0, 200, 400):
        records = [{"attributes": {"type": "Account"}, "Name": f"{start + n:03}"} for n in range(150)]
        await empty.call("POST", "composite/sobjects", {"records": records})
    headers = {"Authorization": f"Bearer {empty.token}", "Sforce-Query-Options": "batchSize=200"}
    path = "/services/data/v62.0/query"
    answer = await empty.http.get(
        path, params={"q": "SELECT Name FROM Account ORDER BY Name"}, headers=headers
    )
    page = answer.json()
    names = [each["Name"] for each in page["records"]]
    while not page["done"]:
        page = (await empty.http.get(page["nextRecordsUrl"], headers=headers)).json()
        assert page["totalSize"] == 450
        names += [each["Name"] for each in page["records"]]
    assert len(names) == 450 and names == sorted(names)
    lost = await empty.call("GET", "query/01g5g0000000ZZZAAA-200")
    assert codes(lost) == ["INVALID_QUERY_LOCATOR"]
