"""Whole objects, by pages and by both bulk APIs, against the stand-in org: nothing is ever missed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.salesforce.auth import Login
from adapters.salesforce.bulk import Bulk
from adapters.salesforce.bulk2 import Jobs
from adapters.salesforce.bulk2_pages import Bulk2Pages
from adapters.salesforce.bulk_pages import can_be_cut
from adapters.salesforce.governor import Governor
from adapters.salesforce.http import HttpLink
from adapters.salesforce.place import Way, begin
from adapters.salesforce.proxy import Ways
from adapters.salesforce.rest import Call, Rest
from adapters.salesforce.result import PAGE, Result
from adapters.salesforce.table import Table
from agent.core.change import ReadResult
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.errors import PositionLost, Refused, Unreachable
from tests.salesforce.orgprocess import ACCOUNT, PRODUCT, Org, keys_of, process, taken
from tests.salesforce.relay import relayed

MANY = 4_000
CHUNK = 2_100
WAYS = ("rest", "bulk", "bulk2")
JOBS = ("bulk", "bulk2")
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


@pytest.fixture(scope="module")
def info() -> Iterator[dict[str, Any]]:
    with process("--accounts", str(MANY)) as told:
        yield told


@pytest.fixture
async def org(info: dict[str, Any]) -> AsyncIterator[Org]:
    org = Org(info)
    yield org
    await org.close()


@pytest.fixture
async def small() -> AsyncIterator[Org]:
    """An org of the test's own, so that its clock can be moved."""
    with process("--accounts", "30") as told:
        org = Org(told)
        yield org
        await org.close()


def pages(org: Org, way: str, resume: str = "", **changes: Any) -> AsyncIterator[ReadResult]:
    """Pages of the accounts, with a system of their own."""
    settings = {"snapshot": way, "snapshot_chunk": CHUNK} | changes
    return org.reader(**settings).page("Account", resume)


async def first(all_pages: AsyncIterator[ReadResult], number: int = 1) -> list[ReadResult]:
    """The first pages; then whoever reads is gone, as by a kill."""
    found = []
    async for page in all_pages:
        found.append(page)
        if len(found) == number:
            break
    assert hasattr(all_pages, "aclose")
    await all_pages.aclose()
    return found


async def keep(all_pages: AsyncIterator[ReadResult], found: list[ReadResult]) -> None:
    """Keep what comes until it breaks."""
    async for page in all_pages:
        found.append(page)


async def live(org: Org) -> set[str]:
    """The keys of all accounts, by pages of REST."""
    return set(keys_of(await taken(pages(org, "rest"))))


@contextlib.asynccontextmanager
async def rest_of(org: Org) -> AsyncIterator[tuple[Rest, Bulk]]:
    """The clients below the reader."""
    settings = org.settings()
    link = HttpLink(settings, Ways(settings, org.secret))
    login, governor = Login("crm", settings, link, org.secret), Governor("crm")
    async with Bulk("crm", settings, login, governor, link.ways) as bulk:
        yield Rest("crm", settings, link, login, governor), bulk
    await link.release("")


def job_of(page: ReadResult) -> str:
    return str(json.loads(page.resume)["job"])


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


@pytest.mark.parametrize("way", JOBS)
async def test_a_kill_right_behind_the_making_of_a_job_does_not_orphan_it(org: Org, way: str) -> None:
    await org.arm("job-late", scope="Account", delay=0.5)
    [made] = await first(pages(org, way))
    assert (made.rows, made.total) == ((), len(await live(org)))
    rest = await taken(pages(org, way, made.resume))
    assert {job_of(page) for page in rest} == {job_of(made)}
    assert set(keys_of(rest)) == await live(org)


@pytest.mark.parametrize("way", JOBS)
async def test_a_process_that_is_killed_goes_on_where_it_stopped(org: Org, way: str) -> None:
    """What was read of a line is taken as durable; whatever the process did behind it is forgotten."""
    made = await one_life(org, way, "", 1)
    page = await one_life(org, way, made[-1][0], 1)
    rest = await one_life(org, way, page[-1][0], None)
    keys = [key for _, more in (*made, *page, *rest) for key in more]
    assert len(keys) == len(set(keys))
    assert set(keys) == await live(org)
    assert len(page[0][1]) == PAGE


