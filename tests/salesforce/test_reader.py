"""Reads: rows as values, deleted and missing records, and the server's clock around them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.salesforce.table import long_id
from agent.errors import Refused, Unreachable
from agent.ports import Reader, System
from tests.salesforce.conftest import Org
from tests.salesforce.peers import Answer, Asked
from tests.salesforce.samples import ACCOUNT, ID

GONE = "001000000000002AAA"
DATE = "Mon, 23 Nov 2026 01:45:40 GMT"


def record(key: str = ID, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {field.name: None for field in ACCOUNT.fields}
    plain |= {
        "attributes": {"type": "Account"},
        "Id": key,
        "Isthmus_Id__c": None,
        "IsDeleted": False,
        "LastModifiedDate": "2026-11-23T01:45:32.000+0000",
    }
    return plain | changes


def answering(*records: dict[str, Any], done: bool = True) -> Answer:
    return 200, {"totalSize": len(records), "done": done, "records": list(records)}, {"Date": DATE}


def reading(system: System) -> Reader:
    """The system's reader, which it has."""
    assert system.reader is not None
    return system.reader


def soql_of(asked: Asked) -> str:
    return parse_qs(urlsplit(asked.path).query)["q"][0]


async def test_rows_have_exact_values_and_come_in_the_order_asked(org: Org) -> None:
    full = record(
        Name="Nordlicht",
        Credit_Limit__c=50000.1,
        Order_Block__c=True,
        Due_Date__c="2026-12-01",
        Paid_At__c="2026-11-23T01:45:32.000+0000",
        LastModifiedDate="2026-11-23T02:45:32.000+0100",
    )
    org.http.answer = lambda asked: answering(full)
    result = await reading(org.connect()).read("Account", [GONE, ID])
    missing, found = result.rows
    assert (missing.key, missing.fields, missing.version) == (GONE, None, None)
    assert found.key == ID
    assert found.version == "2026-11-23T01:45:32.000Z"
    assert found.fields is not None
    assert found.fields["Credit_Limit__c"] == Decimal("50000.1")
    assert isinstance(found.fields["Credit_Limit__c"], Decimal)
    assert found.fields["Due_Date__c"] == date(2026, 12, 1)
    assert found.fields["Paid_At__c"] == datetime(2026, 11, 23, 1, 45, 32, tzinfo=UTC)
    assert (found.fields["Order_Block__c"], found.fields["Phone"]) == (True, None)


async def test_decimal_field_with_a_whole_number_is_a_decimal(org: Org) -> None:
    org.http.answer = lambda asked: answering(record(Credit_Limit__c=50000))
    result = await reading(org.connect()).read("Account", [ID])
    fields = result.rows[0].fields
    assert fields is not None
    assert isinstance(fields["Credit_Limit__c"], Decimal)


async def test_deleted_record_has_no_fields(org: Org) -> None:
    org.http.answer = lambda asked: answering(record(IsDeleted=True, Name="x"))
    result = await reading(org.connect()).read("Account", [ID])
    assert result.rows[0].fields is None
    assert urlsplit(org.http.asked[0].path).path.endswith("/queryAll")


async def test_window_holds_every_commit_before_and_none_behind(org: Org) -> None:
    org.http.answer = lambda asked: answering(record())
    result = await reading(org.connect(slack_s=0)).read("Account", [ID])
    answered = datetime(2026, 11, 23, 1, 45, 40, tzinfo=UTC)
    assert result.not_before is not None
    assert result.not_after == answered + timedelta(seconds=1)
    assert result.not_before < answered - timedelta(seconds=1)


async def test_slack_widens_the_window(org: Org) -> None:
    org.http.answer = lambda asked: answering(record())
    result = await reading(org.connect(slack_s=3)).read("Account", [ID])
    assert result.not_after == datetime(2026, 11, 23, 1, 45, 44, tzinfo=UTC)


async def test_many_keys_are_read_in_batches_and_doubles_once(org: Org) -> None:
    org.http.answer = lambda asked: answering()
    keys = [f"001000000000{number:03d}AAA" for number in range(401)]
    result = await reading(org.connect()).read("Account", keys + keys[:3])
    assert len(result.rows) == 404
    assert [soql_of(asked).count("'001") for asked in org.http.asked] == [200, 200, 1]
    assert max(len(asked.path) for asked in org.http.asked) < 16_000


async def test_keys_that_are_no_ids_are_never_part_of_a_query(org: Org) -> None:
    org.http.answer = lambda asked: answering()
    result = await reading(org.connect()).read("Account", ["') OR Name != ('"])
    assert (result.rows[0].fields, org.http.asked) == (None, [])


async def test_short_ids_find_their_record(org: Org) -> None:
    assert long_id("001000000000001") == ID
    assert long_id("0013000000AbCdE") == "0013000000AbCdEAAV"
    org.http.answer = lambda asked: answering(record())
    result = await reading(org.connect()).read("Account", ["001000000000001"])
    assert result.rows[0].key == "001000000000001"
    assert result.rows[0].fields is not None


