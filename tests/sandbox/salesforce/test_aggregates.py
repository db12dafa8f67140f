"""SOQL beyond single records: groups, date literals, parents, children, semi-joins, functions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.salesforce.client import Client

DAY = "2026-05-13T10:00:00Z"  # a Wednesday


@pytest.fixture
async def shop(empty: Client) -> Client:
    """Two customers with people and invoices, on a day that stands still."""
    await empty.control("clock", {"freeze": DAY})
    await empty.sign_in()
    north = await empty.create(Name="North", Industry="Energy", AccountNumber="1", Languages__c="de;en")
    south = await empty.create(Name="South", Industry="energy", AccountNumber="2", ParentId=north)
    await empty.create(Name="East", Languages__c="fr")
    for account, last, email in ((north, "Ek", "ek@x.example"), (north, "Al", None), (south, "Om", None)):
        await empty.create("Contact", AccountId=account, LastName=last, FirstName="P", Email=email)
    for account, day, amount in (
        (north, "2026-05-13", 10),
        (north, "2026-04-30", 20.5),
        (south, "2025-12-31", 5),
    ):
        await empty.create("Invoice__c", Account__c=account, Invoice_Date__c=day, Gross_Amount__c=amount)
    return empty


async def rows(client: Client, text: str) -> list[dict[str, Any]]:
    answer = await client.query(text)
    assert isinstance(answer, dict), answer
    found: list[dict[str, Any]] = answer["records"]
    return [{name: value for name, value in row.items() if name != "attributes"} for row in found]


async def test_groups_with_every_aggregate(shop: Client) -> None:
    text = (
        "SELECT Account__r.Name, COUNT(Id), SUM(Gross_Amount__c) total, AVG(Gross_Amount__c), "
        "MIN(Invoice_Date__c), MAX(Gross_Amount__c) FROM Invoice__c GROUP BY Account__r.Name "
        "HAVING COUNT(Id) > 1 ORDER BY SUM(Gross_Amount__c) DESC"
    )
    assert await rows(shop, text) == [
        {"Name": "North", "expr0": 2, "total": 30.5, "expr1": 15.25, "expr2": "2026-04-30", "expr3": 20.5}
    ]


async def test_groups_without_regard_to_case_and_distinct_counts(shop: Client) -> None:
    text = "SELECT Industry, COUNT(Id) n FROM Account GROUP BY Industry ORDER BY COUNT(Id)"
    assert await rows(shop, text) == [{"Industry": None, "n": 1}, {"Industry": "Energy", "n": 2}]
    [row] = await rows(shop, "SELECT COUNT_DISTINCT(Industry) FROM Account")
    assert row == {"expr0": 1}
    [none] = await rows(shop, "SELECT COUNT(Id), SUM(AnnualRevenue) FROM Account WHERE Name = 'nobody'")
    assert none == {"expr0": 0, "expr1": None}
    [kind] = (await shop.query("SELECT COUNT(Id) FROM Account"))["records"]
    assert kind["attributes"] == {"type": "AggregateResult"}


DATES: list[tuple[str, int]] = [
    ("= TODAY", 1),
    ("= YESTERDAY", 0),
    ("< TODAY", 2),
    ("= THIS_MONTH", 1),
    ("= LAST_MONTH", 1),
    ("= LAST_N_DAYS:14", 2),
    ("= LAST_N_MONTHS:2", 1),
    ("= N_DAYS_AGO:13", 1),
    ("= THIS_YEAR", 2),
    ("= LAST_FISCAL_YEAR", 1),
    (">= THIS_QUARTER", 2),
    ("= NEXT_N_DAYS:5", 0),
    ("!= TODAY", 2),
    ("> LAST_YEAR", 2),
    ("= LAST_90_DAYS", 2),
]


async def test_date_literals(shop: Client) -> None:
    for literal, count in DATES:
        answer = await shop.query(f"SELECT COUNT() FROM Invoice__c WHERE Invoice_Date__c {literal}")
        assert answer["totalSize"] == count


async def test_date_literals_on_times_and_unknown_ones(shop: Client) -> None:
    assert (await shop.query("SELECT COUNT() FROM Account WHERE CreatedDate = TODAY"))["totalSize"] == 3
    assert (await shop.query("SELECT COUNT() FROM Account WHERE CreatedDate = THIS_WEEK"))["totalSize"] == 3
    for text in ("CreatedDate = SOMEDAY", "Name = TODAY", "CreatedDate IN (TODAY)"):
        [error] = await shop.query(f"SELECT Id FROM Account WHERE {text}")
        assert error["errorCode"] in ("MALFORMED_QUERY", "INVALID_FIELD")


async def test_date_functions_group_and_filter(shop: Client) -> None:
    text = (
        "SELECT CALENDAR_YEAR(Invoice_Date__c) y, COUNT(Id) FROM Invoice__c "
        "WHERE CALENDAR_MONTH(Invoice_Date__c) >= 4 GROUP BY CALENDAR_YEAR(Invoice_Date__c) "
        "ORDER BY CALENDAR_YEAR(Invoice_Date__c)"
    )
    assert await rows(shop, text) == [{"y": 2025, "expr0": 1}, {"y": 2026, "expr0": 2}]
    assert len(await rows(shop, "SELECT Id FROM Account WHERE DAY_ONLY(CreatedDate) = 2026-05-13")) == 3


async def test_children_are_nested_and_may_be_none(shop: Client) -> None:
    text = (
        "SELECT Name, (SELECT LastName FROM Contacts WHERE FirstName = 'P' ORDER BY LastName LIMIT 1), "
        "(SELECT Gross_Amount__c FROM Invoices__r) FROM Account ORDER BY Name"
    )
    east, north, south = await rows(shop, text)
    assert (east["Contacts"], east["Invoices__r"]) == (None, None)
    assert north["Contacts"]["totalSize"] == 1
    assert north["Contacts"]["records"][0]["LastName"] == "Al"
    assert north["Invoices__r"]["totalSize"] == 2
    assert south["Invoices__r"]["records"][0]["Gross_Amount__c"] == 5.0
    [error] = await shop.query("SELECT Id, (SELECT Id FROM Nobodies) FROM Account")
    assert error["errorCode"] == "INVALID_TYPE"


async def test_parents_of_parents_and_aliases(shop: Client) -> None:
    text = (
        "SELECT c.Account.Parent.Name, c.Account.Owner.Username FROM Contact c "
        "WHERE c.Account.Parent.AccountNumber = '1'"
    )
    [row] = await rows(shop, text)
    assert row["Account"]["Parent"]["Name"] == "North"
    assert row["Account"]["Owner"]["Username"].startswith("integration@")
    [error] = await shop.query("SELECT Nobody.Name FROM Contact")
    assert "Didn't understand relationship 'Nobody'" in error["message"]


async def test_semi_joins(shop: Client) -> None:
    text = "SELECT Name FROM Account WHERE Id {} (SELECT AccountId FROM Contact WHERE Email != null)"
    assert [row["Name"] for row in await rows(shop, text.format("IN"))] == ["North"]
    assert {row["Name"] for row in await rows(shop, text.format("NOT IN"))} == {"South", "East"}


async def test_multi_select_picklists(shop: Client) -> None:
    text = "SELECT Name FROM Account WHERE Languages__c {}"
    assert [each["Name"] for each in await rows(shop, text.format("INCLUDES ('en;de', 'ja')"))] == ["North"]
    assert len(await rows(shop, text.format("EXCLUDES ('de')"))) == 2


async def test_whole_sets_of_fields_and_functions(shop: Client) -> None:
    [row] = await rows(shop, "SELECT FIELDS(STANDARD) FROM Account WHERE Name = 'East' LIMIT 1")
    assert row["Name"] == "East" and "Tier__c" not in row
    [custom] = await rows(shop, "SELECT FIELDS(CUSTOM) FROM Account WHERE Name = 'East' LIMIT 1")
    assert custom["Languages__c"] == "fr" and "Name" not in custom
    [label] = await rows(shop, "SELECT toLabel(Industry) kind FROM Account WHERE Name = 'North'")
    assert label == {"kind": "Energy"}


UNBOUNDED: list[str] = [
    "SELECT FIELDS(ALL) FROM Account",
    "SELECT FIELDS(CUSTOM) FROM Account LIMIT 201",
    "SELECT Name, (SELECT FIELDS(ALL) FROM Contacts) FROM Account",
]


async def test_an_open_set_of_fields_needs_a_limit_of_two_hundred(shop: Client) -> None:
    for text in UNBOUNDED:
        [error] = await shop.query(text)
        assert error["errorCode"] == "MALFORMED_QUERY"
        assert error["message"] == "The SOQL FIELDS function must have a LIMIT of at most 200"
    assert len(await rows(shop, "SELECT FIELDS(ALL) FROM Account LIMIT 200")) == 3
    assert len(await rows(shop, "SELECT FIELDS(STANDARD) FROM Account")) == 3


async def test_a_field_is_selected_once(shop: Client) -> None:
    for text in ("SELECT Id, Name, name FROM Account", "SELECT Name, FIELDS(ALL) FROM Account LIMIT 1"):
        [error] = await shop.query(text)
        assert error["errorCode"] == "INVALID_FIELD"
        assert error["message"].lower() == "duplicate field selected: name"


async def test_a_moment_is_not_compared_with_a_day(shop: Client) -> None:
    [error] = await shop.query("SELECT Id FROM Account WHERE CreatedDate > 2020-01-01")
    assert error["errorCode"] == "INVALID_FIELD"
    assert "'CreatedDate' must be of type dateTime" in error["message"]
    assert len(await rows(shop, "SELECT Id FROM Account WHERE DAY_ONLY(CreatedDate) > 2020-01-01")) == 3


async def test_words_without_effect_are_read(shop: Client) -> None:
    text = (
        "SELECT Id FROM Account USING SCOPE Mine WHERE Name = 'East' WITH SECURITY_ENFORCED LIMIT 1 FOR VIEW"
    )
    assert len(await rows(shop, text)) == 1


NONSENSE: list[str] = [
    "SELECT Name, COUNT(Id) FROM Account",
    "SELECT SUM(Name) FROM Account",
    "SELECT Id FROM Account WHERE SUM(AnnualRevenue) > 1",
    "SELECT Id FROM Account WHERE Name LIKE 5",
    "SELECT Id FROM Account LIMIT x",
    "SELECT Id FROM Account LIMIT -1",
    "SELECT Id FROM Account ORDER BY",
    "SELECT Id, FROM Account",
    "SELECT Id FROM Account WHERE Name = 'open",
    "SELECT Id FROM Account WHERE " + "(" * 200 + "Name = 'a'" + ")" * 200,
    "SELECT Id FROM Account WHERE " + "NOT " * 200 + "Name = 'a'",
    "SELECT NOSUCH(Name) FROM Account",
    "SELECT FIELDS(SOME) FROM Account",
    "SELECT Id FROM Account WHERE Industry INCLUDES ('a')",
    "SELECT Id FROM Account WHERE Id IN (SELECT Id, Name FROM Account)",
    "SELECT a.b.c.d.e.f.g.h FROM Account",
    "",
]


async def test_nonsense_is_refused_with_a_code(client: Client) -> None:
    for text in NONSENSE:
        answer = await client.query(text)
        assert isinstance(answer, list), answer
        assert answer[0]["errorCode"] in (
            "MALFORMED_QUERY",
            "INVALID_FIELD",
            "INVALID_QUERY_FILTER_OPERATOR",
            "QUERY_TOO_LONG",
        )


async def test_keys_are_compared_by_case_and_page_by_page(empty: Client) -> None:
    ids = [await empty.create(Name=str(n)) for n in range(12)]
    seen: list[str] = []
    after = ""
    while True:
        where = f"WHERE Id > '{after}' " if after else ""
        page = await rows(empty, f"SELECT Id FROM Account {where}ORDER BY Id LIMIT 5")
        if not page:
            break
        seen += [each["Id"] for each in page]
        after = seen[-1]
    assert seen == ids == sorted(ids)
    assert await rows(empty, f"SELECT Id FROM Account WHERE Id = '{ids[3][:15]}'") == [{"Id": ids[3]}]
