"""Capture below the oldest open transaction, on PostgreSQL: positions instead of deletes."""

from __future__ import annotations

import asyncio
import json

import pytest

from adapters.odbc import Settings, administer, connect
from agent.core.change import Batch, Change, ChangeKind, Operation
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import ConfigError, Refused
from tests.odbc.capture.sites import OFF, Reading, fill
from tests.odbc.site import PATIENCE_S, Site, apply_one, update

_BELOW = {name: {"capture": "snapshot"} for name in ("customer", "sample")} | {"invoice": OFF}


@pytest.fixture
async def site(postgresql_site: Site) -> Site:
    """A PostgreSQL ERP with the journal that keeps its transactions."""
    reading = Reading(postgresql_site, _BELOW)
    await _install(postgresql_site, reading)
    return postgresql_site


async def _install(site: Site, reading: Reading) -> None:
    administration = administer("erp", site.settings(tables=reading.tables), site.objects, str)
    await administration.install()
    await administration.close()


def _reader(site: Site) -> str:
    """A role that may read everything and delete nothing; the adapter logs in as it."""
    owner = site.user()
    role = f"reader_{site.one('SELECT current_database()')}"
    owner.execute(f"CREATE ROLE {role} LOGIN")
    owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    site.adapter_connection = site.connection.replace("Uid=erp", f"Uid={role}")
    return role


async def test_changes_are_read_in_order_without_a_right_to_delete(site: Site) -> None:
    _reader(site)
    reading = await Reading(site, _BELOW).open()
    key = site.business.create_customer("Adler")
    site.business.change_phone(key, "1")
    site.business.delete_customer(key)
    told = await reading.until(3)
    assert [change.operation for change in told] == [Operation.DELETE] * 3
    assert [change.order for change in told] == sorted({change.order for change in told})
    assert site.one("SELECT count(*) FROM isthmus_journal") == 3
    await reading.restart()
    site.business.create_customer("Birke")
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Birke"


