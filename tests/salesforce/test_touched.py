"""What was touched since a time: the vendor's lists, their limits, and what is younger than they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agent.errors import Refused, Unreachable
from tests.salesforce.conftest import Org as Peers
from tests.salesforce.orgprocess import Org, process
from tests.salesforce.peers import Answer, Asked

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEW, GONE = (f"00100000000000{number}AAA" for number in (1, 2, 3))


@pytest.fixture(scope="module")
def info() -> Iterator[dict[str, Any]]:
    with process("--accounts", "5") as told:
        yield told


@pytest.fixture
async def own(info: dict[str, Any]) -> AsyncIterator[Org]:
    own = Org(info)
    yield own
    await own.control("POST", "clock", resume=True)
    await own.close()


async def now_at(own: Org) -> datetime:
    """The org's clock."""
    return datetime.fromisoformat((await own.control("POST", "clock", advance=0))["now"])


async def test_what_was_written_deleted_and_brought_back_is_named_once(own: Org) -> None:
    made = await own.create("Account", *({"Name": f"T{number}"} for number in range(6)))
    await own.control("POST", "clock", advance=600)
    since = await now_at(own)
    fields = {"Name": "other"}
    await own.write({"op": "update", "object": "Account", "id": made[0], "fields": fields})
    await own.write(*({"op": "delete", "object": "Account", "id": one} for one in made[1:4]))
    [born] = await own.create("Account", {"Name": "born"})
    await own.control("POST", "clock", advance=600)
    await own.write({"op": "undelete", "object": "Account", "id": made[2]})
    await own.write({"op": "update", "object": "Account", "id": made[2], "fields": fields})
    await own.control("POST", "clock", advance=600)
    found = await own.reader().touched("Account", since)
    assert found is not None
    assert sorted(found.keys) == sorted([*made[:4], born])
    assert not {*made[4:]} & {*found.keys}


async def test_what_was_written_in_this_very_minute_is_known_and_the_time_says_so(own: Org) -> None:
    await own.control("POST", "clock", freeze="2027-01-10T10:00:40Z")
    since = datetime(2027, 1, 10, 9, 30, tzinfo=UTC)
    [young] = await own.create("Account", {"Name": "young"})
    [gone] = await own.create("Account", {"Name": "gone"})
    await own.write({"op": "delete", "object": "Account", "id": gone})
    found = await own.reader().touched("Account", since)
    assert found is not None
    assert set(found.keys) == {young, gone}
    assert (
        datetime(2027, 1, 10, 10, 0, tzinfo=UTC) < found.until < datetime(2027, 1, 10, 10, 0, 41, tzinfo=UTC)
    )


async def test_a_stretch_of_less_than_a_minute_can_be_asked(own: Org) -> None:
    since = await now_at(own)
    [young] = await own.create("Account", {"Name": "young"})
    found = await own.reader().touched("Account", since)
    assert found is not None
    assert young in found.keys


@pytest.mark.parametrize("code", ["EXCEEDED_ID_LIMIT", "INVALID_REPLICATION_DATE"])
async def test_lists_that_cannot_be_given_are_no_lists(own: Org, code: str) -> None:
    since = await now_at(own) - timedelta(hours=1)
    for after in (1, 2):
        await own.arm("refuse", scope="Account", after=after, detail=f"{code}: more than 600,000 ids")
        assert await own.reader().touched("Account", since) is None
    assert await own.reader().touched("Account", since) is not None


async def test_other_refusals_are_raised(own: Org) -> None:
    since = await now_at(own) - timedelta(hours=1)
    await own.arm("refuse", scope="Account", after=1, detail="INSUFFICIENT_ACCESS: no")
    with pytest.raises(Refused, match="INSUFFICIENT_ACCESS"):
        await own.reader().touched("Account", since)


async def test_deletes_are_listed_for_fifteen_days(own: Org) -> None:
    now = await now_at(own)
    assert await own.reader().touched("Account", now - 16 * DAY) is None
    assert await own.reader().touched("Account", now - 14 * DAY) is not None


