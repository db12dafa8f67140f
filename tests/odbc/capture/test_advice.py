"""``isthmus check`` names the strategy of each table, what it does not see, and the one that would suit."""

from __future__ import annotations

import pytest

from adapters.odbc.capture.advice import Site as At
from adapters.odbc.capture.advice import advise
from adapters.odbc.tables import Capture
from tests.odbc.capture.sites import QUICK, Reading, fill
from tests.odbc.site import Site


@pytest.mark.parametrize(
    ("trigger", "delete", "below", "column", "best"),
    [
        (True, True, True, None, Capture.JOURNAL),
        (True, False, True, None, Capture.SNAPSHOT),
        (True, False, False, None, Capture.JOURNAL),
        (False, False, True, "changed_at", Capture.HIGH_WATER),
        (False, False, True, None, Capture.DIFFERENCE),
    ],
)
def test_the_strategy_that_suits(
    trigger: bool, delete: bool, below: bool, column: str | None, best: Capture
) -> None:
    assert advise(At(trigger, delete, below, column))[0] is best


async def _told(reading: Reading, table: str) -> str:
    checks = {check.name: check for check in await reading.system.probe.check()}
    assert checks[f"capture of {table}"].ok
    return checks[f"capture of {table}"].detail


async def test_the_journal_is_recommended_where_triggers_are_allowed(site: Site) -> None:
    told = await _told(Reading(site, {"sample": QUICK}), "sample")
    assert told.startswith("difference: every 0.01 s the whole table is hashed")
    assert told.endswith("recommended: journal (triggers are allowed)")


async def test_what_is_in_force_and_recommended_is_told_without_advice(site: Site) -> None:
    told = await _told(Reading(site, {}), "customer")
    assert told.startswith("journal: ") and "recommended" not in told


async def test_deletes_by_a_cascade_are_a_stated_limit_on_mariadb(mariadb_site: Site) -> None:
    """No trigger fires for them: only a comparison of the child table finds them."""
    site = mariadb_site
    users = site.user()
    users.execute("ALTER TABLE sample DROP FOREIGN KEY sample_ibfk_1")
    users.execute("ALTER TABLE sample ADD FOREIGN KEY (parent) REFERENCES sample (code) ON DELETE CASCADE")
    users.execute("INSERT INTO sample (code, parent) VALUES ('P', NULL), ('C', 'P')")
    reading = Reading(site, {})
    assert "rows deleted by a cascade or by TRUNCATE fire no trigger here" in await _told(reading, "sample")
    await reading.open()
    await reading.until(2)
    users.execute("DELETE FROM sample WHERE code = 'P'")
    assert [change.keys for change in await reading.quiet()] == [("P",)]
    await reading.restart({"sample": QUICK})
    await reading.begun("sample")
    assert reading.known["sample"] == {}


async def test_a_user_who_may_only_read_is_not_recommended_triggers(server_site: Site) -> None:
    site = server_site
    owner, name = site.user(), "sample"
    if site.dialect.name == "postgresql":
        user = f"reader_{site.one('SELECT current_database()')}"
        owner.execute("DROP TRIGGER isthmus_journal_sample ON sample")
        owner.execute(f"CREATE ROLE {user} LOGIN")
        owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
        owner.execute(f"GRANT INSERT ON isthmus_ledger TO {user}")
    else:
        user = f"reader_{site.one('SELECT DATABASE()')}"
        owner.execute("DROP TRIGGER isthmus_journal_sample_i")
        owner.execute(f"CREATE USER '{user}'@'127.0.0.1'")
        owner.execute(f"GRANT SELECT ON {site.one('SELECT DATABASE()')}.* TO '{user}'@'127.0.0.1'")
    site.adapter_connection = site.connection.replace("Uid=erp", f"Uid={user}")
    try:
        told = await _told(Reading(site, {}), name)
    finally:
        if site.dialect.name == "mariadb":
            owner.execute(f"DROP USER '{user}'@'127.0.0.1'")
    assert "recommended: difference (only reading is allowed)" in told


async def test_truncate_is_a_stated_limit_of_the_journal_on_mariadb(mariadb_site: Site) -> None:
    site = mariadb_site
    fill(site, 3)
    reading = await Reading(site, {}).open()
    await reading.until(3)
    users = site.user()
    users.execute("SET FOREIGN_KEY_CHECKS = 0")
    users.execute("TRUNCATE TABLE sample")
    assert await reading.quiet() == []
    assert "by TRUNCATE fire no trigger here" in await _told(reading, "sample")
