"""Capture by comparison: no trigger, no maintained column, and still every change and every delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.odbc import sql
from adapters.odbc.capture.segment import decode
from adapters.odbc.session import Session
from agent.core.change import ChangeKind, Operation
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import Refused
from tests.odbc.capture.sites import QUICK, Reading, fill, only
from tests.odbc.site import SAMPLE, Site


async def _begun(site: Site, **settings: Any) -> Reading:
    reading = await Reading(site, only("sample", **{**QUICK, **settings})).open()
    await reading.begun("sample")
    return reading


async def test_inserts_updates_and_deletes_are_found_without_anything_in_the_erp(site: Site) -> None:
    fill(site, 35)
    reading = await _begun(site)
    users = site.user()
    users.execute("UPDATE sample SET note = 'changed' WHERE code = 'K000017'")
    (changed,) = await reading.until(1)
    assert (changed.kind, changed.keys, changed.operation) == (
        ChangeKind.READ,
        ("K000017",),
        Operation.UPDATE,
    )
    assert changed.fields["note"] == "changed"
    users.execute("INSERT INTO sample (code, note) VALUES ('K000005a', 'new')")
    (created,) = await reading.until(1)
    assert (created.keys, created.operation) == (("K000005a",), Operation.CREATE)
    users.execute("DELETE FROM sample WHERE code = 'K000030'")
    (deleted,) = await reading.until(1)
    assert (deleted.keys, deleted.operation, deleted.fields) == (("K000030",), Operation.DELETE, {})


async def test_a_restart_goes_on_where_it_was_and_tells_what_happened_meanwhile(site: Site) -> None:
    fill(site, 35)
    reading = await _begun(site)
    await reading.system.source.close()
    users = site.user()
    users.execute("UPDATE sample SET note = 'meanwhile' WHERE code = 'K000003'")
    users.execute("DELETE FROM sample WHERE code = 'K000034'")
    await reading.restart()
    told = {change.keys[0]: change for change in await reading.until(2)}
    assert told["K000003"].fields["note"] == "meanwhile"
    assert told["K000034"].operation is Operation.DELETE


async def test_what_was_not_made_durable_is_told_again_with_the_same_id(site: Site) -> None:
    fill(site, 5)
    reading = await _begun(site)
    site.user().execute("UPDATE sample SET note = 'x' WHERE code = 'K000003'")
    while not (lost := await reading.batch(keep=False)).changes:
        pass
    await reading.open()
    (again,) = await reading.until(1)
    assert again.source_id == lost.changes[0].source_id
    site.user().execute("UPDATE sample SET note = 'as it was' WHERE code = 'K000003'")
    (back,) = await reading.until(1)
    assert back.source_id != again.source_id


async def test_a_table_that_grows_is_split_and_one_that_shrinks_is_joined(site: Site) -> None:
    reading = await _begun(site)
    fill(site, 300)
    await reading.until(300)
    live = {stream for stream, value in reading.positions.items() if decode(0, value)}
    assert len(live) >= 10
    assert reading.known["sample"].keys() == {f"K{number:06d}" for number in range(300)}
    site.user().execute("UPDATE sample SET note = 'all of them'")
    await reading.until(300)
    assert {row["note"] for row in reading.known["sample"].values()} == {"all of them"}


async def test_null_the_empty_text_and_separators_inside_a_value_are_told_apart(site: Site) -> None:
    key = site.business.create_customer("Adler")
    reading = Reading(
        site, {"customer": QUICK, "sample": {"capture": "none"}, "invoice": {"capture": "none"}}
    )
    await reading.open()
    await reading.begun("customer")
    users = site.user()
    for street, phone in (
        ("", None),
        (None, ""),
        ("a", "b"),
        ("ab", ""),
        ("", "ab"),
        ("1:a", None),
        ("-", None),
        ("1:a-", ""),
        ("\u20ac", None),
    ):
        users.execute("UPDATE customer SET street = ?, phone = ? WHERE customer_id = ?", street, phone, key)
        (change,) = await reading.until(1)
        assert (change.fields["street"], change.fields["phone"]) == (street, phone)


@pytest.mark.parametrize("size", [31, 4_000, 200_000])
async def test_the_last_character_of_a_long_text_counts(site: Site, size: int) -> None:
    """What is too long for one packet must not become NULL on its way into the hash."""
    fill(site, 1)
    users = site.user()
    if site.dialect.name == "mariadb":
        users.maxwrite = 1 << 30
    users.execute("UPDATE sample SET note = ?", "x" * size)
    reading = await _begun(site)
    users.execute("UPDATE sample SET note = ?", "x" * (size - 1) + "y")
    (change,) = await reading.until(1)
    assert str(change.fields["note"]).endswith("xy")


async def test_two_equal_rows_do_not_cancel_each_other_out(server_site: Site) -> None:
    """They would under an exclusive or."""
    users = server_site.user()
    users.execute("CREATE TABLE twice (id INTEGER, name VARCHAR(10))")
    server_site.system()
    session = Session(server_site.link().erp, autocommit=True)
    try:
        statement = sql.segment_sums(session.dialect, session.table("twice"), "id", ("name",), (False, False))
        seen = set()
        for _ in range(4):
            seen.add(session.rows(statement)[0][1:])
            users.execute("INSERT INTO twice VALUES (1, 'a')")
    finally:
        session.close()
    assert len(seen) == 4


async def test_how_a_session_writes_numbers_and_times_changes_no_hash(server_site: Site) -> None:
    site = server_site
    users = site.user()
    postgresql = site.dialect.name == "postgresql"
    users.execute(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, ratio FLOAT8, raw BYTEA, span INTERVAL, at TIMESTAMPTZ)"
        if postgresql
        else "CREATE TABLE odd (id INTEGER PRIMARY KEY, ratio DOUBLE, raw BLOB, span TIME(6), at TIMESTAMP)"
    )
    users.execute("INSERT INTO odd VALUES (1, 0.1, 'raw', '10:00:00', '2026-01-31 12:00:00')")
    fields = ("ratio", "raw", "span", "at")
    site.objects = [ObjectSpec("odd", "id", tuple(FieldSpec(name) for name in fields))]
    reading = await Reading(site, {"odd": QUICK}).open()
    await reading.begun("odd")
    name = site.one("SELECT current_database()" if postgresql else "SELECT DATABASE()")
    settings = (
        [
            f"ALTER DATABASE {name} SET {setting}"
            for setting in (
                "extra_float_digits = -10",
                "bytea_output = 'escape'",
                "DateStyle = 'German'",
                "IntervalStyle = 'postgres_verbose'",
                "TimeZone = 'Asia/Tokyo'",
            )
        ]
        if postgresql
        else ["SET GLOBAL time_zone = '+05:00'", "SET GLOBAL sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'"]
    )
    for setting in settings:
        users.execute(setting)
    try:
        await reading.restart()
        assert await reading.quiet() == []
    finally:
        if not postgresql:
            users.execute("SET GLOBAL time_zone = '+00:00'")
            users.execute("SET GLOBAL sql_mode = DEFAULT")


async def test_a_row_in_flight_does_not_look_like_a_delete(server_site: Site) -> None:
    fill(server_site, 30)
    reading = await _begun(server_site)
    open_one = server_site.user(autocommit=False)
    open_one.execute("DELETE FROM sample WHERE code = 'K000003'")
    open_one.execute("UPDATE sample SET code = 'K000029x' WHERE code = 'K000004'")
    assert await reading.quiet() == []
    open_one.rollback()
    assert await reading.quiet() == []


async def test_a_row_that_is_back_when_it_is_looked_for_again_was_not_deleted(site: Site) -> None:
    fill(site, 40)
    reading = await _begun(site)
    users = site.user(autocommit=False)
    users.execute("DELETE FROM sample WHERE code = 'K000003'")
    users.execute("UPDATE sample SET note = 'later in the table' WHERE code = 'K000033'")
    users.commit()
    (change,) = await reading.until(1)
    assert change.keys == ("K000033",)
    users.execute("INSERT INTO sample (code, note) VALUES ('K000003', 'as it was')")
    users.commit()
    assert await reading.quiet() == []


async def test_a_changed_primary_key_is_a_delete_and_a_create(site: Site) -> None:
    fill(site, 30)
    reading = await _begun(site)
    site.user().execute("UPDATE sample SET code = 'K000029x' WHERE code = 'K000004'")
    told = {change.keys[0]: change.operation for change in await reading.until(2)}
    assert told == {"K000004": Operation.DELETE, "K000029x": Operation.CREATE}


@pytest.mark.parametrize("how", ["DELETE FROM sample", "TRUNCATE TABLE sample"])
async def test_a_table_that_was_emptied_is_refused_not_told_as_deletes(site: Site, how: str) -> None:
    if site.dialect.name == "sqlite":
        how = "DELETE FROM sample"
    keys = fill(site, 60)
    reading = await _begun(site)
    users = site.user()
    users.execute("SET FOREIGN_KEY_CHECKS = 0") if site.dialect.name == "mariadb" else None
    users.execute(how)
    with pytest.raises(Refused, match="60 of 60 rows of 'sample' vanished at once") as refused:
        await reading.until(1)
    assert "max_vanished of tables.sample" in refused.value.remedy
    assert reading.known["sample"].keys() == set(keys)
    await reading.restart({"sample": {**QUICK, "max_vanished": 1.0}})
    told = await reading.until(60)
    assert {change.operation for change in told} == {Operation.DELETE}
    assert reading.known["sample"] == {}


async def test_rows_that_come_back_release_the_brake(site: Site) -> None:
    fill(site, 60)
    reading = await _begun(site)
    site.user().execute("DELETE FROM sample")
    with pytest.raises(Refused):
        await reading.until(1)
    fill(site, 60)
    await reading.restart()
    assert await reading.quiet() == []


async def test_few_rows_may_always_vanish(site: Site) -> None:
    fill(site, 49)
    reading = await _begun(site)
    site.user().execute("DELETE FROM sample")
    await reading.until(49)
    assert reading.known["sample"] == {}


async def test_other_fields_begin_the_comparison_anew_and_make_the_table_unknown(site: Site) -> None:
    fill(site, 30)
    reading = await _begun(site)
    site.objects = [replace(SAMPLE, fields=SAMPLE.fields[:3])]
    await reading.restart({"sample": QUICK})
    change = (await reading.until(1))[-1]
    assert change.kind is ChangeKind.OVERFLOW and change.object == "sample"


async def test_a_position_that_cannot_be_read_makes_exactly_its_table_unknown(site: Site) -> None:
    fill(site, 30)
    reading = await _begun(site)
    reading.positions = dict.fromkeys(reading.positions, b"from a later version")
    await reading.restart()
    change = (await reading.until(1))[-1]
    assert change.kind is ChangeKind.OVERFLOW and change.object == "sample"


async def test_a_kill_while_the_table_is_read_first_costs_nothing(site: Site) -> None:
    fill(site, 100)
    reading = Reading(
        site, {"sample": QUICK, "customer": {"capture": "none"}, "invoice": {"capture": "none"}}
    )
    await reading.open()
    for _ in range(4):
        await reading.batch()
    await reading.restart()
    await reading.begun("sample")
    assert len(reading.positions) == 11


@pytest.mark.parametrize("stop", range(1, 8))
async def test_a_kill_between_the_two_halves_of_a_split_loses_nothing(sqlite_site: Site, stop: int) -> None:
    fill(sqlite_site, 8)
    reading = await _begun(sqlite_site)
    fill(sqlite_site, 40, first=8)
    sqlite_site.user().execute("DELETE FROM sample WHERE code = 'K000001'")
    for _ in range(stop):
        await reading.batch()
    await reading.restart()
    while len(reading.known["sample"]) != 47 or "K000001" in reading.known["sample"]:
        await reading.until(1)
    assert await reading.quiet() == []
    assert len(reading.known["sample"]) == 47
