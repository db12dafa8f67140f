"""What drivers and databases silently alter, on real ones: it arrives as it was, or stops only itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, Guard, OutcomeKind, Reason
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.core.value import ValueFault, canonical
from agent.ports import System
from tests.odbc.site import Site, apply_one, create, read_one, update

_NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def _thing(key: str, /, guard: dict[str, RawValue] | None = None, **fields: RawValue) -> Delivery:
    kind = DeliveryKind.CREATE if guard is None else DeliveryKind.UPDATE
    made = replace(create(f"m-{key}-{kind}", "", **fields), object="thing", key=key, kind=kind)
    return made if guard is None else replace(made, guard=Guard(values=guard))


def _table(site: Site, columns: str, *fields: FieldSpec) -> System:
    """A table of the ERP with these columns behind its key, and the adapter on it."""
    tail = " ENGINE = InnoDB CHARACTER SET utf8mb4" if site.dialect.name == "mariadb" else ""
    site.user().execute(f"CREATE TABLE thing (code VARCHAR(40) NOT NULL PRIMARY KEY, {columns}){tail}")
    site.objects = (ObjectSpec("thing", "code", fields),)
    return site.system()


async def _fields(system: System, key: str) -> dict[str, RawValue]:
    row = await read_one(system, "thing", key)
    assert row.fields is not None
    return dict(row.fields)


@pytest.mark.parametrize("length", [127, 128, 255, 4001, 8191, 5_000_000])
async def test_a_long_text_is_stored_whole(site: Site, length: int) -> None:
    """A driver that binds it in pieces loses pieces, from 128 characters on."""
    system = site.system()
    text = ("ä€x" * (length // 3 + 1))[:length]
    written = replace(create("m1", ""), object="sample", key="A1", fields={"note": text})
    assert (await apply_one(system, written)).kind is OutcomeKind.ACCEPTED
    row = await read_one(system, "sample", "A1")
    assert row.fields is not None and row.fields["note"] == text
    assert site.one("SELECT LENGTH(note) FROM sample") in (length, len(text.encode()))


async def test_decimals_beyond_fifteen_digits_are_exact(site: Site) -> None:
    system = site.system()
    amount = Decimal("123456789012345678.1234")
    written = replace(create("m1", ""), object="sample", key="A1", fields={"amount": amount})
    assert (await apply_one(system, written)).kind is OutcomeKind.ACCEPTED
    row = await read_one(system, "sample", "A1")
    assert row.fields is not None and row.fields["amount"] == amount


@pytest.mark.parametrize(
    ("column", "kind", "value", "fits"),
    [
        ("{datetime}", FieldType.DATETIME, _NOON.replace(microsecond=123456), False),
        ("{datetime}", FieldType.DATETIME, _NOON, True),
        ("{datetime}(3)", FieldType.DATETIME, _NOON.replace(microsecond=123456), False),
        ("{datetime}(3)", FieldType.DATETIME, _NOON.replace(microsecond=123000), True),
        ("{datetime}(6)", FieldType.DATETIME, _NOON.replace(microsecond=123456), True),
        ("TIME(0)", FieldType.TEXT, "10:00:00.5", False),
        ("TIME(6)", FieldType.TEXT, "10:00:00.123456", True),
    ],
)
async def test_fractions_of_a_second_are_kept_or_refused_never_cut(
    server_site: Site, column: str, kind: FieldType, value: RawValue, fits: bool
) -> None:
    """PostgreSQL rounds what is beyond the column, MariaDB cuts it, strict mode or not."""
    site = server_site
    name = "DATETIME" if site.dialect.name == "mariadb" else "TIMESTAMP"
    if name == "TIMESTAMP" and column == "{datetime}":
        column = "{datetime}(0)"
    system = _table(site, f"v {column.format(datetime=name)}", FieldSpec("v", kind))
    outcome = await apply_one(system, _thing("a", v=value))
    if fits:
        assert (await _fields(system, "a"))["v"] == value
    else:
        assert (outcome.reason, outcome.code) == (Reason.INVALID, "precision")


async def test_a_time_of_more_than_a_day_is_read_as_it_stands(mariadb_site: Site) -> None:
    """The driver's own type for it would fail on it."""
    system = _table(mariadb_site, "v TIME", FieldSpec("v"))
    mariadb_site.user().execute("INSERT INTO thing VALUES ('a', '838:59:59')")
    assert await _fields(system, "a") == {"v": "838:59:59"}


