"""What a column would store as something else is refused; all else comes back as it was, in groups, too."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.odbc.system import TableReader
from adapters.odbc.target import LedgerTarget
from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, OutcomeKind, Reason
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import System
from tests.odbc.apply.watch import applied
from tests.odbc.site import Site, create

_TEXT, _WHOLE, _DECIMAL = FieldType.TEXT, FieldType.INTEGER, FieldType.DECIMAL
_DAY, _MOMENT, _FLAG = FieldType.DATE, FieldType.DATETIME, FieldType.BOOLEAN
_Case = tuple[str, FieldType, list[RawValue], list[RawValue]]

#: Column, kind of the field, what it keeps, and what it would store as something else.
_MARIADB: list[_Case] = [
    ("ENUM('open','closed','it''s','a\\\\b')", _TEXT, ["open", "it's", "a\\b"], ["2", "OPEN", "", "no"]),
    ("ENUM('N','Y')", _FLAG, [], [True, False]),
    ("ENUM('N','Y')", _WHOLE, [], [1, 2]),
    ("SET('open','closed')", _TEXT, ["open,closed", "closed"], ["2", "closed,open", "open,open", "0"]),
    ("YEAR", _WHOLE, [1901, 2155], [0, 5, 70, 1900]),
    ("YEAR", _TEXT, ["2026"], ["26", "1.5"]),
    ("BIT(64)", _WHOLE, [0, 2**64 - 1], [-1, 2**64]),
    ("BIGINT UNSIGNED", _WHOLE, [2**64 - 1], [-1, 2**64]),
    ("INT(6) ZEROFILL", _TEXT, ["000042", "1234567"], []),
    ("INT", _TEXT, ["42"], ["007", "1.5", "1e3", " 4"]),
    ("DECIMAL(10,2)", _TEXT, ["1.50"], ["1.5", "1.505", "1e3"]),
    ("DECIMAL(65,30)", _DECIMAL, [Decimal("12345678901234567890.123456789012345678901234567891")], []),
    ("FLOAT(7,2)", _DECIMAL, [Decimal("1.25")], [Decimal("1.239")]),
    ("DOUBLE(10,2)", _DECIMAL, [Decimal("-99.99")], [Decimal("1.239"), Decimal("1e-7")]),
    ("TIME", _TEXT, ["12:30:00", "-838:59:59"], ["1230", "12:30", "2"]),
    ("TIME", _DAY, [], [date(2026, 2, 28)]),
    ("VARCHAR(9) CHARACTER SET latin1", _TEXT, ["é€", "?"], ["😀", "ŧ"]),
    ("VARCHAR(3)", _TEXT, ["😀😀😀"], ["😀😀😀 ", "abcd"]),
]
_POSTGRESQL: list[_Case] = [
    ('"char"', _TEXT, ["x"], ["xy", "é"]),
    ("name", _TEXT, ["x" * 63], ["x" * 64]),
    ("money", _DECIMAL, [Decimal("-1234567.89")], [Decimal("1.005")]),
    ("int", _TEXT, ["42"], ["007", "1.5", " 4"]),
    ("numeric(10,2)", _TEXT, ["1.50"], ["1.5", "1.505", "1e3"]),
    ("numeric(60,30)", _DECIMAL, [Decimal("12345678901234567890.123456789012345678901234567891")], []),
    ("time", _TEXT, ["12:30:00"], ["1230", "12:30"]),
    ("time", _MOMENT, [], [datetime(2026, 1, 1, 12, tzinfo=UTC)]),
    ("bytea", _TEXT, ["\\x00ff"], ["ab", "\\xFF", "\\000"]),
    ("short", _TEXT, ["12345"], ["123456"]),
    ("shorter", _TEXT, ["12345"], ["123456"]),
    ('"State"', _TEXT, ["open"], ["OPEN", "open "]),
    ('"Odd"."State"', _TEXT, ["open"], ["closed"]),
    ("varchar(3)", _TEXT, ["😀😀😀"], ["😀😀😀 ", "abcd"]),
]
_MADE = (
    "CREATE DOMAIN short AS VARCHAR(5)",
    "CREATE DOMAIN shorter AS short CHECK (VALUE <> '')",
    "CREATE TYPE \"State\" AS ENUM ('open')",
    'CREATE SCHEMA "Odd"',
    'CREATE TYPE "Odd"."State" AS ENUM (\'open\')',
)


def _thing(key: str, **fields: RawValue) -> Delivery:
    made = create(f"m-{key}", "", **fields)
    return replace(made, object="thing", key=key, kind=DeliveryKind.CREATE)


def _again(delivery: Delivery) -> Delivery:
    return replace(delivery, message_id=f"{delivery.message_id}-u", kind=DeliveryKind.UPDATE)


def _table(site: Site, cases: list[tuple[str, FieldType]]) -> System:
    columns = ", ".join(f"v{place} {column}" for place, (column, _) in enumerate(cases))
    tail = " ENGINE = InnoDB CHARACTER SET utf8mb4" if site.dialect.name == "mariadb" else ""
    site.user().execute(f"CREATE TABLE thing (code VARCHAR(40) NOT NULL PRIMARY KEY, {columns}){tail}")
    fields = tuple(FieldSpec(f"v{place}", kind) for place, (_, kind) in enumerate(cases))
    site.objects = (ObjectSpec("thing", "code", fields),)
    return site.system(timezone="Europe/Berlin")


async def _stored(system: System, key: str, field: str) -> RawValue:
    assert system.reader is not None
    (row,) = (await system.reader.read("thing", [key])).rows
    return None if row.fields is None else row.fields[field]


async def test_what_a_column_would_store_as_something_else_is_refused(server_site: Site) -> None:
    site = server_site
    cases = _MARIADB if site.dialect.name == "mariadb" else _POSTGRESQL
    for statement in () if site.dialect.name == "mariadb" else _MADE:
        site.user().execute(statement)
    system = _table(site, [case[:2] for case in cases])
    kept: dict[str, tuple[str, RawValue]] = {}
    good, bad = [], []
    for place, (_, _, keeps, alters) in enumerate(cases):
        for number, value in enumerate(keeps):
            kept[f"k{place}.{number}"] = f"v{place}", value
            good.append(_thing(f"k{place}.{number}", **{f"v{place}": value}))
        bad += [_thing(f"b{place}.{number}", **{f"v{place}": value}) for number, value in enumerate(alters)]
    together = await applied(system, [*bad, *good])
    updated = await applied(system, [_again(one) for one in good])
    refused = {one.key for one, outcome in zip(bad, together, strict=False) if outcome.reason}
    assert refused == {one.key for one in bad}
    assert {outcome.reason for outcome in together[: len(bad)]} == {Reason.INVALID}
    assert {outcome.kind for outcome in [*together[len(bad) :], *updated]} == {OutcomeKind.ACCEPTED}
    assert {key: await _stored(system, key, name) for key, (name, _) in kept.items()} == {
        key: value for key, (_, value) in kept.items()
    }
    assert site.one("SELECT count(*) FROM thing") == len(kept)


async def test_a_group_keeps_letters_that_the_databases_own_character_set_lacks(mariadb_site: Site) -> None:
    """A column may have another character set than its database: one is no measure of the other."""
    site = mariadb_site
    site.user().execute(f"ALTER DATABASE {site.one('SELECT DATABASE()')} CHARACTER SET latin1")
    system = _table(site, [("VARCHAR(20)", _TEXT), ("VARCHAR(20) CHARACTER SET latin1", _TEXT)])
    batch = [_thing("a", v0="漢字😀"), _thing("b", v0="Ωmega"), _thing("c", v1="Ω"), _thing("ключ", v0="x")]
    outcomes = await applied(system, batch)
    assert [one.reason for one in outcomes] == [None, None, Reason.INVALID, None]
    assert [await _stored(system, key, "v0") for key in ("a", "b", "ключ")] == ["漢字😀", "Ωmega", "x"]
    again = await applied(system, [_again(one) for one in batch if one.key != "c"])
    assert {one.kind for one in again} == {OutcomeKind.ACCEPTED}
    assert [await _stored(system, key, "v0") for key in ("a", "b", "ключ")] == ["漢字😀", "Ωmega", "x"]


async def test_a_key_that_the_columns_character_set_lacks_is_no_other_record_in_a_group(
    mariadb_site: Site,
) -> None:
    """What a character set lacks becomes a question mark, and that may be a record's key."""
    site = mariadb_site
    site.user().execute(
        "CREATE TABLE thing (code VARCHAR(20) PRIMARY KEY, v0 VARCHAR(20))"
        " ENGINE = InnoDB CHARACTER SET latin1"
    )
    site.objects = (ObjectSpec("thing", "code", (FieldSpec("v0"),)),)
    system = site.system()
    assert {one.kind for one in await applied(system, [_thing("?"), _thing("b")])} == {OutcomeKind.ACCEPTED}
    wrong = replace(_again(_thing("Ω", v0="wrong")), key="Ω")
    right = _again(_thing("b", v0="right"))
    outcomes = await applied(system, [wrong, right])
    assert [one.reason for one in outcomes] == [Reason.GONE, None]
    dropped = replace(wrong, message_id="d", kind=DeliveryKind.DELETE)
    outcomes = await applied(system, [dropped, replace(right, message_id="again")])
    assert [one.reason for one in outcomes] == [Reason.GONE, None]
    assert await _stored(system, "?", "v0") is None


