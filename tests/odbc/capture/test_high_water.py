"""Capture by a column that grows: late commits, equal values, and what it does not see."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.odbc.tables import TableSettings
from agent.core.change import ChangeKind, Operation
from agent.errors import Refused
from tests.odbc.capture.sites import Reading, fill, only
from tests.odbc.site import Site

_NUMBER: dict[str, Any] = {"capture": "high-water", "column": "big"}
_TIME: dict[str, Any] = {"capture": "high-water", "column": "changed_at"}


async def _begun(site: Site, table: str, **settings: Any) -> Reading:
    reading = await Reading(site, only(table, **settings)).open()
    await reading.begun(table)
    return reading


async def test_inserts_and_updates_are_read_by_the_servers_time(site: Site) -> None:
    reading = await _begun(site, "customer", **_TIME)
    key = site.business.create_customer("Adler")
    (created,) = await reading.until(1)
    assert (created.kind, created.keys, created.fields["name"]) == (ChangeKind.READ, (str(key),), "Adler")
    site.business.change_phone(key, "+49 1")
    (changed,) = await reading.until(1)
    assert changed.fields["phone"] == "+49 1" and changed.source_id != created.source_id
    assert await reading.quiet() == []


async def test_a_restart_goes_on_where_it_was(site: Site) -> None:
    reading = await _begun(site, "customer", **_TIME)
    site.business.create_customer("Adler")
    await reading.until(1)
    await reading.system.source.close()
    site.business.create_customer("Birke")
    await reading.restart()
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Birke"
    assert await reading.quiet() == []


async def test_a_transaction_that_commits_late_below_the_highest_value_is_not_lost(server_site: Site) -> None:
    reading = await _begun(server_site, "sample", **_NUMBER)
    slow = server_site.user(autocommit=False)
    slow.execute("INSERT INTO sample (code, big) VALUES ('slow', 1)")
    server_site.user().execute("INSERT INTO sample (code, big) VALUES ('fast', 2)")
    (fast,) = await reading.until(1)
    slow.commit()
    (late,) = await reading.until(1)
    assert (fast.keys, late.keys) == (("fast",), ("slow",))


async def test_rows_of_equal_value_are_not_lost_at_the_edge_of_a_page_or_of_a_life(site: Site) -> None:
    reading = Reading(site, only("sample", **_NUMBER), capture_batch=7)
    await reading.open()
    await reading.begun("sample")
    keys = fill(site, 30)
    site.user().execute("UPDATE sample SET big = 5")
    for _ in range(2):
        await reading.batch()
        await reading.restart()
    while reading.known["sample"].keys() != set(keys):
        await reading.until(1)
    assert await reading.quiet() == []


async def test_more_rows_than_a_page_holds_are_all_read(site: Site) -> None:
    reading = await _begun(site, "sample", **_NUMBER, overlap_rows=50)
    keys = fill(site, 1200)
    site.user().execute("UPDATE sample SET big = 5")
    while len(reading.known["sample"]) < 1200:
        await reading.until(1)
    assert reading.known["sample"].keys() == set(keys)
    assert all(len(position) < 4000 for position in reading.positions.values())


async def test_holes_in_the_numbers_are_not_waited_for(site: Site) -> None:
    reading = await _begun(site, "sample", **_NUMBER)
    users = site.user()
    for number in (10, 1_000_000, 2_000_000_000_000):
        users.execute("INSERT INTO sample (code, big) VALUES (?, ?)", f"n{number}"[:8], number)
        assert len(await reading.until(1)) == 1


async def test_a_row_that_becomes_what_it_was_is_told_both_times(site: Site) -> None:
    fill(site, 1)
    site.user().execute("UPDATE sample SET big = 1")
    reading = await _begun(site, "sample", **_NUMBER)
    await reading.quiet()
    users = site.user()
    ids = set()
    for number, note in enumerate(("b", "a", "b", "a"), start=2):
        users.execute("UPDATE sample SET note = ?, big = ?", note, number)
        (change,) = await reading.until(1)
        assert change.fields["note"] == note
        ids.add(change.source_id)
    assert len(ids) == 4


@pytest.mark.parametrize("beside", [False, True])
async def test_deletes_are_a_stated_limit_unless_keys_are_compared(site: Site, beside: bool) -> None:
    fill(site, 20)
    site.user().execute("UPDATE sample SET big = 1")
    settings = {
        **_NUMBER,
        "overlap_rows": 5,
        **({"deletes_every_s": 0.01, "segment_rows": 10} if beside else {}),
    }
    reading = await _begun(site, "sample", **settings)
    if beside:
        await reading.begun("sample")
    await reading.quiet()
    site.user().execute("DELETE FROM sample WHERE code = 'K000007'")
    told = [change for change in await reading.quiet(1.0) if change.operation is Operation.DELETE]
    assert [change.keys for change in told] == ([("K000007",)] if beside else [])
    checks = {check.name: check.detail for check in await reading.system.probe.check()}
    assert ("deletes of older rows are not seen" in checks["capture of sample"]) is not beside


async def test_a_writer_that_leaves_the_column_as_it_is_is_a_stated_limit(site: Site) -> None:
    fill(site, 5)
    users = site.user()
    for number in range(5):
        users.execute("UPDATE sample SET big = ? WHERE code = ?", number, f"K{number:06d}")
    reading = await _begun(site, "sample", **_NUMBER, overlap_rows=2)
    await reading.quiet()
    users.execute("UPDATE sample SET note = 'below the window' WHERE code = 'K000000'")
    users.execute("UPDATE sample SET big = NULL, note = 'nowhere' WHERE code = 'K000001'")
    assert await reading.quiet() == []


@pytest.mark.parametrize("how", ["empty", "anew"])
async def test_a_table_that_was_emptied_or_counts_anew_is_told_to_be_unknown(site: Site, how: str) -> None:
    fill(site, 3)
    site.user().execute("UPDATE sample SET big = 500")
    reading = await _begun(site, "sample", **_NUMBER)
    await reading.quiet()
    users = site.user()
    assert await reading.quiet() == []
    if how == "empty":
        users.execute("DELETE FROM sample")
    else:
        users.execute("UPDATE sample SET big = 1")
        users.execute("UPDATE sample SET big = NULL WHERE big = 1")
    (change,) = await reading.until(1)
    assert change.kind is ChangeKind.OVERFLOW and "emptied, or counted anew" in change.reason
    users.execute("INSERT INTO sample (code, big) VALUES ('first', 1)")
    (change,) = await reading.until(1)
    assert change.keys == ("first",)


async def test_a_position_that_cannot_be_read_makes_exactly_its_table_unknown(site: Site) -> None:
    reading = await _begun(site, "sample", **_NUMBER)
    reading.positions = dict.fromkeys(reading.positions, b"from a later version")
    await reading.restart()
    (change,) = await reading.until(1)
    assert (change.kind, change.object) == (ChangeKind.OVERFLOW, "sample")


async def test_a_column_that_is_not_there_is_told_with_the_nearest(site: Site) -> None:
    reading = await Reading(site, only("customer", capture="high-water", column="change_at")).open()
    with pytest.raises(Refused, match="no column 'change_at'") as refused:
        await reading.until(1)
    assert "did you mean 'changed_at'?" in refused.value.remedy


def test_a_high_water_needs_its_column() -> None:
    with pytest.raises(ValueError, match="needs column"):
        TableSettings.model_validate({"capture": "high-water"})


async def test_only_reading_allowed_and_a_column_that_grows_recommend_it(postgresql_site: Site) -> None:
    site = postgresql_site
    owner = site.user()
    user = f"reader_{site.one('SELECT current_database()')}"
    owner.execute("DROP TRIGGER isthmus_journal_customer ON customer")
    owner.execute(f"CREATE ROLE {user} LOGIN")
    owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    site.adapter_connection = site.connection.replace("Uid=erp", f"Uid={user}")
    checks = {check.name: check.detail for check in await Reading(site, {}).system.probe.check()}
    assert "recommended: high-water (only reading is allowed, 'changed_at'" in checks["capture of customer"]


async def test_all_rows_of_a_small_table_may_rise_at_once(site: Site) -> None:
    fill(site, 5)
    users = site.user()
    users.execute("UPDATE sample SET big = 1")
    reading = await _begun(site, "sample", **_NUMBER)
    await reading.quiet()
    users.execute("UPDATE sample SET big = 2, note = 'all of them'")
    told = await reading.until(5)
    assert {(change.kind, change.fields["note"]) for change in told} == {(ChangeKind.READ, "all of them")}
    assert await reading.quiet(1.0) == []


async def test_a_row_that_was_told_and_deleted_before_its_key_was_compared_is_told_as_deleted(
    site: Site,
) -> None:
    reading = await _begun(site, "sample", **_NUMBER)
    users = site.user()
    users.execute("INSERT INTO sample (code, big) VALUES ('stays', 1), ('short', 2)")
    await reading.until(2)
    users.execute("DELETE FROM sample WHERE code = 'short'")
    (change,) = await reading.until(1)
    assert (change.keys, change.operation) == (("short",), Operation.DELETE)
