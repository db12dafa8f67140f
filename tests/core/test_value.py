"""Canonical values: equal means equal in every system, and nothing is lost without a word."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.change import RawValue
from agent.core.objects import FieldType
from agent.core.value import Canonical, ValueFault, canonical, raw_value
from tests.core.samples import EVERY_TIME_THE_SAME

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DECIMALS = st.decimals(min_value=-(10**12), max_value=10**12, places=2, allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda t: t.replace(tzinfo=UTC))
RAW: dict[FieldType, st.SearchStrategy[RawValue]] = {
    FieldType.TEXT: TEXT,
    FieldType.REFERENCE: TEXT,
    FieldType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    FieldType.DECIMAL: DECIMALS,
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: st.dates(),
    FieldType.DATETIME: TIMES,
}
TYPED = st.sampled_from(sorted(RAW)).flatmap(lambda t: st.tuples(st.just(t), st.none() | RAW[t]))


@EVERY_TIME_THE_SAME
@given(TYPED)
def test_a_canonical_value_is_its_own_canonical_form(typed: tuple[FieldType, RawValue]) -> None:
    type_, raw = typed
    once = canonical(raw, type_)
    assert canonical(once, type_) == once


@pytest.mark.invariant("I13")
@EVERY_TIME_THE_SAME
@given(TYPED)
def test_what_an_adapter_is_given_comes_back_as_the_same_value(typed: tuple[FieldType, RawValue]) -> None:
    type_, raw = typed
    value = canonical(raw, type_)
    assert canonical(raw_value(value, type_), type_) == value


@EVERY_TIME_THE_SAME
@given(TIMES, st.integers(-14 * 60, 14 * 60))
def test_the_same_moment_in_another_zone_is_the_same_value(moment: datetime, minutes: int) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert canonical(elsewhere, FieldType.DATETIME) == canonical(moment, FieldType.DATETIME)


@EVERY_TIME_THE_SAME
@given(TEXT)
def test_decomposed_letters_and_trailing_blanks_make_no_difference(text: str) -> None:
    other = unicodedata.normalize("NFD", text) + "   "
    assert canonical(other, FieldType.TEXT) == canonical(text, FieldType.TEXT)


@pytest.mark.parametrize(
    ("raw", "type_", "expected"),
    [
        ("  ", FieldType.TEXT, None),
        ("0012 ", FieldType.TEXT, "0012"),
        (" leading", FieldType.TEXT, " leading"),
        (12, FieldType.TEXT, "12"),
        (Decimal("-0.00"), FieldType.DECIMAL, "0.00"),
        ("12.5", FieldType.DECIMAL, "12.50"),
        (0.1, FieldType.DECIMAL, "0.10"),
        ("", FieldType.DECIMAL, None),
        ("7.0", FieldType.INTEGER, 7),
        (1, FieldType.BOOLEAN, True),
        ("False", FieldType.BOOLEAN, False),
        ("00000000", FieldType.DATE, None),
        ("20260301", FieldType.DATE, "2026-03-01"),
        (datetime(2026, 3, 1, 23, 59, tzinfo=UTC), FieldType.DATE, "2026-03-01"),
        ("2026-03-01T09:00:00.123+01:00", FieldType.DATETIME, "2026-03-01T08:00:00.123Z"),
        ("", FieldType.DATETIME, None),
        ("0001-01-01T00:00:00Z", FieldType.DATETIME, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_values_as_systems_write_them(raw: RawValue, type_: FieldType, expected: Canonical) -> None:
    assert canonical(raw, type_) == expected


@pytest.mark.parametrize(
    ("raw", "type_"),
    [
        (Decimal("1.005"), FieldType.DECIMAL),
        (True, FieldType.DECIMAL),
        ("twelve", FieldType.DECIMAL),
        (Decimal("NaN"), FieldType.DECIMAL),
        (Decimal("Infinity"), FieldType.DECIMAL),
        (1.5, FieldType.TEXT),
        (date(2026, 3, 1), FieldType.TEXT),
        ("a\0b", FieldType.TEXT),
        (True, FieldType.INTEGER),
        ("1.5", FieldType.INTEGER),
        ("seven", FieldType.INTEGER),
        (Decimal("Infinity"), FieldType.INTEGER),
        (Decimal("NaN"), FieldType.INTEGER),
        ("sNaN", FieldType.INTEGER),
        ("inf", FieldType.INTEGER),
        ("1e99999", FieldType.INTEGER),
        ("1e99999", FieldType.DECIMAL),
        ("0001-01-01T00:00:00+01:00", FieldType.DATETIME),
        ("9999-12-31T23:59:59-01:00", FieldType.DATETIME),
        (2**63, FieldType.INTEGER),
        ("half \ud83d", FieldType.TEXT),
        ("yes", FieldType.BOOLEAN),
        (2, FieldType.BOOLEAN),
        ("2026-02-30", FieldType.DATE),
        ("2026-03-01T09:00:00", FieldType.DATETIME),
        ("noon", FieldType.DATETIME),
    ],
)
def test_what_would_be_lost_is_refused_and_never_repeated(raw: RawValue, type_: FieldType) -> None:
    with pytest.raises(ValueFault) as fault:
        canonical(raw, type_)
    if isinstance(raw, str) and raw.strip():
        assert raw not in str(fault.value)


def test_more_decimal_places_than_the_contract_has_are_refused_not_rounded() -> None:
    with pytest.raises(ValueFault):
        canonical("0.125", FieldType.DECIMAL, 2)
    assert canonical("0.125", FieldType.DECIMAL, 3) == "0.125"