async def test_letters_of_every_plane_arrive_whole(server_site: Site) -> None:
    """Bound as wide characters, some pairs of them are miscounted on their way: others are stored behind."""
    site = server_site
    system = _table(site, [("VARCHAR(60)", _TEXT)])
    starts = [0x20, 0x80, 0x7D9, 0x2028, 0xE000, *range(0x10000, 0x10FFD0, 0x3FD7)]
    texts = ["Z\U0005f826\x8dÙÇ", *(f"{chr(start)}ab{chr(start + 0x26)}ä" for start in starts)]
    batch = [_thing(f"k{number}", v0=text) for number, text in enumerate(texts)]
    outcomes = await applied(system, batch[:1])
    outcomes += await applied(system, batch[1:-1])
    outcomes += await applied(system, batch[-1:])
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}
    assert system.reader is not None
    rows = (await system.reader.read("thing", [str(one.key) for one in batch])).rows
    assert [row.fields and row.fields["v0"] for row in rows] == texts


@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
async def test_a_moment_of_a_year_that_local_time_lacks_costs_only_itself(
    site: Site, moment: datetime, zone: str
) -> None:
    """At the ends of the calendar a zone's offset leads out of it."""
    system = site.system(timezone=zone)
    given: list[dict[str, RawValue]] = [
        {"note": "x"},
        {"moment": moment},
        {"day": moment.date()},
        {"note": "y"},
    ]
    batch = [
        replace(create(f"m{number}", ""), object="sample", key=f"K{number}", fields=fields)
        for number, fields in enumerate(given)
    ]
    paid = replace(create("p", ""), object="invoice", key="R1", fields={"paid_at": moment})
    outcomes = await applied(system, [*batch, paid])
    assert [outcomes[place].kind for place in (0, 2, 3)] == [OutcomeKind.ACCEPTED] * 3
    assert all(one.kind in {OutcomeKind.ACCEPTED, OutcomeKind.REJECTED} for one in outcomes)
    assert len(await system.target.find("invoice", {"paid_at": moment})) <= 1