async def test_where_rows_may_be_deleted_those_that_were_read_are_but_the_last(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    for number in range(5):
        site.business.create_customer(f"C{number}")
        await reading.until(1)
    assert site.one("SELECT count(*) FROM isthmus_journal") == 1
    await reading.restart()
    assert await reading.quiet() == []


async def test_a_transaction_that_commits_late_holds_the_position_back_and_is_not_lost(site: Site) -> None:
    _reader(site)
    reading = await Reading(site, _BELOW).open()
    slow = site.user(autocommit=False)
    slow.execute("INSERT INTO customer (name) VALUES ('slow')")
    site.business.create_customer("fast")
    assert await reading.quiet() == []
    slow.commit()
    assert {change.fields["name"] for change in await reading.until(2)} == {"slow", "fast"}


async def test_rolled_back_numbers_are_no_holes(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    undecided = site.user(autocommit=False)
    undecided.execute("INSERT INTO customer (name) VALUES ('never')")
    undecided.rollback()
    site.business.create_customer("Adler")
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Adler"


async def test_the_age_of_the_horizon_is_told_while_two_sessions_are_idle_in_transaction(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    idle = [site.user(autocommit=False) for _ in range(2)]
    for connection in idle:
        connection.execute("INSERT INTO customer (name) VALUES ('idle')")
    assert await reading.quiet() == []
    checks = {check.name: check for check in await reading.system.probe.check()}
    assert "began" in checks["capture horizon"].detail and checks["capture horizon"].ok
    idle[0].rollback()
    assert await reading.quiet() == []
    idle[1].rollback()
    site.business.create_customer("Adler")
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Adler"


async def test_the_gauge_grows_while_one_transaction_stays_open_and_falls_with_its_end(site: Site) -> None:
    reading = await Reading(site, _BELOW, poll_s=0.01).open()
    gauges = reading.system.gauges
    assert gauges is not None
    slow = site.user(autocommit=False)
    slow.execute("INSERT INTO customer (name) VALUES ('slow')")
    site.business.create_customer("held back")

    async def read() -> None:
        while True:
            await reading.batch()

    reads = asyncio.create_task(read())
    async with asyncio.timeout(PATIENCE_S):
        while not gauges().get("capture_horizon_s"):
            await asyncio.wait({reads}, timeout=0.02)
        slow.commit()
        while gauges().get("capture_horizon_s") or len(reading.told) < 2:
            await asyncio.wait({reads}, timeout=0.02)
    reads.cancel()
    await asyncio.wait({reads})
    assert {change.fields["name"] for change in reading.told} == {"slow", "held back"}


async def test_an_open_transaction_stops_only_the_tables_of_this_strategy(site: Site) -> None:
    tables = {**_BELOW, "sample": {"capture": "journal"}}
    reading = await Reading(site, tables).open()
    await _install(site, reading)
    slow = site.user(autocommit=False)
    slow.execute("INSERT INTO customer (name) VALUES ('slow')")
    fill(site, 2)
    assert {change.object for change in await reading.until(2)} == {"sample"}
    slow.commit()
    (change,) = await reading.until(1)
    assert change.object == "customer"
    assert site.one("SELECT count(*) FROM isthmus_journal WHERE object = 'sample'") == 0


async def test_purging_what_was_read_changes_nothing(site: Site) -> None:
    _reader(site)
    reading = await Reading(site, _BELOW).open()
    site.business.create_customer("Adler")
    await reading.until(1)
    assert site.one("SELECT isthmus_journal_purge('0 s')") == 1
    assert await reading.quiet() == []


async def test_purging_what_was_not_read_makes_the_tables_unknown(site: Site) -> None:
    _reader(site)
    reading = await Reading(site, _BELOW).open()
    site.business.create_customer("Adler")
    await reading.until(1)
    await reading.system.source.close()
    site.business.create_customer("Birke")
    site.one("SELECT isthmus_journal_purge('0 s')")
    await reading.open()
    told = await reading.until(2)
    assert {(change.kind, change.object) for change in told} == {
        (ChangeKind.OVERFLOW, "customer"),
        (ChangeKind.OVERFLOW, "sample"),
    }
    assert "purged before they were read" in told[0].reason


@pytest.mark.parametrize("how", ["TRUNCATE isthmus_journal", "TRUNCATE isthmus_journal RESTART IDENTITY"])
async def test_a_journal_that_somebody_emptied_is_noticed(site: Site, how: str) -> None:
    """Also where the numbers begin again: those that come are below the last one read."""
    _reader(site)
    reading = await Reading(site, _BELOW).open()
    for number in range(3):
        site.business.create_customer(f"C{number}")
    await reading.until(3)
    site.user().execute(how)
    site.business.create_customer("Birke")
    told = await reading.until(3)
    assert "removed by something else" in told[0].reason
    assert told[2].fields["name"] == "Birke"


async def test_a_journal_installed_anew_makes_the_tables_unknown(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    site.business.create_customer("Adler")
    await reading.until(1)
    administration = administer("erp", site.settings(tables=reading.tables), site.objects, str)
    await administration.remove()
    site.business.create_customer("by nobody noted")
    await administration.install()
    await administration.close()
    told = await reading.until(2)
    assert {change.kind for change in told} == {ChangeKind.OVERFLOW}
    site.business.create_customer("Birke")
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Birke"


async def test_a_database_that_counts_transactions_from_an_earlier_one_is_noticed(site: Site) -> None:
    """A copy restored into another server keeps the journal and loses the count."""
    reading = await Reading(site, _BELOW).open()
    site.business.create_customer("Adler")
    await reading.until(1)
    await reading.system.source.close()
    reading.positions["snapshot"] = reading.positions["snapshot"].replace(b", ", b", 9", 2)
    await reading.open()
    assert (await reading.until(1))[0].kind is ChangeKind.OVERFLOW


async def test_truncate_makes_exactly_its_table_unknown(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    site.user().execute("TRUNCATE sample")
    (change,) = await reading.until(1)
    assert (change.kind, change.object) == (ChangeKind.OVERFLOW, "sample")


async def test_a_changed_primary_key_is_a_delete_and_a_create(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    fill(site, 1)
    await reading.until(1)
    site.user().execute("UPDATE sample SET code = 'other'")
    told = await reading.until(2)
    assert [(change.keys, change.operation) for change in told] == [
        (("K000000",), Operation.DELETE),
        (("other",), Operation.CREATE),
    ]


async def test_our_own_write_is_marked(site: Site) -> None:
    key = site.business.create_customer("Adler")
    reading = await Reading(site, _BELOW).open()
    await reading.until(1)
    await apply_one(reading.system, update("m-17", str(key), phone="2"))
    (own,) = await reading.until(1)
    assert own.origin == "m-17"


async def test_a_journal_without_transactions_names_the_command(postgresql_site: Site) -> None:
    reading = Reading(postgresql_site, _BELOW)
    checks = {check.name: check for check in await reading.system.probe.check()}
    assert "isthmus_journal.xid" in checks["journal tables"].detail
    assert "isthmus journal install erp" in checks["journal tables"].remedy


async def test_installing_on_a_journal_with_rows_keeps_them(postgresql_site: Site) -> None:
    postgresql_site.business.create_customer("Adler")
    reading = Reading(postgresql_site, _BELOW)
    await _install(postgresql_site, reading)
    await reading.open()
    (change,) = await reading.until(1)
    assert change.fields["name"] == "Adler"


def test_another_database_is_told_at_the_configuration() -> None:
    settings = Settings.model_validate(
        {"connection": "Driver=libmaodbc.so", "tables": {"customer": {"capture": "snapshot"}}}
    )
    with pytest.raises(ConfigError) as wrong:
        connect("erp", settings, [ObjectSpec("customer", "id", ())], str)
    assert wrong.value.problems[0].key == "systems.erp.tables.customer.capture"


async def _ails(reading: Reading, words: str) -> asyncio.Task[Batch]:
    """The agent says so of a table, while it waits for the next batch."""
    waiting = asyncio.create_task(reading.batch())
    assert reading.system.ailments is not None
    async with asyncio.timeout(PATIENCE_S):
        while not any(words in sentence for sentence in reading.system.ailments()):
            if waiting.done():
                await waiting
                waiting = asyncio.create_task(reading.batch())
            await asyncio.sleep(0.01)
    return waiting


async def _next_of(reading: Reading, table: str, waiting: asyncio.Task[Batch] | None = None) -> Change:
    batch = await (waiting or reading.batch())
    async with asyncio.timeout(PATIENCE_S):
        while not (found := [change for change in batch.changes if change.object == table]):
            batch = await reading.batch()
    return found[0]


async def test_a_table_that_is_away_for_a_moment_holds_the_others_back_and_nothing_is_passed_over(
    site: Site,
) -> None:
    reading = await Reading(site, _BELOW).open()
    fill(site, 1)
    site.user().execute("ALTER TABLE sample RENAME TO elsewhere")
    site.business.create_customer("Adler")
    waiting = await _ails(reading, "sample is not captured")
    assert reading.told == []
    site.user().execute("ALTER TABLE elsewhere RENAME TO sample")
    change = await _next_of(reading, "sample", waiting)
    assert change.kind is ChangeKind.READ
    while len(reading.told) < 2:
        await reading.batch()
    assert [(change.object, change.kind) for change in reading.told] == [
        ("sample", ChangeKind.READ),
        ("customer", ChangeKind.READ),
    ]
    assert reading.system.ailments is not None and not reading.system.ailments()


async def test_a_table_that_stays_away_does_not_stop_the_others_and_is_read_whole_when_it_is_back(
    site: Site,
) -> None:
    reading = await Reading(site, _BELOW).open()
    fill(site, 1)
    site.user().execute("ALTER TABLE sample RENAME TO elsewhere")
    site.business.create_customer("Adler")
    assert (await _next_of(reading, "customer")).fields["name"] == "Adler"
    assert reading.system.ailments is not None
    assert "sample is not captured" in reading.system.ailments()[0]
    await reading.restart()
    site.business.create_customer("Birke")
    assert (await _next_of(reading, "customer")).fields["name"] == "Birke"
    waiting = await _ails(reading, "sample is not captured")
    assert [change.object for change in reading.told] == ["customer", "customer"]
    site.user().execute("ALTER TABLE elsewhere RENAME TO sample")
    gap = await _next_of(reading, "sample", waiting)
    assert gap.kind is ChangeKind.OVERFLOW and "passed over" in gap.reason
    site.user().execute("UPDATE sample SET note = 'heard'")
    assert (await _next_of(reading, "sample")).fields["note"] == "heard"
    assert not reading.system.ailments()


async def test_where_no_table_can_be_read_nothing_is_passed_over(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    fill(site, 1)
    site.business.create_customer("Adler")
    for table in ("customer", "sample"):
        site.user().execute(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
    with pytest.raises(Refused, match="no table"):
        await reading.until(1)
    assert reading.told == []


async def test_triggers_that_were_away_are_told_and_their_table_is_read_whole(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    fill(site, 1)
    await reading.until(1)
    site.user().execute("ALTER TABLE sample DISABLE TRIGGER ALL")
    waiting = await _ails(reading, "triggers missing or disabled")
    site.user().execute("UPDATE sample SET note = 'unheard'")
    site.user().execute("ALTER TABLE sample ENABLE TRIGGER ALL")
    gap = await _next_of(reading, "sample", waiting)
    assert gap.kind is ChangeKind.OVERFLOW and "triggers are others" in gap.reason
    site.user().execute("UPDATE sample SET note = 'heard'")
    assert (await _next_of(reading, "sample")).fields["note"] == "heard"


async def test_a_position_from_before_the_watch_over_the_triggers_is_gone_on_from(site: Site) -> None:
    reading = await Reading(site, _BELOW).open()
    fill(site, 1)
    await reading.until(1)
    _, instance, xid, seq, *_ = json.loads(reading.positions["snapshot"])
    reading.positions["snapshot"] = json.dumps([1, instance, xid, seq]).encode()
    await reading.restart()
    site.user().execute("UPDATE sample SET note = 'heard'")
    change = await _next_of(reading, "sample")
    assert change.kind is ChangeKind.READ and change.fields["note"] == "heard"


async def test_a_table_whose_key_cannot_be_noted_is_told_and_not_read_whole_again_and_again(
    site: Site,
) -> None:
    site.user().execute("CREATE TABLE stamped (at TIMESTAMPTZ PRIMARY KEY, n VARCHAR(20))")
    site.objects = (*site.objects, ObjectSpec("stamped", "at", (FieldSpec("n"),)))
    reading = Reading(site, {**_BELOW, "stamped": {"capture": "snapshot"}})
    await _install(site, reading)
    await reading.open()
    site.user().execute("INSERT INTO stamped VALUES (now(), 'x')")
    site.business.create_customer("Adler")
    assert (await _next_of(reading, "customer")).fields["name"] == "Adler"
    await reading.restart()
    site.business.create_customer("Birke")
    assert (await _next_of(reading, "customer")).fields["name"] == "Birke"
    assert reading.system.ailments is not None
    assert "point in time" in reading.system.ailments()[0]
    assert {change.object for change in reading.told} == {"customer"}
