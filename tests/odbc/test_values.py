"""Values on paper: what is canonical, what is refused before it is sent, what means the same. No database."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.odbc.catalog import Column, blank_of, retyped
from adapters.odbc.values import Unfit, decode, encode, encode_key, same
from agent.core.objects import FieldType

_BERLIN = ZoneInfo("Europe/Berlin")
_LATE = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def _column(type_name: str = "varchar", **changes: Any) -> Column:
    return Column("c", type_name, **changes)


@pytest.mark.parametrize(
    ("column", "kind", "stored", "value"),
    [
        (_column("bpchar"), FieldType.TEXT, "ab   ", "ab"),
        (_column("varchar"), FieldType.TEXT, "ab   ", "ab   "),
        (_column("int8"), FieldType.INTEGER, "9007199254740993", 9007199254740993),
        (_column("numeric"), FieldType.INTEGER, "5.000", 5),
        (
            _column("numeric"),
            FieldType.DECIMAL,
            "12345678901234567890.1234",
            Decimal("12345678901234567890.1234"),
        ),
        (_column("bool"), FieldType.BOOLEAN, "true", True),
        (_column("char"), FieldType.BOOLEAN, "0", False),
        (_column("date"), FieldType.DATE, "2026-02-28", date(2026, 2, 28)),
        (_column("timestamp"), FieldType.DATE, "2026-02-28 00:00:00.000", date(2026, 2, 28)),
        (_column("timestamptz", zoned=True), FieldType.DATE, "2026-02-27 23:00:00", date(2026, 2, 28)),
        (
            _column("timestamp"),
            FieldType.DATETIME,
            "2026-07-01 12:00:00",
            datetime(2026, 7, 1, 10, tzinfo=UTC),
        ),
        (
            _column("timestamptz", zoned=True),
            FieldType.DATETIME,
            "2026-07-01 12:00:00",
            datetime(2026, 7, 1, 12, tzinfo=UTC),
        ),
        # clocks are put forward at 02:00: the hour that does not exist is the one after
        (
            _column("timestamp"),
            FieldType.DATETIME,
            "2026-03-29 02:30:00",
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        ),
        (
            _column("timestamp"),
            FieldType.DATETIME,
            "2026-10-25 02:30:00",
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        ),
    ],
)
def test_stored_text_becomes_its_canonical_value(
    column: Column, kind: FieldType, stored: str, value: object
) -> None:
    found = decode(column, kind, stored, _BERLIN)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (FieldType.DATE, "infinity"),
        (FieldType.DATE, "0044-03-15 BC"),
        (FieldType.DATE, "10000-01-01"),
        (FieldType.DATE, "2026-02-28 10:30:00"),
        (FieldType.DATE, "0000-00-00"),
        (FieldType.DATETIME, "-infinity"),
        (FieldType.DATETIME, "0044-03-15 12:00:00 BC"),
        (FieldType.DATETIME, "10000-01-01 00:00:00"),
        (FieldType.DATETIME, "0001-01-01 00:00:00"),
        (FieldType.DATETIME, "0000-00-00 00:00:00"),
        (FieldType.INTEGER, "1.5"),
        (FieldType.INTEGER, "1e999999999"),
        (FieldType.INTEGER, "NaN"),
        (FieldType.DECIMAL, "NaN"),
        (FieldType.DECIMAL, "-Infinity"),
        (FieldType.DECIMAL, "$1,000.00"),
        (FieldType.BOOLEAN, "maybe"),
    ],
)
def test_what_the_contract_cannot_hold_is_unreadable_and_never_cut(kind: FieldType, stored: str) -> None:
    with pytest.raises(Unfit) as unfit:
        decode(_column(), kind, stored, _BERLIN)
    assert unfit.value.code == "unreadable" and stored not in str(unfit.value)


@pytest.mark.parametrize(
    ("column", "kind", "value", "code"),
    [
        (_column("varchar", length=3), FieldType.TEXT, "abcd", "too-long"),
        (_column("bpchar", length=3), FieldType.TEXT, "abc  ", None),
        (_column("text"), FieldType.TEXT, "a\0b", "nul"),
        (_column("text"), FieldType.TEXT, "\udfff", "surrogate"),
        (_column("numeric", scale=2), FieldType.DECIMAL, Decimal("1.005"), "scale"),
        (_column("bigint", scale=0), FieldType.DECIMAL, Decimal("1.5"), "scale"),
        (_column("float8"), FieldType.DECIMAL, Decimal("12345678901234.5678"), "binary"),
        (_column("float8"), FieldType.DECIMAL, Decimal("12345678901.25"), None),
        (_column("real"), FieldType.DECIMAL, Decimal("1.234567"), "binary"),
        (_column("real"), FieldType.DECIMAL, Decimal("1.5"), None),
        (_column("real"), FieldType.DECIMAL, Decimal("1e300"), "binary"),
        (
            _column("datetime", fraction=0),
            FieldType.DATETIME,
            _LATE.replace(month=1, microsecond=1000),
            "precision",
        ),
        (_column("datetime", fraction=3), FieldType.DATETIME, _LATE.replace(month=1, microsecond=1000), None),
        (_column("time", fraction=0), FieldType.TEXT, "10:00:00.5", "precision"),
        (_column("time", fraction=0), FieldType.TEXT, "10:00:00.000", None),
        (_column("timestamp", fraction=6), FieldType.TEXT, "2026-01-01 10:00:00+02:00", "zone"),
        (_column("date"), FieldType.TEXT, "2026-01-01 10:00:00", "precision"),
        (_column("timestamp"), FieldType.DATETIME, _LATE, "ambiguous"),
        (_column("timestamptz", zoned=True), FieldType.DATETIME, _LATE, None),
        (_column("timestamptz", zoned=True), FieldType.TEXT, "tomorrow", "unreadable"),
    ],
)
def test_what_a_column_would_alter_is_refused_before_it_is_sent(
    column: Column, kind: FieldType, value: object, code: str | None
) -> None:
    if code is None:
        assert encode(column, kind, value, _BERLIN) is not None
        return
    with pytest.raises(Unfit) as unfit:
        encode(column, kind, value, _BERLIN)
    assert unfit.value.code == code


def test_a_text_with_an_offset_reaches_a_column_with_a_zone_in_utc() -> None:
    """The database would drop the offset from what it is told is a time without one."""
    column = _column("timestamptz", zoned=True)
    assert encode(column, FieldType.TEXT, "2026-07-01T12:00:00+02:00", _BERLIN) == "2026-07-01 10:00:00"


def test_a_day_in_a_column_of_points_in_time_is_its_midnight_at_the_erp() -> None:
    column = _column("timestamptz", zoned=True)
    assert encode(column, FieldType.DATE, date(2026, 7, 1), _BERLIN) == "2026-06-30 22:00:00"


def test_null_is_the_blank_that_a_column_without_null_defaults_to() -> None:
    assert encode(_column(blank=""), FieldType.TEXT, None, _BERLIN) == ""
    assert encode(_column(blank=" "), FieldType.TEXT, None, _BERLIN) == " "
    assert encode(_column(), FieldType.TEXT, None, _BERLIN) is None


@pytest.mark.parametrize("blank", [None, " "])
@pytest.mark.parametrize("value", ["", None])
def test_an_empty_text_is_null_where_the_database_makes_it_null(value: str | None, blank: str | None) -> None:
    """Oracle: a search for an empty text finds nothing, and a column without null refuses it."""
    column = _column("varchar2", no_empty=True, blank=blank)
    assert encode(column, FieldType.TEXT, value, _BERLIN) == blank
    assert same(column, FieldType.TEXT, blank, value, _BERLIN)


@pytest.mark.parametrize(
    ("charset", "text", "fits"),
    [("cp1252", "Größe €", True), ("cp1252", "Ω", False), ("cp037", "Größe", True), ("cp037", "€", False)],
)
def test_letters_that_a_code_page_lacks_are_refused_not_replaced(charset: str, text: str, fits: bool) -> None:
    """SQL Server stores a question mark instead, DB2 for i a substitution character."""
    column = _column(charset=charset)
    assert (encode_key(column, text) is not None) is fits
    if fits:
        assert encode(column, FieldType.TEXT, text, _BERLIN) == text
        return
    with pytest.raises(Unfit) as unfit:
        encode(column, FieldType.TEXT, text, _BERLIN)
    assert unfit.value.code == "charset"


def test_a_column_of_minutes_takes_no_seconds() -> None:
    column = _column("smalldatetime", fraction=0)
    assert encode(column, FieldType.DATETIME, datetime(2026, 1, 1, 10, 30, tzinfo=UTC), _BERLIN)
    with pytest.raises(Unfit, match="seconds, in a column of minutes"):
        encode(column, FieldType.DATETIME, datetime(2026, 1, 1, 10, 30, 1, tzinfo=UTC), _BERLIN)


def test_the_servers_own_catalog_corrects_what_an_old_driver_tells() -> None:
    """FreeTDS tells of every type newer than 2005 as nvarchar."""
    told = retyped(_column("nvarchar", length=27, blank=""), ("c", "datetime2", None, None, 7, None))
    assert (told.type_name, told.length, told.fraction, told.blank) == ("datetime2", None, 7, "")
    assert retyped(_column(), ("c", "varchar", 40, None, None, 1252)).charset == "cp1252"
    assert retyped(_column(), ("c", "CHAR", 40, None, None, 37)).charset == "cp037"
    assert retyped(_column(), ("c", "VARCHAR2", 40, None, None, "iso8859-1")).charset == "iso8859-1"
    assert retyped(_column(), ("c", "VARCHAR", 40, None, None, 1208)).charset == ""
    assert retyped(_column(), ("c", "datetimeoffset", None, None, 7, None)).zoned
    assert retyped(_column(), ("c", "NUMBER", None, None, None, None)).scale is None
    assert retyped(_column(), ("c", "int", None, 0, None, None)).scale == 0


@pytest.mark.parametrize(
    ("nullable", "default", "blank"),
    [
        (0, "''", ""),
        (0, "''::character varying", ""),
        (0, "N' '", " "),
        (0, "('')", ""),
        (1, "''", None),
        (0, None, None),
        (0, "'Z030'", None),
        (0, "'' || 'x'", None),
    ],
)
def test_only_a_columns_own_default_says_what_it_holds_instead_of_null(
    nullable: int, default: str | None, blank: str | None
) -> None:
    row: list[object] = [None] * 18
    row[10], row[12] = nullable, default
    assert blank_of(row) == blank


@pytest.mark.parametrize(
    ("kind", "found", "seen", "equal"),
    [
        (FieldType.TEXT, "", None, True),
        (FieldType.TEXT, "ab  ", "ab", True),
        (FieldType.TEXT, "e\u0301", "\u00e9", True),
        (FieldType.TEXT, "a", "A", False),
        (FieldType.DECIMAL, "10.00", Decimal(10), True),
        (
            FieldType.DATETIME,
            "2026-01-01 10:00:00.123456",
            datetime(2026, 1, 1, 9, 0, 0, 123000, tzinfo=UTC),
            True,
        ),
        (
            FieldType.DATETIME,
            "2026-01-01 10:00:00.124",
            datetime(2026, 1, 1, 9, 0, 0, 123000, tzinfo=UTC),
            False,
        ),
        (FieldType.DATE, "infinity", "infinity", False),
    ],
)
def test_a_stored_value_is_the_one_last_seen_under_the_contracts_equivalences(
    kind: FieldType, found: object, seen: object, equal: bool
) -> None:
    assert same(_column(), kind, found, seen, _BERLIN) is equal


@pytest.mark.parametrize(
    ("type_name", "key", "bound"),
    [
        ("integer", "12", "12"),
        ("integer", "1.5", None),
        ("integer", "x", None),
        ("numeric", "1.50", "1.50"),
        ("numeric", "Infinity", None),
        ("numeric", "1e999999999", None),
        ("uuid", "6CCD780C-BABA-1026-9564-5B8C656024DB", "6ccd780c-baba-1026-9564-5b8c656024db"),
        ("uuid", "none", None),
        ("varchar", "a\0", None),
        ("varchar", "\ud800", None),
        ("varchar", "A-1", "A-1"),
    ],
)
def test_a_key_that_no_row_can_have_is_not_asked_for(type_name: str, key: str, bound: str | None) -> None:
    assert encode_key(_column(type_name), key) == bound
