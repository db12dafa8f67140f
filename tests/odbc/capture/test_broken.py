"""A table of the journal that is broken stops only itself, says so, and is read whole where news was lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from adapters.odbc import administer
from adapters.odbc.capture.watch import EVERY_S
from agent.core.change import Change, ChangeKind
from agent.errors import Refused
from tests.odbc.capture.sites import Reading, fill
from tests.odbc.site import PATIENCE_S, Site


async def _go_on(reading: Reading, count: int = 3) -> None:
    """The other tables are captured as ever."""
    for number in range(count):
        name = f"C{number} {len(reading.told)}"
        reading.site.business.create_customer(name)
        async with asyncio.timeout(PATIENCE_S):
            while reading.told[-1:] == [] or reading.told[-1].fields.get("name") != name:
                await reading.batch()


async def _ailing(reading: Reading, words: str) -> str:
    """The sentence of status about a table that stands."""
    assert reading.system.ailments is not None and reading.system.gauges is not None
    async with asyncio.timeout(PATIENCE_S):
        while not (found := [one for one in reading.system.ailments() if words in one]):
            await _go_on(reading, 1)
    assert reading.system.gauges()["capture_stuck"] == 1.0
    return found[0]


async def _sound(reading: Reading) -> None:
    assert reading.system.ailments is not None
    async with asyncio.timeout(PATIENCE_S):
        while reading.system.ailments():
            await reading.batch()


async def _of_sample(reading: Reading) -> Change:
    """The next change of the table that was broken."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for change in (await reading.batch()).changes:
                if change.object == "sample":
                    return change


async def _install(site: Site) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.install()
    await administration.close()


def _made_anew(site: Site) -> None:
    """The table, with its rows, as another one of the same name: without triggers."""
    users = site.user()
    if site.dialect.name == "postgresql":
        users.execute("CREATE TABLE other (LIKE sample INCLUDING ALL)")
    else:
        users.execute("CREATE TABLE other LIKE sample")
    users.execute("INSERT INTO other SELECT * FROM sample")
    users.execute("DROP TABLE sample")
    users.execute("ALTER TABLE other RENAME TO sample")


async def test_a_table_that_is_gone_stops_only_itself_and_goes_on_where_it_was(server_site: Site) -> None:
    reading = await Reading(server_site, {}).open()
    fill(server_site, 5)
    await reading.until(5)
    users = server_site.user()
    users.execute("UPDATE sample SET note = 'last' WHERE code = 'K000003'")
    users.execute("ALTER TABLE sample RENAME TO elsewhere")
    told = await _ailing(reading, "sample is not captured")
    assert "no table 'sample'" in told or "doesn't exist" in told or "does not exist" in told
    looked_again = time.monotonic() + EVERY_S
    while time.monotonic() < looked_again:
        await _go_on(reading)  # its triggers are looked for meanwhile: they are where the table is
    users.execute("ALTER TABLE elsewhere RENAME TO sample")
    change = await _of_sample(reading)
    assert (change.kind, change.fields["note"]) == (ChangeKind.READ, "last")
    assert change.keys == ("K000003",)
    await _sound(reading)


async def test_a_column_that_is_gone_stops_only_its_table(server_site: Site) -> None:
    reading = await Reading(server_site, {}).open()
    users = server_site.user()
    users.execute("ALTER TABLE sample DROP COLUMN note")
    users.execute("INSERT INTO sample (code) VALUES ('new')")
    told = await _ailing(reading, "sample is not captured")
    assert "note" in told
    await _go_on(reading)
    users.execute("ALTER TABLE sample ADD COLUMN note VARCHAR(80)")
    assert (await _of_sample(reading)).fields["note"] is None
    await _sound(reading)


async def test_a_table_made_anew_is_told_and_read_whole_once_its_triggers_are_back(
    server_site: Site,
) -> None:
    """Nobody tells of what is written without them."""
    fill(server_site, 3)
    reading = await Reading(server_site, {}).open()
    await reading.until(3)
    _made_anew(server_site)
    server_site.user().execute("UPDATE sample SET note = 'unheard'")
    told = await _ailing(reading, "triggers missing or disabled")
    assert told.startswith("sample is not captured") and "isthmus journal install erp" in told
    await _go_on(reading)
    await _install(server_site)
    change = await _of_sample(reading)
    assert change.kind is ChangeKind.OVERFLOW and "triggers are others" in change.reason
    await _sound(reading)
    server_site.user().execute("UPDATE sample SET note = 'heard' WHERE code = 'K000001'")
    assert (await _of_sample(reading)).fields["note"] == "heard"


