"""What ERPs and their administrators do to captured tables: nothing of it goes by without a word."""

from __future__ import annotations

import asyncio

import pytest

from adapters.odbc import administer
from adapters.odbc.journal import install_script
from adapters.odbc.settings import resolve
from agent.core.change import Change, ChangeKind, Operation
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import Refused
from tests.odbc.capture.sites import Reading
from tests.odbc.site import PATIENCE_S, Site, read_one


async def _captured(site: Site, columns: str, *, key: str = "code", name: str = "thing") -> Reading:
    """A table of the ERP with these columns, its triggers installed by the ERP's administrator."""
    tail = " ENGINE = InnoDB CHARACTER SET utf8mb4" if site.dialect.name == "mariadb" else ""
    site.user().execute(f"CREATE TABLE {name} ({columns}){tail}")
    return await _installed(site, ObjectSpec(name, key, (FieldSpec("n"),)))


async def _installed(site: Site, *specs: ObjectSpec) -> Reading:
    site.objects = specs
    administrator = site.user()
    if site.dialect.name == "mariadb":
        administrator.execute("SET character_set_connection = latin1")
    for statement in install_script(resolve("erp", site.settings(), site.objects, str)):
        administrator.execute(statement)
    return await Reading(site, {}).open()


def _told(changes: list[Change]) -> list[tuple[str, Operation | None]]:
    return [(change.keys[0] if change.keys else "", change.operation) for change in changes]


async def _unknown(reading: Reading, name: str) -> Change:
    """The table is told to be unknown, sooner or later."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for change in (await reading.batch()).changes:
                if change.kind is ChangeKind.OVERFLOW and change.object == name:
                    return change


async def test_keys_in_any_letters_are_noted_whoever_installed_the_triggers(server_site: Site) -> None:
    """A trigger keeps the character set of the session that made it."""
    reading = await _captured(server_site, "code VARCHAR(20) PRIMARY KEY, n VARCHAR(20)")
    keys = ["漢字", "ключ", "😀", "ä'b"]
    users = server_site.user()
    for key in keys:
        users.execute("INSERT INTO thing VALUES (?, 'x')", key)
    assert _told(await reading.until(4)) == [(key, Operation.CREATE) for key in keys]


async def test_a_long_key_hinders_nobody_and_is_noted_whole(server_site: Site) -> None:
    """The journal keeps what the table keeps: a trigger that refuses a key would refuse the ERP's write."""
    column = "TEXT" if server_site.dialect.name == "postgresql" else "VARCHAR(700)"
    reading = await _captured(server_site, f"code {column} PRIMARY KEY, n VARCHAR(20)")
    key = "ä" * 699
    server_site.user().execute("INSERT INTO thing VALUES (REPEAT('ä', 699), 'x')")
    assert _told(await reading.until(1)) == [(key, Operation.CREATE)]


async def test_a_date_as_key_is_noted_as_it_is_read_whatever_a_users_session_says(
    postgresql_site: Site,
) -> None:
    reading = await _captured(postgresql_site, "code DATE PRIMARY KEY, n VARCHAR(20)")
    users = postgresql_site.user()
    users.execute("SET DateStyle = 'German'")
    users.execute("INSERT INTO thing VALUES ('24.11.2026', 'x')")
    assert _told(await reading.until(1)) == [("2026-11-24", Operation.CREATE)]


async def test_sessions_that_replicate_or_load_are_captured_too(postgresql_site: Site) -> None:
    reading = await _captured(postgresql_site, "code VARCHAR(20) PRIMARY KEY, n VARCHAR(20)")
    users = postgresql_site.user()
    users.execute("SET session_replication_role = 'replica'")
    users.execute("INSERT INTO thing VALUES ('a', 'x')")
    assert _told(await reading.until(1)) == [("a", Operation.CREATE)]
    users.execute("TRUNCATE thing")
    (change,) = await reading.until(1)
    assert change.kind is ChangeKind.OVERFLOW


async def test_rows_of_partitions_are_captured_and_an_emptied_partition_is_told(
    postgresql_site: Site,
) -> None:
    """TRUNCATE of a partition, or one that is taken away with its rows, fires no trigger of the table."""
    users = postgresql_site.user()
    users.execute("CREATE TABLE thing (code VARCHAR(20) PRIMARY KEY, n VARCHAR(20)) PARTITION BY LIST (code)")
    users.execute("CREATE TABLE thing_a PARTITION OF thing FOR VALUES IN ('a', 'b')")
    users.execute("CREATE TABLE thing_c PARTITION OF thing FOR VALUES IN ('c')")
    reading = await _installed(postgresql_site, ObjectSpec("thing", "code", (FieldSpec("n"),)))
    await reading.batch()
    users.execute("INSERT INTO thing VALUES ('a', 'x'), ('c', 'x')")
    users.execute("INSERT INTO thing_a VALUES ('b', 'x')")
    users.execute("UPDATE thing SET n = 'y' WHERE code = 'a'")
    await reading.until(4)
    assert {key: row["n"] for key, row in reading.known["thing"].items()} == {"a": "y", "b": "x", "c": "x"}
    users.execute("TRUNCATE thing_a")
    await _unknown(reading, "thing")
    users.execute("ALTER TABLE thing DETACH PARTITION thing_c")
    await _unknown(reading, "thing")


