"""Numbers, dates and keys in IDoc form."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.idoc.format.values import (
    check_value,
    from_units,
    iso_unit,
    pad_key,
    read_date,
    read_decimal,
    read_floating,
    read_moment,
    read_numc,
    to_units,
    trim_key,
    write_date,
    write_decimal,
    write_long,
)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=2))
def test_a_number_keeps_value_and_decimals(number: Decimal) -> None:
    text = write_decimal(number)
    back = read_decimal(text)
    assert back == number
    assert back is not None and back.as_tuple().exponent == number.as_tuple().exponent
    assert "E" not in text and not text.startswith("-")


@pytest.mark.parametrize(
    ("text", "number"),
    [("8924.80-", "-8924.80"), ("-8924.80", "-8924.80"), ("  0010.500", "10.500"), ("000", "0"), ("5+", "5")],
)
def test_the_sign_stands_behind_and_in_front_is_understood(text: str, number: str) -> None:
    assert read_decimal(text) == Decimal(number)


@pytest.mark.parametrize("text", ["-1-", "1,50", "1.000,00", "abc", "1e5", "١٢"])
def test_what_is_no_number_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError) as error:
        read_decimal(text)
    assert text not in str(error.value)


def test_a_blank_number_is_none() -> None:
    assert read_decimal("   ") is None


@given(st.dates(min_value=date(1900, 1, 1)) | st.none())
def test_a_date_comes_back(day: date | None) -> None:
    assert read_date(write_date(day)) == day


def test_eight_zeros_are_no_date() -> None:
    assert read_date("00000000") is None
    assert write_date(None) == "00000000"


def test_24_o_clock_is_the_next_midnight() -> None:
    assert read_moment("20261231", "240000") == datetime(2027, 1, 1)


@pytest.mark.parametrize("text", ["20260230", "2026031", "14.03.26"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_date(text)


def test_numeric_keys_are_padded_and_others_left_alone() -> None:
    assert pad_key("100001", 10) == "0000100001"
    assert pad_key("KUNDE1", 10) == "KUNDE1"
    assert trim_key("0000100001") == "100001"
    assert trim_key("0000") == "0"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_code_units_come_back(text: str) -> None:
    assert from_units(to_units(text)) == text


def test_the_end_of_the_last_day_is_no_moment_and_no_crash() -> None:
    with pytest.raises(ValueError, match="calendar"):
        read_moment("99991231", "240000")
    assert read_moment("99991231", "235959") == datetime(9999, 12, 31, 23, 59, 59)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.2500000000000000E+02", "125"), ("-1.5E-01", "-0.15"), ("1.5E-01-", "-0.15"), ("12.5-", "-12.5")],
)
def test_floating_point_may_have_an_exponent_with_its_sign(text: str, number: str) -> None:
    assert read_floating(text) == Decimal(number)
    check_value(text, "FLTP")


@pytest.mark.parametrize("text", ["1.5E+02", "1E5"])
def test_no_other_number_has_an_exponent(text: str) -> None:
    for kind in ("DEC", "CURR", "QUAN"):
        with pytest.raises(ValueError):
            check_value(text, kind)


@pytest.mark.parametrize("text", ["1 0", "10 A", "1\u0660"])
def test_digits_with_blanks_between_them_are_no_number_of_digits(text: str) -> None:
    with pytest.raises(ValueError):
        check_value(text, "NUMC")
    with pytest.raises(ValueError):
        read_numc(text)


@pytest.mark.parametrize(
    ("inside", "outside"), [("ST", "PCE"), ("KG", "KGM"), ("PCE", "PCE"), ("H87", "H87")]
)
def test_units_go_out_as_iso_codes_and_those_that_are_stay(inside: str, outside: str) -> None:
    assert iso_unit(inside) == outside


def test_a_key_longer_than_its_field_is_not_cut() -> None:
    assert pad_key("12345678901", 10) == "12345678901"


def test_a_long_value_of_characters_of_two_units_does_not_go_into_the_short_field() -> None:
    assert write_long("MATNR", "\U0001f600" * 10, 18)["MATNR"] == ""