async def test_triggers_that_were_replaced_while_nobody_looked_are_a_gap_of_their_table_alone(
    server_site: Site,
) -> None:
    fill(server_site, 3)
    reading = await Reading(server_site, {}).open()
    await reading.until(3)
    await reading.quiet()
    await reading.system.source.close()
    _made_anew(server_site)
    server_site.user().execute("UPDATE sample SET note = 'unheard'")
    for statement in server_site.dialect.journal.triggers(
        server_site.dialect, server_site.link().erp.own, server_site.link().erp.spec("sample")
    ):
        server_site.user().execute(statement)
    start = len(reading.told)
    await reading.restart()
    assert (await _of_sample(reading)).kind is ChangeKind.OVERFLOW
    await reading.quiet()
    assert {change.object for change in reading.told[start:]} == {"sample"}


async def test_triggers_that_are_away_time_and_again_are_a_gap_each_time(site: Site) -> None:
    """Also where the database cannot tell which triggers they are."""
    reading = await Reading(site, {}).open()
    await _go_on(reading, 1)
    ids = set()
    for _ in range(2):
        await reading.system.source.close()
        for statement in site.dialect.journal.drop(
            site.dialect, site.link().erp.own, site.link().erp.spec("sample")
        ):
            site.user().execute(statement)
        await reading.restart()
        await _go_on(reading, 1)
        await reading.system.source.close()
        await _install(site)
        await reading.restart()
        gap = await _of_sample(reading)
        assert gap.kind is ChangeKind.OVERFLOW
        ids.add(gap.source_id)
    assert len(ids) == 2


async def test_triggers_that_were_off_for_a_load_are_a_gap(postgresql_site: Site) -> None:
    site = postgresql_site
    reading = await Reading(site, {}).open()
    await _go_on(reading, 1)
    await reading.system.source.close()
    users = site.user()
    users.execute("ALTER TABLE sample DISABLE TRIGGER ALL")
    fill(site, 3)
    users.execute("ALTER TABLE sample ENABLE TRIGGER ALL")
    await reading.restart()
    assert (await _of_sample(reading)).kind is ChangeKind.OVERFLOW


async def test_a_locked_table_of_the_journal_stops_only_itself(postgresql_site: Site) -> None:
    site = postgresql_site
    reading = await Reading(site, {}, lock_timeout_s=1.0).open()
    fill(site, 1)
    locker = site.user(autocommit=False)
    locker.execute("LOCK TABLE sample IN ACCESS EXCLUSIVE MODE")
    told = await _ailing(reading, "sample is not captured")
    assert "see the table's locks" in told
    await _go_on(reading)
    locker.rollback()
    assert (await _of_sample(reading)).fields["note"] == "as it was"


async def test_where_no_table_can_be_read_a_person_is_asked_for(postgresql_site: Site) -> None:
    site = postgresql_site
    reading = await Reading(site, {}).open()
    site.business.create_customer("Adler")
    fill(site, 1)
    users = site.user()
    for table in ("customer", "invoice", "sample"):
        users.execute(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
    users.execute("INSERT INTO isthmus_journal (object, key, op) VALUES ('invoice', 'i', 'I')")
    with pytest.raises(Refused, match="no table"):
        await _of_sample(reading)


async def test_a_table_in_whose_place_another_one_was_put_is_told_and_installed_again(site: Site) -> None:
    """The triggers move away with the old table, which somebody keeps under another name."""
    fill(site, 3)
    reading = await Reading(site, {}).open()
    await reading.until(3)
    users = site.user()
    if site.dialect.name == "sqlite":
        users.execute("CREATE TABLE other AS SELECT * FROM sample")
    else:
        like = "LIKE sample" if site.dialect.name == "mariadb" else "(LIKE sample INCLUDING ALL)"
        users.execute(f"CREATE TABLE other {like}")
        users.execute("INSERT INTO other SELECT * FROM sample")
    users.execute("ALTER TABLE sample RENAME TO kept")
    users.execute("ALTER TABLE other RENAME TO sample")
    users.execute("UPDATE sample SET note = 'unheard'")
    assert (await _ailing(reading, "triggers missing or disabled")).startswith("sample is not captured")
    administration = administer("erp", site.settings(), site.objects, str)
    checks = {check.name: check for check in await administration.verify()}
    assert not checks["journal triggers of sample"].ok
    await administration.install()
    assert all(check.ok for check in await administration.verify())
    assert (await _of_sample(reading)).kind is ChangeKind.OVERFLOW
    await _sound(reading)
    users.execute("UPDATE sample SET note = 'heard' WHERE code = 'K000001'")
    assert (await _of_sample(reading)).fields["note"] == "heard"
    users.execute("UPDATE kept SET note = 'of nobody' WHERE code = 'K000002'")
    users.execute("UPDATE sample SET note = 'last' WHERE code = 'K000000'")
    assert (await _of_sample(reading)).fields["note"] == "last"
    await administration.remove()
    await administration.close()
