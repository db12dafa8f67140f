"""Values through FreeTDS and pyodbc: what arrives as it was, and what is altered without a word."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.datatypes import (
    BIGINT,
    BIT,
    CHAR,
    DATE,
    DATETIME,
    DATETIME2,
    DATETIMEOFFSET,
    DECIMAL,
    FLOAT,
    INT,
    MONEY,
    NCHAR,
    NVARCHAR,
    NVARCHAR_MAX,
    ROWVERSION,
    SMALLINT,
    TIME,
    TINYINT,
    UNIQUEIDENTIFIER,
    VARBINARY,
    VARBINARY_MAX,
    VARCHAR,
    VARCHAR_MAX,
    DataType,
)
from tests.odbc.tds.diagnosis import diagnose
from tests.odbc.tds.script import Count, Rows, Script
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

READ: list[tuple[DataType, object]] = [
    (BIT, True),
    (BIT, False),
    (TINYINT, 255),
    (SMALLINT, -32768),
    (INT, -(2**31)),
    (BIGINT, 2**53 + 1),
    (BIGINT, -(2**63)),
    (BIGINT, 2**63 - 1),
    (FLOAT, 0.1),
    (DECIMAL(18, 4), Decimal("12345678901234.5678")),
    (DECIMAL(18, 4), Decimal("-0.0001")),
    (DECIMAL(18, 4), Decimal("0.0000")),
    (DECIMAL(38, 10), Decimal("1234567890123456789012345678.0123456789")),
    (MONEY, Decimal("922337203685477.5807")),
    (MONEY, Decimal("-0.0001")),
    (NVARCHAR(40), ""),
    (NVARCHAR(40), "Größe € 𝄞"),
    (NVARCHAR(40), "a\0b"),
    (NVARCHAR_MAX, "ü" * 100_000),
    (NVARCHAR_MAX, ""),
    (NCHAR(5), "ab   "),
    (VARCHAR(40), "Größe €"),
    (VARCHAR_MAX, "€" * 10_000),
    (CHAR(5), "ab   "),
    (VARBINARY(10), b""),
    (VARBINARY(10), b"\0\xff"),
    (VARBINARY_MAX, b"\0\x01" * 70_000),
    (ROWVERSION, b"\0\0\0\0\0\0\x07\xd1"),
    (DATE, date(1, 1, 1)),
    (DATE, date(1582, 10, 15)),
    (DATE, date(9999, 12, 31)),
    (TIME(7), time(23, 59, 59, 999999)),
    (DATETIME2(7), datetime(2024, 2, 29, 23, 59, 59, 999999)),
    (DATETIME2(3), datetime(2024, 2, 29, 23, 59, 59, 123000)),
    (DATETIME2(0), datetime(1, 1, 1)),
    (DATETIME, datetime(2024, 2, 29, 23, 59, 59, 997000)),
    (DATETIME, datetime(1753, 1, 1)),
]
BOUND: list[tuple[object, str]] = [
    (True, "bit"),
    (5, "int"),
    (2**31, "bigint"),
    (2**53 + 1, "bigint"),
    (-(2**63), "bigint"),
    (0.1, "float"),
    (Decimal("12345678901234.5678"), "numeric(18,4)"),
    (Decimal("-0.0001"), "numeric(4,4)"),
    (Decimal("1234567890123456789012345678.0123456789"), "numeric(38,10)"),
    ("", "nvarchar(1)"),
    ("Größe € 𝄞", "nvarchar(20)"),
    ("a\0b", "nvarchar(6)"),
    ("x" * 100_000, "nvarchar(max)"),
    (b"", "varbinary(1)"),
    (b"\0\xff", "varbinary(2)"),
    (b"q" * 9000, "varbinary(max)"),
    (date(2024, 2, 29), "date"),
    (date(9999, 12, 31), "date"),
    (datetime(2024, 2, 29, 23, 59, 59, 123456), "datetime2(7)"),
    (uuid.UUID(int=5), "uniqueidentifier"),
]


def _name(case: object) -> str:
    text = f"{case}" if isinstance(case, DataType) else f"{case!r}"
    return text if len(text) < 45 else f"{type(case).__name__} of {len(text)}"


def _fetch(connect: Connect, script: Script, of: DataType, *values: object) -> list[Any]:
    script.on("FETCH", Rows([Column("v", of)], [(value,) for value in values]))
    return [row[0] for row in connect(autocommit=True).execute("FETCH").fetchall()]


def _bind(connect: Connect, script: Script, server: Server, value: object) -> tuple[str, object]:
    script.on("KEEP", Count(1))
    connect(autocommit=True).execute("KEEP ?", value)
    (parameter,) = server.record.asked[-1].parameters
    return str(parameter.type), parameter.value


@pytest.mark.parametrize(("of", "value"), READ, ids=_name)
def test_a_value_and_null_are_read_as_the_server_has_them(
    connect: Connect, script: Script, of: DataType, value: object
) -> None:
    read, null = _fetch(connect, script, of, value, None)
    assert (read, type(read), null) == (value, type(value), None)


@pytest.mark.parametrize(("value", "named"), BOUND, ids=_name)
def test_a_value_is_bound_as_it_is(
    connect: Connect, script: Script, server: Server, value: object, named: str
) -> None:
    of, bound = _bind(connect, script, server, value)
    assert (of, bound, type(bound)) == (named, value, type(value))


def test_the_seventh_place_of_a_time_is_lost(connect: Connect, script: Script) -> None:
    moment = datetime(2024, 2, 29, 12, 0, 0, 123456)
    assert _fetch(connect, script, DATETIME2(7), moment) == [moment]


def test_datetimeoffset_cannot_be_read_and_must_be_cast(odbc: Any, connect: Connect, script: Script) -> None:
    moment = datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    script.on("FETCH", Rows([Column("v", DATETIMEOFFSET(7))], [(moment,)]))
    with pytest.raises(odbc.ProgrammingError, match="ODBC SQL type -155 is not yet supported"):
        connect().execute("FETCH").fetchall()


def test_a_uniqueidentifier_is_read_as_text_in_capitals(connect: Connect, script: Script) -> None:
    value = uuid.UUID("0123456789abcdef0123456789abcdef")
    assert _fetch(connect, script, UNIQUEIDENTIFIER, value) == [str(value).upper()]


def test_none_is_bound_as_varchar_whatever_the_column(
    connect: Connect, script: Script, server: Server
) -> None:
    assert _bind(connect, script, server, None) == ("varchar(1)", None)


def test_none_for_a_varbinary_needs_its_size_told(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("KEEP", Count(1))
    cursor = connect().cursor()
    cursor.setinputsizes([(odbc.SQL_VARBINARY, 50, 0)])
    cursor.execute("KEEP ?", None)
    assert str(server.record.asked[-1].parameters[0].type) == "varbinary(50)"


def test_a_time_of_day_loses_its_microseconds(connect: Connect, script: Script, server: Server) -> None:
    assert _bind(connect, script, server, time(23, 59, 59, 123456)) == ("time(7)", time(23, 59, 59))


def test_a_time_zone_is_dropped(connect: Connect, script: Script, server: Server) -> None:
    moment = datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert _bind(connect, script, server, moment) == ("datetime2(7)", datetime(2024, 7, 1, 12))
    assert _bind(connect, script, server, moment.astimezone(UTC))[1] == datetime(2024, 7, 1, 10)


@pytest.mark.parametrize(
    ("day", "bound"),
    [
        (date(4, 12, 31), date(4, 12, 29)),
        (date(1000, 1, 1), date(999, 12, 31)),
        (date(1582, 10, 15), date(1582, 10, 16)),
        (date(1600, 2, 28), date(1600, 2, 29)),
        (date(1600, 3, 1), date(1600, 3, 1)),
        (date(1753, 1, 1), date(1753, 1, 1)),
    ],
    ids=str,
)
def test_a_date_before_march_1600_is_bound_as_another_day(
    connect: Connect, script: Script, server: Server, day: date, bound: date
) -> None:
    assert _bind(connect, script, server, day) == ("date", bound)


def test_the_first_day_of_all_is_bound_as_no_day_at_all(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("KEEP", Count(1))
    diagnose(odbc, lambda: connect().execute("KEEP ?", date(1, 1, 1)))
    assert server.record.forgive() == ["connection 1: Malformed: day 16777215 is no date"]


@pytest.mark.parametrize("text", ["0001-01-01", "1582-10-15"])
def test_a_date_bound_as_text_stays_that_date(
    connect: Connect, script: Script, server: Server, text: str
) -> None:
    assert _bind(connect, script, server, text)[1] == text


def test_text_is_declared_by_its_length_unless_a_size_is_told(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("KEEP", Count(1))
    cursor = connect().cursor()
    for text in ("a", "bb"):
        cursor.execute("KEEP ?", text)
    cursor.setinputsizes([(odbc.SQL_WVARCHAR, 50, 0)])
    cursor.execute("KEEP ?", "ccc")
    declared = [statement.declaration for statement in server.record.asked]
    assert declared == ["@P1 NVARCHAR(2)", "@P1 NVARCHAR(4)", "@P1 NVARCHAR(50)"]


def test_text_for_a_varchar_column_is_bound_as_nvarchar_unless_told(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("KEEP", Count(1))
    cursor = connect().cursor()
    cursor.execute("KEEP ?", "Größe €")
    cursor.setinputsizes([(odbc.SQL_VARCHAR, 50, 0)])
    cursor.execute("KEEP ?", "Größe €")
    bound = [(str(asked.parameters[0].type), asked.values) for asked in server.record.asked]
    assert bound == [("nvarchar(14)", ("Größe €",)), ("varchar(50)", ("Größe €",))]


def test_whole_numbers_beyond_64_bits_are_refused(odbc: Any, connect: Connect, script: Script) -> None:
    with pytest.raises(OverflowError):
        connect().execute("KEEP ?", 2**63)


def test_a_lone_surrogate_is_refused(connect: Connect) -> None:
    with pytest.raises(UnicodeEncodeError):
        connect().execute("KEEP ?", "\ud800")