@pytest.mark.parametrize("how", ["TRUNCATE isthmus_journal", "TRUNCATE isthmus_journal RESTART IDENTITY"])
async def test_a_journal_that_was_emptied_makes_all_tables_unknown(postgresql_site: Site, how: str) -> None:
    """Rows that nobody had read are gone; numbers that were given before may come again."""
    site = postgresql_site
    reading = await Reading(site, {}).open()
    site.business.create_customer("Adler")
    (before,) = await reading.until(1)
    await reading.system.source.close()
    site.business.create_customer("Birke")
    users = site.user()
    users.execute(how)
    site.business.create_customer("Cassel")
    await reading.restart()
    found = await reading.until(4)
    unknown = {change.object for change in found if change.kind is ChangeKind.OVERFLOW}
    assert unknown == {"customer", "invoice", "sample"}
    assert before.source_id not in {change.source_id for change in found}


async def test_a_table_of_the_same_name_in_another_schema_is_not_ours(postgresql_site: Site) -> None:
    """The driver's catalog tells of all schemas; the one that a bare name means is the search path's."""
    site = postgresql_site
    users = site.user()
    users.execute("CREATE SCHEMA archive")
    users.execute("CREATE TABLE archive.sample (code CHAR(4), note VARCHAR(2), amount NUMERIC(5,0))")
    users.execute("INSERT INTO sample (code, note, amount) VALUES ('K0000001', 'whole', 1.25)")
    row = await read_one(site.system(), "sample", "K0000001")
    assert row.fields is not None and row.fields["note"] == "whole"


async def test_one_transaction_with_all_that_can_happen_to_a_key(server_site: Site) -> None:
    """Fifty changes, a delete and an insert of the same key, what was rolled back, and a changed key."""
    site = server_site
    reading = await Reading(site, {}).open()
    users = site.user(autocommit=False)
    users.execute("INSERT INTO sample (code, note) VALUES ('A', 'first'), ('B', 'first'), ('C', 'first')")
    users.commit()
    await reading.until(3)
    for number in range(50):
        users.execute("UPDATE sample SET note = ? WHERE code = 'A'", f"n{number}")
    users.execute("DELETE FROM sample WHERE code = 'B'")
    users.execute("INSERT INTO sample (code, note) VALUES ('B', 'again')")
    users.execute("SAVEPOINT s")
    users.execute("DELETE FROM sample WHERE code = 'A'")
    users.execute("UPDATE sample SET note = 'never' WHERE code = 'C'")
    users.execute("ROLLBACK TO SAVEPOINT s")
    users.execute("UPDATE sample SET code = 'D' WHERE code = 'C'")
    users.commit()
    await reading.until(50)
    async with asyncio.timeout(PATIENCE_S):
        while set(reading.known["sample"]) != {"A", "B", "D"}:
            await reading.batch()
    assert {key: row["note"] for key, row in reading.known["sample"].items()} == {
        "A": "n49",
        "B": "again",
        "D": "first",
    }


async def test_a_key_of_bytes_is_refused_by_the_check(server_site: Site) -> None:
    """It has no text that a trigger could note: on MariaDB the ERP's own write would fail."""
    site = server_site
    column = "BYTEA" if site.dialect.name == "postgresql" else "BINARY(16)"
    site.user().execute(f"CREATE TABLE thing (code {column} PRIMARY KEY, n VARCHAR(20))")
    site.objects = (ObjectSpec("thing", "code", (FieldSpec("n"),)),)
    probe = site.system().probe
    assert probe is not None
    found = {check.name: check for check in await probe.check()}
    assert not found["key of thing"].ok and "bytes" in found["key of thing"].detail


async def test_tables_of_one_name_in_two_schemas_are_captured_each(postgresql_site: Site) -> None:
    site = postgresql_site
    users = site.user()
    for schema in ("north", "south"):
        users.execute(f"CREATE SCHEMA {schema}")
        users.execute(f"CREATE TABLE {schema}.thing (code VARCHAR(20) PRIMARY KEY, n VARCHAR(20))")
    things = tuple(ObjectSpec(f"{schema}.thing", "code", (FieldSpec("n"),)) for schema in ("north", "south"))
    reading = await _installed(site, *things)
    users.execute("INSERT INTO north.thing VALUES ('x', '')")
    users.execute("INSERT INTO south.thing VALUES ('y', '')")
    told = await reading.until(2)
    assert [(change.object, change.keys) for change in told] == [
        ("north.thing", ("x",)),
        ("south.thing", ("y",)),
    ]


async def test_a_long_name_with_umlauts_is_captured_and_verified(server_site: Site) -> None:
    """PostgreSQL counts bytes, MariaDB letters."""
    site, name = server_site, "kundenübersicht_der_änderungen_für_österreich"
    reading = await _captured(site, "code VARCHAR(20) PRIMARY KEY, n VARCHAR(20)", name=name)
    administration = administer("erp", site.settings(), site.objects, str)
    assert all(check.ok for check in await administration.verify())
    await administration.close()
    site.user().execute(f"INSERT INTO {name} VALUES ('a', 'x')")
    assert _told(await reading.until(1)) == [("a", Operation.CREATE)]


async def test_a_key_that_is_a_point_in_time_is_refused_and_passes_for_no_deletion(server_site: Site) -> None:
    """A trigger notes it in the zone of the user who writes."""
    kind = "TIMESTAMPTZ" if server_site.dialect.name == "postgresql" else "TIMESTAMP"
    reading = await _captured(server_site, f"code {kind} PRIMARY KEY, n VARCHAR(20)")
    server_site.user().execute("INSERT INTO thing VALUES ('2026-03-01 10:00:00', 'x')")
    with pytest.raises(Refused, match="point in time"):
        await reading.until(1)
    assert reading.told == []
    probe = reading.system.probe
    assert probe is not None
    found = {check.name: check for check in await probe.check()}
    assert not found["key of thing"].ok and "point in time" in found["key of thing"].detail