async def test_pages_go_on_behind_the_last_id_without_a_cursor(org: Org) -> None:
    pages = [answering(record("001000000000001AAA"), record("001000000000002AAA"), done=False), answering()]
    count: Answer = (200, {"totalSize": 2, "done": True, "records": []}, {})
    org.http.answer = lambda asked: count if "COUNT()" in soql_of(asked) else pages.pop(0)
    reader = reading(org.connect())
    got = [page async for page in reader.page("Account")]
    assert [row.key for page in got for row in page.rows] == ["001000000000001AAA", "001000000000002AAA"]
    assert [page.total for page in got] == [2]
    first, second = (soql_of(asked) for asked in org.http.asked[1:])
    assert "WHERE" not in first
    assert "WHERE Id > '001000000000002AAA' ORDER BY Id" in second


async def test_an_answer_that_stops_early_does_not_make_records_missing(org: Org) -> None:
    """Salesforce may answer with fewer records than were found (wide ones); the others do exist."""
    keys = [f"001000000000{number:03d}AAA" for number in range(5)]

    def answer(asked: Asked) -> Answer:
        there = [key for key in keys if f"'{key}'" in soql_of(asked)]
        return answering(*(record(key) for key in there[:2]), done=len(there) <= 2)

    org.http.answer = answer
    result = await reading(org.connect()).read("Account", [*keys, GONE.replace("2AAA", "9AAA")])
    assert [row.fields is not None for row in result.rows] == [True] * 5 + [False]
    assert len(org.http.asked) == 3
    assert not [asked for asked in org.http.asked if "query/" in asked.path]


async def test_an_unfinished_answer_without_records_is_no_answer(org: Org) -> None:
    org.http.answer = lambda asked: answering(done=False)
    with pytest.raises(Unreachable, match="unfinished"):
        await reading(org.connect()).read("Account", [ID])


async def test_no_cursor_is_followed_so_an_expired_one_does_not_matter(org: Org) -> None:
    """INVALID_QUERY_LOCATOR comes for cursors only; pages and searches go on behind the last id."""
    keys = [f"001000000000{number:03d}AAA" for number in range(5)]

    def answer(asked: Asked) -> Answer:
        if "nextRecords" in asked.path or "/query/" in asked.path:
            return 400, [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator"}], {}
        if "COUNT()" in soql_of(asked):
            return 200, {"totalSize": 5, "done": True, "records": []}, {}
        after = soql_of(asked).partition("Id > '")[2][:18]
        there = [key for key in keys if key > after]
        body = answering(*(record(key) for key in there[:2]), done=len(there) <= 2)
        assert body is not None
        return 200, {**body[1], "nextRecordsUrl": "/services/data/v62.0/query/01g-2000"}, body[2]

    org.http.answer = answer
    system = org.connect()
    pages = [page async for page in reading(system).page("Account")]
    assert [row.key for page in pages for row in page.rows] == keys
    assert [row.key for row in await system.target.find("Account", {"Name": "x"})] == keys


async def test_find_writes_values_as_literals(org: Org) -> None:
    org.http.answer = lambda asked: answering(record())
    target = org.connect().target
    rows = await target.find(
        "Account", {"Name": "O'Neil \\ \n", "Credit_Limit__c": Decimal("1.50"), "Phone": None}
    )
    assert rows[0].key == ID
    text = soql_of(org.http.asked[0])
    assert "Name = 'O\\'Neil \\\\ \\n' AND Credit_Limit__c = 1.50 AND Phone = null" in text


@pytest.mark.parametrize("fields", [{}, {"Name = 'x' OR Id": "y"}, {"Name": 1.5}])
async def test_find_refuses_what_is_no_question(org: Org, fields: dict[str, object]) -> None:
    with pytest.raises(Refused):
        await org.connect().target.find("Account", fields)
    assert not org.http.asked


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, Unreachable),
        ((503, None, {}), Unreachable),
        ((200, {}, {}), Unreachable),
        ((400, [{"errorCode": "INVALID_FIELD", "message": "No such column"}], {}), Refused),
        ((403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests"}], {}), Unreachable),
        ((401, [{"errorCode": "INVALID_SESSION_ID", "message": "expired"}], {}), Refused),
        ((400, [{"errorCode": "QUERY_TIMEOUT", "message": "too long"}], {}), Unreachable),
        ((500, [{"errorCode": "UNKNOWN_EXCEPTION", "message": "id 17"}], {}), Unreachable),
        ((503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}], {"Retry-After": "7"}), Unreachable),
        ((403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests"}], {}), Unreachable),
        ((200, None, {}), Unreachable),
        (answering(record(Due_Date__c="soon")), Refused),
    ],
)
async def test_failures(org: Org, answer: Answer, error: type[Exception]) -> None:
    org.http.answer = lambda asked: answer
    reader = reading(org.connect())
    with pytest.raises(error):
        await reader.read("Account", [ID])
    with pytest.raises(error):
        _ = [page async for page in reader.page("Account", ID)]
