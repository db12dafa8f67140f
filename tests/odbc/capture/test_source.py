"""Strategies take turns: a busy table, or one that is stuck, stops no other."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.change import ChangeKind
from agent.errors import Refused, Unreachable
from tests.odbc.capture.sites import OFF, QUICK, Reading, fill, only
from tests.odbc.site import PATIENCE_S, Site


async def test_a_busy_journal_and_a_long_comparison_take_turns(site: Site) -> None:
    fill(site, 300)
    for number in range(40):
        site.business.create_customer(f"C{number}")
    reading = await Reading(site, {"sample": QUICK}, capture_batch=1).open()
    streams = [(await reading.batch()).stream.partition(":")[0] for _ in range(20)]
    assert streams.count("journal") == streams.count("difference") == 10


async def test_a_table_that_cannot_be_looked_at_is_told_and_stops_no_other(site: Site) -> None:
    fill(site, 5)
    reading = await Reading(site, {"sample": QUICK}).open()
    await reading.begun("sample")
    users = site.user()
    users.execute("ALTER TABLE sample RENAME TO elsewhere")
    with pytest.raises(Unreachable, match=r"difference:sample: .*the other tables go on"):
        await reading.until(1)
    assert reading.system.gauges is not None and reading.system.gauges()["capture_stuck"] == 1.0
    await reading.open()
    for number in range(5):
        site.business.create_customer(f"C{number}")
        (change,) = await reading.until(1)
        assert change.fields["name"] == f"C{number}"
    users.execute("ALTER TABLE elsewhere RENAME TO sample")
    users.execute("UPDATE sample SET note = 'meanwhile' WHERE code = 'K000003'")
    async with asyncio.timeout(PATIENCE_S):
        while reading.told[-1].object != "sample":
            try:
                await reading.batch()
            except Unreachable:
                await reading.open()
    assert reading.told[-1].fields["note"] == "meanwhile"
    assert reading.system.gauges()["capture_stuck"] == 0.0


async def test_a_missing_journal_does_not_stop_a_table_that_needs_none(postgresql_site: Site) -> None:
    site = postgresql_site
    fill(site, 5)
    site.user().execute("DROP TABLE isthmus_journal, isthmus_journal_meta")
    reading = await Reading(site, {"sample": QUICK}).open()
    assert reading.system.gauges is not None and reading.system.gauges()["capture_stuck"] == 1.0
    change = (await reading.until(1))[-1]
    assert change.kind is ChangeKind.OVERFLOW and change.object == "sample"


async def test_a_locked_table_is_tried_again_and_the_others_go_on(postgresql_site: Site) -> None:
    site = postgresql_site
    fill(site, 5)
    reading = await Reading(site, {"sample": QUICK}, lock_timeout_s=0.1).open()
    await reading.begun("sample")
    locker = site.user(autocommit=False)
    locker.execute("LOCK TABLE sample IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(Unreachable, match="difference:sample"):
        await reading.until(1)
    await reading.open()
    site.business.create_customer("Adler")
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Adler"
    locker.rollback()


async def test_where_nothing_is_captured_reading_shows_life_and_no_more(sqlite_site: Site) -> None:
    site = sqlite_site
    reading = await Reading(site, {"customer": OFF, "invoice": OFF, "sample": OFF}).open()
    site.business.create_customer("Adler")
    batch = await reading.batch()
    assert not batch.changes and batch.position is None and batch.receipt is None


async def test_only_tables_of_the_journal_need_it(site: Site) -> None:
    reading = Reading(site, only("sample", **QUICK))
    for table in ("isthmus_journal", "isthmus_journal_meta"):
        site.user().execute(f"DROP TABLE {table}")
    await reading.open()
    await reading.begun("sample")


async def test_a_single_strategy_that_cannot_begin_is_refused(site: Site) -> None:
    site.user().execute("DROP TABLE isthmus_journal_meta")
    with pytest.raises(Refused, match="isthmus journal install erp"):
        await Reading(site, {}).open()


async def test_changing_from_the_journal_to_comparison_loses_nothing(site: Site) -> None:
    reading = await Reading(site, {}).open()
    fill(site, 5)
    await reading.until(5)
    await reading.system.source.close()
    site.user().execute("UPDATE sample SET note = 'between the two'")
    await reading.restart({"sample": QUICK})
    await reading.begun("sample")
    assert {row["note"] for row in reading.known["sample"].values()} == {"between the two"}


async def test_the_only_one_that_is_stuck_looks_again_when_it_is_opened_again(server_site: Site) -> None:
    """What ailed it is over, and nobody but a look can tell: its error may not stand in the way of that."""
    site = server_site
    reading = await Reading(site, {}).open()
    site.business.create_customer("Adler")
    holder = site.user(autocommit=False)
    postgresql = site.dialect.name == "postgresql"
    holder.execute(
        "LOCK TABLE isthmus_journal IN ACCESS EXCLUSIVE MODE"
        if postgresql
        else "LOCK TABLES isthmus_journal WRITE"
    )
    with pytest.raises(Unreachable, match="tried again by itself"):
        await reading.until(1)
    holder.rollback()
    if not postgresql:
        holder.execute("UNLOCK TABLES")
    await reading.open()
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Adler"