@pytest.mark.parametrize(
    ("column", "kind", "stored"),
    [
        ("TIMESTAMP", FieldType.DATETIME, "infinity"),
        ("TIMESTAMPTZ", FieldType.DATETIME, "-infinity"),
        ("DATE", FieldType.DATE, "infinity"),
        ("DATE", FieldType.DATE, "0044-03-15 BC"),
        ("TIMESTAMP", FieldType.DATETIME, "0044-03-15 12:00:00 BC"),
        ("DATE", FieldType.DATE, "10000-01-01"),
        ("TIMESTAMP", FieldType.DATETIME, "10000-01-01 00:00:00"),
        ("NUMERIC", FieldType.DECIMAL, "NaN"),
        ("NUMERIC", FieldType.DECIMAL, "Infinity"),
        ("NUMERIC", FieldType.INTEGER, "1.5"),
    ],
)
async def test_a_value_beyond_the_contract_stops_only_its_own_field(
    postgresql_site: Site, column: str, kind: FieldType, stored: str
) -> None:
    """The driver would make 44 BC AD 44 of it, and infinity the last day of the year 9999."""
    system = _table(postgresql_site, f"v {column}, n TEXT", FieldSpec("v", kind), FieldSpec("n"))
    postgresql_site.user().execute("INSERT INTO thing VALUES ('a', ?, 'kept'), ('b', NULL, 'b')", stored)
    assert await _fields(system, "a") == {"v": stored, "n": "kept"}
    assert await _fields(system, "b") == {"v": None, "n": "b"}


@pytest.mark.parametrize("column", ["DATE", "DATETIME", "TIMESTAMP"])
async def test_a_zero_date_stops_only_its_own_field(mariadb_site: Site, column: str) -> None:
    kind = FieldType.DATE if column == "DATE" else FieldType.DATETIME
    system = _table(mariadb_site, f"v {column} NULL, n TEXT", FieldSpec("v", kind), FieldSpec("n"))
    user = mariadb_site.user()
    user.execute("SET SESSION sql_mode = ''")
    user.execute("INSERT INTO thing VALUES ('a', '0000-00-00', 'kept')")
    found = await _fields(system, "a")
    assert str(found["v"]).startswith("0000-00-00") and found["n"] == "kept"


async def test_a_uuid_is_the_same_key_in_either_case(server_site: Site) -> None:
    site = server_site
    key = "6ccd780c-baba-1026-9564-5b8c656024db"
    site.user().execute("CREATE TABLE thing (code UUID PRIMARY KEY, other UUID)")
    site.objects = (ObjectSpec("thing", "code", (FieldSpec("other"),)),)
    system = site.system()
    assert (await apply_one(system, _thing(key, other=key.upper()))).key == key
    assert await _fields(system, key.upper()) == {"other": key}
    assert (await read_one(system, "thing", "no uuid at all")).fields is None
    again = await apply_one(system, _thing(key, {"other": key}, other=None))
    assert again.kind is OutcomeKind.ACCEPTED


async def test_a_boolean_is_one_whatever_the_driver_calls_it(site: Site) -> None:
    site.user().execute("INSERT INTO sample (code, flag) VALUES ('A1', ?)", True)
    row = await read_one(site.system(), "sample", "A1")
    assert row.fields is not None and row.fields["flag"] is True


async def test_null_in_a_column_that_defaults_to_blank_is_blank_and_counts_as_null(site: Site) -> None:
    """Blank text is null to the contract; the column takes no null."""
    key = str(site.business.create_customer("Adler", order_block="X"))
    system = site.system()
    first = await apply_one(system, update("m1", key, {"order_block": "X"}, order_block=None))
    assert first.kind is OutcomeKind.ACCEPTED
    assert site.one("SELECT order_block FROM customer").strip() == ""
    again = await apply_one(system, update("m2", key, {"order_block": None}, phone="1"))
    assert again.kind is OutcomeKind.ACCEPTED


async def test_null_in_a_mandatory_column_without_a_default_is_refused(site: Site) -> None:
    key = str(site.business.create_customer("Adler"))
    outcome = await apply_one(site.system(), update("m1", key, name=None))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.INVALID)
    assert site.one("SELECT name FROM customer") == "Adler"


async def test_microseconds_that_the_contract_does_not_keep_are_no_change(server_site: Site) -> None:
    """The mirror knows milliseconds: a guard on a finer column would never hold."""
    name = "DATETIME" if server_site.dialect.name == "mariadb" else "TIMESTAMP"
    system = _table(
        server_site, f"v {name}(6), n VARCHAR(9)", FieldSpec("v", FieldType.DATETIME), FieldSpec("n")
    )
    server_site.user().execute("INSERT INTO thing VALUES ('a', '2026-05-01 12:00:00.123456', 'n')")
    seen = _NOON.replace(microsecond=123000)
    assert (await apply_one(system, _thing("a", {"v": seen}, n="x"))).kind is OutcomeKind.ACCEPTED
    moved = seen.replace(microsecond=124000)
    stale = replace(_thing("a", {"v": moved}, n="y"), message_id="m2")
    assert (await apply_one(system, stale)).reason is Reason.PRECONDITION


