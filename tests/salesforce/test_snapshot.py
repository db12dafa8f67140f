"""Whole objects, by pages and by both bulk APIs, against the stand-in org: every record is met once."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.salesforce.connection.rest import Call
from adapters.salesforce.jobs.bulk2 import Jobs
from adapters.salesforce.read.bulk2_pages import Bulk2Pages
from adapters.salesforce.read.bulk_pages import can_be_cut
from adapters.salesforce.read.place import Way, begin
from adapters.salesforce.read.result import PAGE, Result
from adapters.salesforce.table import Table
from agent.core.change import ReadResult
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.errors import PositionLost, Unreachable
from tests.salesforce.orgprocess import ACCOUNT, PRODUCT, Org, keys_of, taken
from tests.salesforce.relay import relayed
from tests.salesforce.snapshots import (
    CHUNK,
    JOBS,
    MANY,
    WAYS,
    first,
    info,
    job_of,
    live,
    org,
    pages,
    rest_of,
    small,
)

__all__ = ["info", "org", "small"]
#: Every type that the stand-in org has, and text of every kind of nastiness.
KINDS = ObjectSpec(
    "Invoice__c",
    "Id",
    (
        *(FieldSpec(name) for name in ("Name", "Status__c", "Currency__c")),
        FieldSpec("Account__c", FieldType.REFERENCE),
        FieldSpec("Due_Date__c", FieldType.DATE),
        FieldSpec("Gross_Amount__c", FieldType.DECIMAL),
        FieldSpec("Paid_At__c", FieldType.DATETIME),
        FieldSpec("LastModifiedDate"),
        FieldSpec("Id"),
    ),
    "Isthmus_Id__c",
)
NASTY = (
    'say "hi"',
    "two\nlines\r\nand more",
    "#N/A",
    "Łódź 漢字 🙂",
    ",;\t|",
    "a\u2028and\u0085b",
    "=1+1",
    "'",
)


@pytest.mark.parametrize("way", WAYS)
async def test_every_record_is_met_once(org: Org, way: str) -> None:
    found = await taken(pages(org, way))
    keys = keys_of(found)
    assert len(keys) == len(set(keys)) == found[0].total
    assert set(keys) == await live(org)
    assert max(len(page.rows) for page in found) <= PAGE
    assert all(page.early is (way != "rest") for page in found)


async def test_all_ways_give_equal_rows_whatever_is_in_the_fields(small: Org) -> None:
    [account] = await small.create("Account", {"Name": "A"})
    amounts = ("0.1", "1234567890123456.78", "-5", "10000000")
    for number, text in enumerate(NASTY):
        fields = {
            "Name": text,
            "Account__c": account,
            "Gross_Amount__c": float(amounts[number % 4]),
            "Due_Date__c": "2026-02-28",
            "Paid_At__c": "2026-11-23T01:45:32.000+0000" if number % 2 else None,
        }
        await small.create("Invoice__c", fields)
    rows = []
    for way in WAYS:
        found = await taken(small.reader(KINDS, snapshot=way).page("Invoice__c"))
        rows.append(sorted((row for page in found for row in page.rows), key=lambda row: row.key))
    assert rows[0] == rows[1] == rows[2]
    by_rest, by_bulk = (
        [{name: type(value) for name, value in (row.fields or {}).items()} for row in each]
        for each in rows[:2]
    )
    assert by_rest == by_bulk
    fields_of = [row.fields or {} for row in rows[1]]
    assert {one["Name"] for one in fields_of} == set(NASTY)
    assert any(one["Gross_Amount__c"] == Decimal("0.1") for one in fields_of)
    assert {one["Paid_At__c"] is None for one in fields_of} == {True, False}


@pytest.mark.parametrize("way", WAYS)
async def test_behind_every_page_the_rest_follows_and_nothing_else(org: Org, way: str) -> None:
    found = await taken(pages(org, way))
    for number, page in enumerate(found):
        rest = await taken(pages(org, way, page.resume))
        assert keys_of(found[: number + 1]) + keys_of(rest) == keys_of(found)
        assert all(one.total == found[0].total for one in rest)


async def test_the_batch_that_was_asked_becomes_not_processed_and_its_parts_are_read(org: Org) -> None:
    found = await taken(pages(org, "bulk"))
    async with rest_of(org) as (_, bulk):
        batches = await bulk.batches(job_of(found[0]))
        states = sorted(batch.state for batch in batches)
        assert states == ["Completed"] * (len(states) - 1) + ["NotProcessed"]
        assert len(states) == 1 + -(-len(await live(org)) // CHUNK)
        assert (await bulk.job(job_of(found[0]))).state == "Closed"


async def way_of(org: Org, name: str, **changes: Any) -> str:
    """Which way ``auto`` takes."""
    [page] = await first(org.reader(snapshot="auto", **changes).page(name))
    return str(json.loads(page.resume)["way"])


async def test_few_records_are_read_by_pages_and_many_by_a_bulk_job(org: Org) -> None:
    await org.create("Product2", {"Name": "P"})
    assert await way_of(org, "Account") == "rest"
    assert await way_of(org, "Account", snapshot_bulk_from=MANY) == "bulk"
    assert await way_of(org, "Account", snapshot_bulk_from=MANY * 2) == "rest"
    assert await way_of(org, "Product2", snapshot_bulk_from=0) == "bulk2"
    await org.arm(
        "refuse", detail="QUERY_TIMEOUT: Your query request was running for too long.", scope="Account"
    )
    assert await way_of(org, "Account") == "bulk"


@pytest.mark.parametrize(
    "changes",
    [{"snapshot": "soap"}, {"snapshot_chunk": 0}, {"snapshot_chunk": 250_001}, {"snapshot_bulk_from": -1}],
)
def test_settings_that_the_server_would_refuse_are_refused_first(info: dict[str, Any], changes: Any) -> None:
    with pytest.raises(ValidationError):
        Org(info).settings(**changes)


def test_which_objects_the_server_cuts_up() -> None:
    names = ("Account", "Contact", "Invoice__c", "Product2", "Order", "OrderItem")
    assert [can_be_cut(name) for name in names] == [True, True, True, False, False, False]


async def test_an_object_that_cannot_be_cut_up_is_one_batch(org: Org) -> None:
    await org.create("Product2", {"Name": "P1"}, {"Name": "P2"})
    found = await taken(org.reader(snapshot="bulk").page("Product2"))
    assert set(keys_of(found)) == set(keys_of(await taken(org.reader(snapshot="rest").page("Product2"))))
    async with rest_of(org) as (_, bulk):
        assert [batch.state for batch in await bulk.batches(job_of(found[0]))] == ["Completed"]


@pytest.mark.parametrize("way", WAYS)
async def test_an_empty_object_has_no_rows(small: Org, way: str) -> None:
    found = await taken(small.reader(PRODUCT, KINDS, snapshot=way).page("Invoice__c"))
    assert keys_of(found) == []
    for page in found:
        assert keys_of(await taken(small.reader(KINDS, snapshot=way).page("Invoice__c", page.resume))) == []


@pytest.mark.parametrize("way", JOBS)
async def test_the_window_reaches_from_the_making_of_the_job_to_its_end(small: Org, way: str) -> None:
    await small.control("POST", "clock", freeze="2026-11-23T10:00:00Z")
    [made] = await first(pages(small, way))
    await small.control("POST", "clock", advance=600)
    rows = [page for page in await taken(pages(small, way, made.resume, slack_s=3)) if page.rows]
    async with rest_of(small) as (rest, bulk):
        if way == "bulk":
            begun = (await bulk.job(job_of(made))).created
        else:
            job = await Jobs(rest, "query").look(job_of(made))
            assert job is not None
            begun = job.created
    assert {page.not_before for page in rows} == {begun - timedelta(seconds=4)}
    for page in rows:
        assert page.not_after is not None
        assert begun + timedelta(seconds=4) <= page.not_after <= begun + timedelta(seconds=604)


@pytest.mark.parametrize("way", WAYS)
async def test_records_that_change_meanwhile_are_no_hindrance(org: Org, way: str) -> None:
    before = await live(org)
    changed, gone = sorted(before)[10], sorted(before)[-3]
    keys: list[str] = []
    async for page in pages(org, way):
        if page.rows and not keys:
            await org.create("Account", {"Name": "born meanwhile"})
            await org.write(
                {"op": "update", "object": "Account", "id": changed, "fields": {"Name": "other"}},
                {"op": "delete", "object": "Account", "id": gone},
            )
        keys += [row.key for row in page.rows]
    assert before - {gone} <= set(keys)
    assert len(keys) == len(set(keys))


async def test_a_reading_begins_anew_without_a_field_that_is_not_there(org: Org) -> None:
    wrong = ObjectSpec("Account", "Id", (FieldSpec("Name"), FieldSpec("Nothing__c")))
    for way in WAYS:
        reader = org.reader(wrong, snapshot=way)
        with pytest.raises(Unreachable, match="Nothing__c"):
            await taken(reader.page("Account"))
        pages = await taken(reader.page("Account"))
        assert {page.lacking for page in pages} == {frozenset({"Nothing__c"})}
        assert all("Nothing__c" not in (row.fields or {}) for page in pages for row in page.rows)


async def test_locators_lead_through_the_parts_and_can_be_used_again(org: Org) -> None:
    table = Table(ACCOUNT)
    async with rest_of(org) as (rest, _):
        found: list[list[ReadResult]] = []
        for resume in (None, 2, 3):
            place = begin(table, Way.BULK2, "62.0", None)
            if resume is not None:
                place = place.behind(**{**json.loads(found[0][resume].resume), "way": Way.BULK2})
            second = Bulk2Pages("crm", Jobs(rest, "query"), table, {}, timedelta(), part=1000)
            found.append(await taken(second.pages(place)))
        lost = begin(table, Way.BULK2, "62.0", None).behind(job=job_of(found[0][0]), locator="!!!")
        with pytest.raises(PositionLost, match="locator"):
            await taken(Bulk2Pages("crm", Jobs(rest, "query"), table, {}, timedelta()).pages(lost))
        reply = await rest.call(Call("GET", f"/jobs/query/{job_of(found[0][0])}"))
    assert reply.body["numberRecordsProcessed"] == found[0][1].total
    whole, rest_of_it = divmod(len(keys_of(found[0])), 1000)
    assert [len(page.rows) for page in found[0]] == [
        0,
        *[1000] * whole,
        *([rest_of_it] if rest_of_it else []),
    ]
    assert keys_of(found[0][3:]) == keys_of(found[1])
    assert keys_of(found[0][4:]) == keys_of(found[2])
    assert set(keys_of(found[0])) == await live(org)


async def test_fewer_records_than_the_server_says_are_noticed(org: Org) -> None:
    def edit(piece: bytes) -> bytes:
        return piece.replace(b"sforce-numberofrecords: ", b"sforce-numberofrecords: 9")

    async with relayed(org.info["http"], edit) as relay:
        with pytest.raises(Unreachable, match="of a bulk result arrived"):
            await taken(pages(org, "bulk2", login_url=relay.url, insecure_http=True))


async def peak(records: int) -> int:
    """Most bytes held while a result of so many records passes through."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'"Id","IsDeleted","LastModifiedDate","MasterRecordId","Name","Isthmus_Id__c"\n'
        line = f'"001000000000001AAA","false","2026-11-23T01:45:32.000Z","","{"n" * 80}",""\n'.encode()
        for _ in range(records // 500):
            yield line * 500

    table = Table(ObjectSpec("Account", "Id", (FieldSpec("Name"),), "Isthmus_Id__c"))
    tracemalloc.start()
    try:
        count = 0
        async for rows in Result("crm", table, {}).pages(pieces(), 0):
            count += len(rows)
        assert count == records
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_result_is_never_held_as_a_whole() -> None:
    """What is held is a page and a piece, whatever the size of the result."""
    little, much = await peak(5_000), await peak(40_000)
    assert much < little * 1.1
    assert much < 8_000_000
