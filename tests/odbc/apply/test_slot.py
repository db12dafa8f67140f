"""Values of columns that need nothing are bound by a shorter way, which gives what the long one gives."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.odbc.apply.slot import Slot
from adapters.odbc.catalog import Column
from adapters.odbc.values import Unfit, encode
from agent.core.change import RawValue
from agent.core.objects import FieldType

BERLIN = ZoneInfo("Europe/Berlin")
COLUMNS = (
    Column("c", "varchar", 5),
    Column("c", "text"),
    Column("c", "nvarchar", 5),
    Column("c", "bpchar", 5),
    Column("c", "enum", members=("a", "b")),
    Column("c", "varchar", 5, charset="latin-1"),
    Column("c", "varchar", 5, no_empty=True),
    Column("c", "numeric", scale=2),
    Column("c", "numeric", scale=0),
    Column("c", "numeric"),
    Column("c", "decimal", scale=4, filled=True),
    Column("c", "decimal", 3, scale=2),
    Column("c", "int8", scale=0),
    Column("c", "bigint", scale=0, filled=True),
    Column("c", "smallint"),
    Column("c", "year", scale=0),
    Column("c", "oid", scale=0),
    Column("c", "float8"),
    Column("c", "date"),
    Column("c", "date", fraction=0),
    Column("c", "date", 4),
    Column("c", "timestamp", fraction=3),
    Column("c", "timestamptz", zoned=True, fraction=6),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
    st.text(max_size=8),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.integers().map(str),
    st.integers(min_value=-1, max_value=10**31).map(str),
    st.from_regex(r"[0-9]{1,3}", fullmatch=True),
    st.dates().map(str),
    st.decimals().map(str),
)


def _said(column: Column, kind: FieldType, value: RawValue, *, slot: bool) -> tuple[str, str | None]:
    """The text, or why there is none."""
    try:
        if slot:
            return "text", Slot.of(column, kind).text(value, BERLIN)
        return "text", encode(column, kind, value, BERLIN)
    except Unfit as unfit:
        return unfit.code, str(unfit)


@settings(max_examples=2_000)
@given(st.sampled_from(COLUMNS), st.sampled_from(FieldType), VALUES)
@example(Column("c", "numeric", scale=2), FieldType.DECIMAL, Decimal("-0.0"))
@example(Column("c", "numeric", scale=2), FieldType.DECIMAL, Decimal("1.234"))
@example(Column("c", "numeric", scale=2), FieldType.DECIMAL, Decimal("1.2300"))
@example(Column("c", "numeric", scale=9), FieldType.DECIMAL, Decimal("1E-7"))
@example(Column("c", "date"), FieldType.DATE, datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
@example(Column("c", "int8", scale=0), FieldType.TEXT, "007")
@example(Column("c", "int8", scale=0), FieldType.REFERENCE, "0")
@example(Column("c", "varchar", 5), FieldType.TEXT, "abcdef")
@example(Column("c", "varchar", 5), FieldType.TEXT, "a\0b")
@example(Column("c", "date"), FieldType.DATE, date(1, 1, 1))
def test_the_shorter_way_says_what_the_long_one_says(
    column: Column, kind: FieldType, value: RawValue
) -> None:
    assert _said(column, kind, value, slot=True) == _said(column, kind, value, slot=False)


@pytest.mark.parametrize(
    ("column", "kind", "value", "text"),
    [
        (Column("c", "varchar", 5), FieldType.TEXT, "abc", "abc"),
        (Column("c", "int8", scale=0), FieldType.TEXT, "4711", "4711"),
        (Column("c", "numeric", scale=2), FieldType.DECIMAL, Decimal("19.9"), "19.90"),
        (Column("c", "date"), FieldType.DATE, date(2026, 1, 31), "2026-01-31"),
    ],
)
def test_the_shorter_way_is_taken(
    column: Column, kind: FieldType, value: RawValue, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("adapters.odbc.apply.slot.encode")
    assert Slot.of(column, kind).text(value, BERLIN) == text
