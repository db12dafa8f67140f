"""``isthmus check`` and ``isthmus journal``: what is missing is named, with the way to get it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.odbc import administer, connect
from agent.core.objects import FieldSpec, FieldType
from agent.ports import Check
from tests.odbc.site import CUSTOMER, Site


def _failed(checks: object) -> dict[str, Check]:
    assert isinstance(checks, list)
    return {check.name: check for check in checks if not check.ok}


async def test_a_complete_site_passes_every_check_and_nothing_is_changed(site: Site) -> None:
    checks = await site.system().probe.check()
    assert _failed(checks) == {}
    assert {"connect", "table customer", "journal tables", "ledger"} <= {check.name for check in checks}
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 0


async def test_a_missing_journal_and_ledger_name_the_command(site: Site) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.remove()
    failed = _failed(await site.system().probe.check())
    assert "isthmus journal install erp" in failed["journal tables"].remedy
    assert "isthmus journal install erp" in failed["ledger"].remedy
    assert {check.ok for check in await administration.verify()} == {False}
    await administration.close()


async def test_wrong_names_get_the_nearest_right_one(site: Site) -> None:
    wrong = replace(CUSTOMER, fields=(*CUSTOMER.fields, FieldSpec("phon")))
    nowhere = replace(CUSTOMER, name="costumer")
    system = connect("erp", site.settings(), [wrong, nowhere], str)
    failed = _failed(await system.probe.check())
    assert failed["column customer.phon"].remedy == "did you mean 'phone'?"
    assert "table costumer" in failed
    await system.target.close()


async def test_a_column_that_loses_digits_is_reported(sqlite_site: Site) -> None:
    sqlite_site.user().execute("ALTER TABLE customer ADD COLUMN discount NUMERIC(15,2)")
    spec = replace(CUSTOMER, fields=(*CUSTOMER.fields, FieldSpec("discount", FieldType.DECIMAL)))
    system = connect("erp", sqlite_site.settings(), [spec], str)
    failed = _failed(await system.probe.check())
    assert "loses digits" in failed["column customer.discount"].detail
    await system.target.close()


async def test_an_external_id_that_is_not_unique_is_reported(site: Site) -> None:
    system = connect("erp", site.settings(), [replace(CUSTOMER, external_id="city")], str)
    failed = _failed(await system.probe.check())
    assert "not unique: city" in failed["keys of customer"].detail
    await system.target.close()


async def test_no_connection_is_one_failed_check(postgresql_site: Site) -> None:
    port = postgresql_site.connection.split("Port=")[1].split(";")[0]
    postgresql_site.adapter_connection = postgresql_site.connection.replace(f"Port={port}", "Port=1")
    (only,) = await postgresql_site.system().probe.check()
    assert not only.ok and only.name == "connect"


async def test_a_disabled_trigger_is_reported(postgresql_site: Site) -> None:
    postgresql_site.user().execute("ALTER TABLE customer DISABLE TRIGGER isthmus_journal_customer")
    failed = _failed(await postgresql_site.system().probe.check())
    assert "isthmus_journal_customer" in failed["journal triggers of customer"].detail


async def test_a_user_without_rights_on_the_ledger_is_reported(postgresql_site: Site) -> None:
    site = postgresql_site
    role = f"reader_{site.one('SELECT current_database()')}"
    owner = site.user()
    owner.execute(f"CREATE ROLE {role} LOGIN")
    owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    site.adapter_connection = site.connection.replace("Uid=erp", f"Uid={role}")
    failed = _failed(await site.system().probe.check())
    assert "42501" in failed["ledger"].detail and "grant INSERT" in failed["ledger"].remedy


async def test_installing_twice_and_removing_twice_changes_nothing_more(site: Site) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.install()
    assert all(check.ok for check in await administration.verify())
    await administration.remove()
    await administration.remove()
    await administration.close()


@pytest.mark.parametrize("action", ["install", "remove"])
async def test_the_printed_script_does_what_the_command_does(site: Site, action: str) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.remove()
    connection = site.user()
    for statement in administration.install_script().split(";\n"):
        if statement.strip():
            connection.execute(statement)
    assert all(check.ok for check in await administration.verify())
    if action == "remove":
        for statement in administration.remove_script().split(";\n"):
            if statement.strip():
                connection.execute(statement)
        assert _names(site) == set()
    await administration.close()


@pytest.mark.invariant("I34")
async def test_uninstalling_leaves_nothing_behind(site: Site) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.remove()
    await administration.close()
    assert _names(site) == set()


def _names(site: Site) -> set[str]:
    catalogs = {
        "sqlite": "SELECT name FROM sqlite_master WHERE name LIKE '%isthmus%'",
        "postgresql": "SELECT relname FROM pg_class WHERE relname LIKE '%isthmus%'"
        " UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE '%isthmus%'"
        " UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%isthmus%'",
        "mariadb": "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name LIKE '%isthmus%'"
        " UNION ALL SELECT trigger_name FROM information_schema.triggers"
        " WHERE trigger_schema = DATABASE() AND trigger_name LIKE '%isthmus%'",
    }
    return {str(row[0]) for row in site.user().execute(catalogs[site.dialect.name]).fetchall()}
