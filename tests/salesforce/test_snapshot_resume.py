"""Snapshots that are killed, cut off, aborted, forgotten, refused: nothing is missed, little read twice."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
from typing import Any

import pytest

from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.jobs.bulk import Bulk
from adapters.salesforce.jobs.bulk2 import Jobs
from adapters.salesforce.read.place import Way, begin
from adapters.salesforce.read.result import PAGE
from adapters.salesforce.table import Table
from agent.core.change import ReadResult
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import PositionLost, Refused, Unreachable
from tests.salesforce.orgprocess import ACCOUNT, Org, keys_of, taken
from tests.salesforce.relay import relayed
from tests.salesforce.snapshots import (
    CHUNK,
    JOBS,
    MANY,
    WAYS,
    first,
    info,
    job_of,
    keep,
    live,
    org,
    pages,
    rest_of,
    small,
)

__all__ = ["info", "org", "small"]


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


async def test_parts_that_the_server_makes_one_by_one_are_all_waited_for(org: Org) -> None:
    await org.arm("job-late", scope="Account", delay=3)
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