async def test_a_domain_over_a_decimal_is_not_rounded(postgresql_site: Site) -> None:
    postgresql_site.user().execute("CREATE DOMAIN price AS NUMERIC(10,2)")
    system = _table(postgresql_site, "v price", FieldSpec("v", FieldType.DECIMAL))
    outcome = await apply_one(system, _thing("a", v=Decimal("1.005")))
    assert (outcome.reason, outcome.code) == (Reason.INVALID, "scale")


async def test_a_column_of_floating_point_takes_only_what_it_keeps(server_site: Site) -> None:
    system = _table(server_site, "v DOUBLE PRECISION", FieldSpec("v", FieldType.DECIMAL))
    outcome = await apply_one(system, _thing("a", v=Decimal("12345678901234.5678")))
    assert (outcome.reason, outcome.code) == (Reason.INVALID, "binary")
    assert (await apply_one(system, _thing("b", v=Decimal("0.1")))).kind is OutcomeKind.ACCEPTED
    assert await _fields(system, "b") == {"v": Decimal("0.1")}


@pytest.mark.parametrize("key", ["99999999999999999999", "1.5", "x", "NaN", "", "a\0b", "\ud800", "😀"])
async def test_a_key_that_the_column_cannot_hold_has_no_record_and_costs_only_itself(
    site: Site, key: str
) -> None:
    known = str(site.business.create_customer("Adler"))
    system = site.system()
    assert system.reader is not None
    rows = (await system.reader.read("customer", [key, known])).rows
    assert [row.fields is None for row in rows] == [True, False]
    site.user().execute("INSERT INTO sample (code) VALUES ('A1')")
    rows = (await system.reader.read("sample", [key, "A1"])).rows
    assert [row.fields is None for row in rows] == [True, False]
    gone = await apply_one(system, update("m1", key, phone="1"))
    assert gone.kind is OutcomeKind.REJECTED and gone.reason in {Reason.GONE, Reason.INVALID}


async def test_a_text_with_a_nul_is_read_whole_and_so_stops_its_own_field(mariadb_site: Site) -> None:
    """Fetched as wide characters it would end there, and what is behind it would be lost without a word."""
    system = _table(mariadb_site, "v VARCHAR(20), n LONGTEXT", FieldSpec("v"), FieldSpec("n"))
    mariadb_site.user().execute("INSERT INTO thing VALUES ('a', CONCAT('ä', CHAR(0), '😀'), 'kept')")
    found = await _fields(system, "a")
    assert found == {"v": "ä\0😀", "n": "kept"}
    with pytest.raises(ValueFault, match="NUL"):
        canonical(found["v"], FieldType.TEXT)


async def test_letters_that_a_column_lacks_stop_only_their_own_record_in_mariadb(mariadb_site: Site) -> None:
    """They cannot even be compared with its text: one such key would stop the reading of all."""
    site = mariadb_site
    site.user().execute(
        "CREATE TABLE thing (code VARCHAR(20) PRIMARY KEY, n TEXT) ENGINE = InnoDB CHARACTER SET latin1"
    )
    site.objects = (ObjectSpec("thing", "code", (FieldSpec("n"),)),)
    system = site.system()
    refused, accepted = await system.target.apply([_thing("a", n="😀"), _thing("b", n="ä€")])
    assert (refused.reason, accepted.kind) == (Reason.INVALID, OutcomeKind.ACCEPTED)
    assert "😀" not in refused.text
    assert system.reader is not None
    rows = (await system.reader.read("thing", ["😀", "b", "Ω"])).rows
    assert [row.fields for row in rows] == [None, {"n": "ä€"}, None]
    assert await system.target.find("thing", {"n": "😀"}) == []
    assert [row.key for row in await system.target.find("thing", {"n": "ä€"})] == ["b"]
    assert (await apply_one(system, _thing("😀", n="x"))).reason is Reason.INVALID


async def test_letters_that_a_database_lacks_stop_only_their_own_record_in_postgresql(
    postgresql_site: Site,
) -> None:
    site = postgresql_site
    name = f"{site.one('SELECT current_database()')}_latin1"
    owner = site.user()
    owner.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    connection = site.connection.replace(site.one("SELECT current_database()"), name)
    there = site.odbc.connect(connection, autocommit=True)
    there.execute("CREATE TABLE thing (code VARCHAR(20) PRIMARY KEY, n TEXT)")
    there.execute("INSERT INTO thing VALUES ('b', 'ä')")
    there.close()
    site.objects, site.adapter_connection = (ObjectSpec("thing", "code", (FieldSpec("n"),)),), connection
    system = site.system()
    assert system.reader is not None
    rows = (await system.reader.read("thing", ["😀", "b"])).rows
    assert [row.fields for row in rows] == [None, {"n": "ä"}]
    assert await system.target.find("thing", {"n": "😀"}) == []