class Lists:
    """An org that answers these lists, by a clock of its own."""

    def __init__(self, **changes: Any) -> None:
        covered = changes.get("covered", NOW.replace(second=0))
        self.updated: dict[str, Any] = {"ids": [OLD], "latestDateCovered": covered.isoformat()}
        self.deleted: dict[str, Any] = {
            "deletedRecords": [{"id": GONE, "deletedDate": NOW.isoformat()}],
            "earliestDateAvailable": changes.get("earliest", NOW - 30 * DAY).isoformat(),
            "latestDateCovered": NOW.replace(second=0).isoformat(),
        }
        self.about = {"objectDescribe": {"name": "Account", "replicateable": changes.get("listed", True)}}
        self.young = changes.get("young", [])
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        self.asked.append((parts.path, {name: one[0] for name, one in parse_qs(parts.query).items()}))
        bodies = {"updated": self.updated, "deleted": self.deleted, "Account": self.about}
        records = [{"Id": one} for one in self.young]
        young = {"totalSize": len(records), "done": True, "records": records}
        body = bodies.get(parts.path.rstrip("/").rpartition("/")[2], young)
        return 200, body, {"Date": format_datetime(NOW, usegmt=True)}

    def query(self) -> str:
        """The question for what is younger than the lists."""
        return self.asked[-1][1]["q"]


async def ask(org: Peers, lists: Lists, since: datetime = NOW - DAY) -> Any:
    org.http.answer = lists
    reader = org.connect(slack_s=2).reader
    assert reader is not None
    return await reader.touched("Account", since)


async def test_times_are_whole_minutes_by_the_server_s_clock_and_more_than_a_minute_apart(
    org: Peers,
) -> None:
    for since, start in ((NOW - DAY, "2026-11-22T12:00:00+00:00"), (NOW, "2026-11-23T11:58:00+00:00")):
        lists = Lists()
        await ask(org, lists, since)
        spans = [told for path, told in lists.asked if "start" in told]
        assert spans == [{"start": start, "end": "2026-11-23T12:00:00+00:00"}] * 2


async def test_behind_the_end_of_the_lists_the_stamps_of_the_records_tell(org: Peers) -> None:
    lists = Lists(covered=NOW - timedelta(hours=5), young=[NEW, OLD])
    found = await ask(org, lists)
    assert found.keys == (OLD, GONE, NEW)
    assert "/queryAll" in lists.asked[-1][0]
    assert "SystemModstamp >= 2026-11-23T07:00:28.000Z" in lists.query()
    assert NOW - timedelta(seconds=30) < found.until < NOW


async def test_lists_that_end_before_they_begin_are_asked_from_the_beginning(org: Peers) -> None:
    lists = Lists(covered=NOW - 3 * DAY)
    await ask(org, lists)
    assert "SystemModstamp >= 2026-11-22T11:59:58.000Z" in lists.query()


async def test_a_bin_that_was_emptied_since_then_hides_deletes(org: Peers) -> None:
    assert await ask(org, Lists(earliest=NOW - timedelta(hours=1))) is None
    assert await ask(org, Lists(earliest=NOW - 2 * DAY)) is not None


async def test_an_object_that_is_not_replicated_has_no_lists(org: Peers) -> None:
    assert await ask(org, Lists(listed=False)) is None


async def test_more_young_records_than_a_snapshot_would_cost_are_not_listed(org: Peers) -> None:
    lists = Lists(young=[f"001{number:012d}AAA" for number in range(2000)])
    assert await ask(org, lists) is None
    assert len(lists.asked) == 3 + 50


@pytest.mark.parametrize("wrong", [{}, {"ids": None}, {"ids": [OLD], "latestDateCovered": "soon"}])
async def test_answers_that_are_no_lists_are_no_answer(org: Peers, wrong: dict[str, Any]) -> None:
    lists = Lists()
    lists.updated = wrong
    with pytest.raises(Unreachable, match="does not list"):
        await ask(org, lists)