async def one_life(org: Org, way: str, resume: str, lines: int | None) -> list[tuple[str, list[str]]]:
    """So many pages of a process, which is killed then; all of them for None."""
    told = {"info": org.info, "way": way, "chunk": MANY * 2, "resume": resume}
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.salesforce.snapping", json.dumps(told)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        limit=1 << 24,
    )
    assert running.stdout is not None
    if lines is None:
        found = (await running.stdout.read()).splitlines()
    else:
        found = [await running.stdout.readline() for _ in range(lines)]
        running.kill()
    await running.communicate()
    return [tuple(json.loads(line)) for line in found if line]


async def test_a_kill_between_the_job_and_its_query_asks_the_query_then(org: Org) -> None:
    table = Table(ACCOUNT)
    async with rest_of(org) as (_, bulk):
        job = await bulk.make_query("Account", CHUNK)
    place = begin(table, Way.BULK, "62.0", None).behind(job=job)
    found = await taken(pages(org, "bulk", place.text()))
    assert set(keys_of(found)) == await live(org)
    assert {job_of(page) for page in found} == {job}


async def test_the_batch_that_was_asked_becomes_not_processed_and_its_parts_are_read(org: Org) -> None:
    found = await taken(pages(org, "bulk"))
    async with rest_of(org) as (_, bulk):
        batches = await bulk.batches(job_of(found[0]))
        states = sorted(batch.state for batch in batches)
        assert states == ["Completed"] * (len(states) - 1) + ["NotProcessed"]
        assert len(states) == 1 + -(-len(await live(org)) // CHUNK)
        assert (await bulk.job(job_of(found[0]))).state == "Closed"


async def test_parts_that_the_server_makes_one_by_one_are_all_waited_for(org: Org) -> None:
    await org.arm("job-late", scope="Account", delay=1)
    all_pages = pages(org, "bulk")
    made = await anext(all_pages)
    seen: set[int] = set()
    reading = asyncio.ensure_future(taken(all_pages))
    async with rest_of(org) as (_, bulk):
        while not reading.done():
            seen.add(len(await bulk.batches(job_of(made))))
    assert seen >= {1, 2}
    assert set(keys_of(await reading)) == await live(org)


async def test_a_part_that_failed_is_asked_again(org: Org) -> None:
    await org.arm("job-failed", scope="Account", after=1)
    found = await taken(pages(org, "bulk"))
    keys = keys_of(found)
    assert len(keys) == len(set(keys))
    assert set(keys) == await live(org)
    assert [len(page.rows) for page in found].count(0) == 2
    for page in found:
        rest = await taken(pages(org, "bulk", page.resume))
        assert set(keys) == set(keys_of(found[: found.index(page) + 1])) | set(keys_of(rest))


async def test_a_part_that_fails_twice_raises_and_then_everything_begins_anew(org: Org) -> None:
    await org.arm("job-failed", scope="Account", count=9)
    found: list[ReadResult] = []
    with pytest.raises(Refused, match="failed twice: InternalServerError"):
        await keep(pages(org, "bulk"), found)
    with pytest.raises(PositionLost):
        await taken(pages(org, "bulk", found[-1].resume))


async def test_a_job_of_bulk_2_that_failed_raises_and_then_everything_begins_anew(org: Org) -> None:
    await org.arm("job-failed", scope="Account")
    found: list[ReadResult] = []
    with pytest.raises(Refused, match="is Failed: InternalServerError"):
        await keep(pages(org, "bulk2"), found)
    with pytest.raises(PositionLost):
        await taken(pages(org, "bulk2", found[-1].resume))


@pytest.mark.parametrize("way", JOBS)
async def test_a_job_that_was_aborted_begins_anew(small: Org, way: str) -> None:
    await small.arm("job-late", scope="Account", delay=600)
    [made] = await first(pages(small, way))
    async with rest_of(small) as (rest, bulk):
        if way == "bulk":
            await bulk.abort_job(job_of(made))
        else:
            await Jobs(rest, "query").change(job_of(made), "Aborted")
    with pytest.raises(PositionLost, match="Aborted"):
        await taken(pages(small, way, made.resume))


@pytest.mark.parametrize("way", JOBS)
async def test_a_job_that_the_server_forgot_after_seven_days_begins_anew(small: Org, way: str) -> None:
    [made, page] = await first(pages(small, way), 2)
    await small.control("POST", "clock", advance=8 * 86_400)
    for place in (made.resume, page.resume):
        with pytest.raises(PositionLost):
            await taken(pages(small, way, place))


@pytest.mark.parametrize("way", JOBS)
async def test_a_job_that_is_lost_while_it_is_read_from_its_beginning_is_tried_again(
    small: Org, way: str
) -> None:
    """There is nothing to begin anew: whoever asked tries again later, as after any broken connection."""
    all_pages = pages(small, way)
    await anext(all_pages)
    await small.control("POST", "clock", advance=8 * 86_400)
    with pytest.raises(Unreachable):
        await taken(all_pages)


async def test_a_result_is_fetched_with_the_version_of_its_job_only(org: Org) -> None:
    [made] = await first(pages(org, "bulk2"))
    with pytest.raises(PositionLost, match="API version"):
        await taken(pages(org, "bulk2", made.resume, api_version="61.0"))


@pytest.mark.parametrize("way", JOBS)
async def test_a_job_of_another_mapping_begins_anew(org: Org, way: str) -> None:
    [made] = await first(pages(org, way))
    other = ObjectSpec("Account", "Id", (FieldSpec("Name"),))
    with pytest.raises(PositionLost, match="mapped"):
        await taken(org.reader(other, snapshot=way).page("Account", made.resume))


@pytest.mark.parametrize(
    "text", ["x", "{}", '{"way": "by foot", "select": "", "version": ""}', '{"way": 1}', "[]"]
)
async def test_a_place_that_says_nothing_begins_anew(org: Org, text: str) -> None:
    with pytest.raises(PositionLost):
        await taken(pages(org, "rest", text))


async def test_an_id_alone_is_a_place_too(org: Org) -> None:
    found = await taken(pages(org, "rest"))
    last = found[0].rows[-1].key
    assert keys_of(await taken(pages(org, "rest", last))) == keys_of(found[1:])


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


@pytest.mark.parametrize("way", JOBS)
async def test_a_result_that_breaks_off_is_gone_on_with(org: Org, way: str) -> None:
    async with relayed(org.info["http"]) as relay:
        here: dict[str, Any] = {"insecure_http": True, "snapshot_chunk": MANY * 2, "login_url": relay.url}
        [made] = found = await first(pages(org, way, **here))
        async with rest_of(org) as (rest, bulk):
            await ended(way, rest, bulk, job_of(made))
        relay.cut_after = 650_000
        with pytest.raises(Unreachable):
            await keep(pages(org, way, made.resume, **here), found)
        assert keys_of(found)
        found += await taken(pages(org, way, found[-1].resume, **here))
    keys = keys_of(found)
    assert len(keys) == len(set(keys))
    assert set(keys) == await live(org)


@pytest.mark.parametrize("way", WAYS)
async def test_a_line_that_breaks_again_and_again_costs_no_record(org: Org, way: str) -> None:
    chance, found = random.Random(f"lines {way}"), list[ReadResult]()
    async with relayed(org.info["http"]) as relay:
        here: dict[str, Any] = {"insecure_http": True, "login_url": relay.url}
        for _ in range(60):
            relay.cut_after = chance.randrange(20_000, 1_200_000)
            try:
                await keep(pages(org, way, found[-1].resume if found else "", **here), found)
                break
            except Unreachable:
                continue
    keys = keys_of(found)
    assert len(keys) == len(set(keys))
    assert set(keys) == await live(org)


async def ended(way: str, rest: Rest, bulk: Bulk, job: str) -> None:
    """Wait until a job is done."""
    if way == "bulk2":
        await Jobs(rest, "query").settled(job)
        return
    table = Table(ACCOUNT)
    if not await bulk.batches(job):
        await bulk.query(job, table.query())
    for batch in await bulk.batches(job):
        await bulk.wait(job, batch.id, 20)


@pytest.mark.parametrize("way", WAYS)
async def test_a_session_that_ends_in_the_middle_is_renewed(org: Org, way: str) -> None:
    keys: list[str] = []
    async for page in pages(org, way):
        await org.arm("revoke")
        keys += [row.key for row in page.rows]
    assert set(keys) == await live(org)


async def test_a_snapshot_that_is_left_closes_its_thread(org: Org) -> None:
    def threads() -> list[str]:
        return [one.name for one in threading.enumerate() if one.name.startswith("salesforce-bulk-crm")]

    await first(pages(org, "bulk"), 2)
    async with asyncio.timeout(20):
        while threads():  # noqa: ASYNC110 - nobody tells when a thread has ended
            await asyncio.sleep(0.01)


async def test_a_field_that_is_not_there_is_refused(org: Org) -> None:
    wrong = ObjectSpec("Account", "Id", (FieldSpec("Nothing__c"),))
    for way in WAYS:
        with pytest.raises(Refused, match="Nothing__c"):
            await taken(org.reader(wrong, snapshot=way).page("Account"))


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
