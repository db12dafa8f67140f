"""``isthmus check --roundtrip``: a column that alters values is named before the first record is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from adapters.odbc import administer
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import Check
from tests.odbc.site import Site


async def _round_trip(site: Site) -> dict[str, Check]:
    administration = administer("erp", site.settings(), site.objects, str)
    try:
        async with asyncio.timeout(60):
            checks: Sequence[Check] = await administration.round_trip()
    finally:
        await administration.close()
    return {check.name: check for check in checks}


async def test_the_columns_of_a_sound_site_keep_what_they_take(site: Site) -> None:
    """Each mapped column once, in a temporary table; the ERP's own tables are not touched."""
    checks = await _round_trip(site)
    assert {name: check.detail for name, check in checks.items() if not check.ok} == {}
    wanted = {f"round trip {spec.name}.{item.name}" for spec in site.objects for item in spec.fields}
    assert wanted <= set(checks)
    assert all("temporary" in check.detail for check in checks.values())
    assert site.one("SELECT count(*) FROM sample") == site.one("SELECT count(*) FROM isthmus_journal") == 0


_ALTERING = {
    "sqlite": ("NUMERIC(22,4)", FieldType.DECIMAL, "12345678901234.56", "exact decimal"),
    "postgresql": ("TSVECTOR", FieldType.TEXT, "letters", "wider type"),
    "mariadb": ("BINARY(10)", FieldType.TEXT, "letters", "wider type"),
}


async def test_a_column_that_alters_values_is_named_with_what_to_do(site: Site) -> None:
    column, kind, sample, remedy = _ALTERING[site.dialect.name]
    site.user().execute(f"ALTER TABLE sample ADD COLUMN odd {column}")
    site.objects = (ObjectSpec("sample", "code", (FieldSpec("odd", kind), FieldSpec("note"))),)
    checks = await _round_trip(site)
    odd = checks["round trip sample.odd"]
    assert not odd.ok and sample in odd.detail.split("ALTERED")[1] and remedy in odd.remedy
    assert checks["round trip sample.note"].ok


async def test_what_a_column_refuses_is_told_and_no_fault(mariadb_site: Site) -> None:
    """A narrow character set: nothing else is stored in the place of what it lacks."""
    mariadb_site.user().execute("ALTER TABLE sample ADD COLUMN narrow VARCHAR(300) CHARACTER SET latin1")
    mariadb_site.objects = (ObjectSpec("sample", "code", (FieldSpec("narrow"),)),)
    check = (await _round_trip(mariadb_site))["round trip sample.narrow"]
    assert check.ok
    assert {"emoji", "Chinese"} <= set(check.detail.partition("refused: ")[2].split(", "))


async def test_a_field_of_another_type_than_its_column_is_named(server_site: Site) -> None:
    server_site.objects = (ObjectSpec("sample", "code", (FieldSpec("day", FieldType.BOOLEAN),)),)
    check = (await _round_trip(server_site))["round trip sample.day"]
    assert not check.ok and "date holds no boolean" in check.remedy


@pytest.mark.parametrize("empty", [True, False])
async def test_without_temporary_tables_a_record_is_written_and_taken_back(
    mariadb_site: Site, empty: bool
) -> None:
    """There what the ERP's own triggers do to a value is seen too."""
    site = mariadb_site
    owner = site.user()
    owner.execute(
        "CREATE TRIGGER shout BEFORE UPDATE ON sample FOR EACH ROW SET NEW.padded = UPPER(NEW.padded)"
    )
    if not empty:
        owner.execute("INSERT INTO sample (code, padded) VALUES ('A1', 'kept')")
        owner.execute("DELETE FROM isthmus_journal")
    clerk = f"clerk_{site.one('SELECT DATABASE()')}"
    owner.execute(f"CREATE USER '{clerk}'@'127.0.0.1'")
    for table in ("customer", "invoice", "sample"):
        owner.execute(f"GRANT SELECT, UPDATE ON {table} TO '{clerk}'@'127.0.0.1'")
    site.adapter_connection = site.connection.replace("Uid=erp", f"Uid={clerk}")
    try:
        check = (await _round_trip(site))["round trip sample.padded"]
    finally:
        owner.execute(f"DROP USER '{clerk}'@'127.0.0.1'")
    if empty:
        assert check.ok and "not tried" in check.detail
        return
    assert not check.ok and "case" in check.detail.split("ALTERED")[1]
    assert site.one("SELECT padded FROM sample") == "kept"
    assert site.one("SELECT count(*) FROM isthmus_journal") == 0