_NUMBERS = itertools.count()
_CASES = {
    "mariadb": [
        ("VARCHAR(60) CHARACTER SET utf8mb4", _TEXT),
        ("LONGTEXT", _TEXT),
        ("BIGINT", _WHOLE),
        ("DECIMAL(38,9)", _DECIMAL),
        ("DOUBLE", _DECIMAL),
        ("DATE", _DAY),
        ("DATETIME(6)", _MOMENT),
        ("TIMESTAMP(6) NULL", _MOMENT),
        ("BOOLEAN", _FLAG),
    ],
    "postgresql": [
        ("VARCHAR(60)", _TEXT),
        ("TEXT", _TEXT),
        ("BIGINT", _WHOLE),
        ("NUMERIC(38,9)", _DECIMAL),
        ("DOUBLE PRECISION", _DECIMAL),
        ("DATE", _DAY),
        ("TIMESTAMP", _MOMENT),
        ("TIMESTAMPTZ", _MOMENT),
        ("BOOLEAN", _FLAG),
    ],
}
_TEXTS = st.text(max_size=70)
_AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)
_TIMES = st.datetimes(timezones=st.just(UTC))
_ROWS = st.lists(
    st.tuples(
        *(st.none() | strategy for strategy in (_TEXTS, _TEXTS, st.integers(-(2**64), 2**64), _AMOUNTS)),
        *(st.none() | strategy for strategy in (_AMOUNTS, st.dates(), _TIMES, _TIMES, st.booleans())),
    ),
    min_size=1,
    max_size=8,
)


@given(rows=_ROWS)
@settings(
    max_examples=25,
    deadline=timedelta(minutes=2),
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.invariant("I13")
async def test_any_value_comes_back_as_it_was_or_is_refused(
    server_site: Site, rows: list[tuple[RawValue, ...]]
) -> None:
    """A row of all, and a row for each value: what is refused takes nothing else with it."""
    site = server_site
    if not site.links:
        _table(site, _CASES[site.dialect.name])
    link = site.links[-1]
    target, reader = LedgerTarget(link, site.settings(), site.objects), TableReader(link)
    batch = []
    for row in rows:
        whole = {f"v{place}": value for place, value in enumerate(row)}
        for fields in (whole, *({name: value} for name, value in whole.items())):
            batch.append(_thing(str(next(_NUMBERS)), **fields))
    outcomes = await target.apply(batch)
    found = (await reader.read("thing", [str(one.key) for one in batch])).rows
    for delivery, outcome, read in zip(batch, outcomes, found, strict=True):
        if outcome.kind is OutcomeKind.ACCEPTED:
            assert read.fields is not None
            for name, value in delivery.fields.items():
                assert _plain(read.fields[name]) == _plain(value)
        else:
            assert outcome.reason is Reason.INVALID
            assert read.fields is None


def _plain(value: RawValue) -> RawValue:
    """Without what the contract declares to be equal."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).rstrip() or None
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
