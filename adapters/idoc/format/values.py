"""Values as an IDoc writes them: everything is text, left-justified, blank is initial.

Numbers carry their sign behind ("302.35-"), dates are YYYYMMDD with 00000000 for none, times HHMMSS
with 240000 for the end of the day, numeric keys are filled with leading zeros (SAP's ALPHA conversion).
"/" alone is NODATA: the sender says nothing about the field. Amounts never pass through float.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal

#: The whole value of a field that its sender leaves unsaid.
NODATA = "/"

_NUMBER = re.compile(r"(?P<lead>[+-]?)(?P<digits>\d+(?:\.\d*)?|\.\d+)(?P<trail>[+-]?)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INITIAL_DATES = {"", "00000000"}
#: SAP's types whose text is a number.
_NUMBERS = {"DEC", "CURR", "QUAN", "INT1", "INT2", "INT4", "INT8", "PREC"}
#: Units of measure as SAP keeps them, and the ISO codes that IDocs carry: those that are the same everywhere.
_ISO_UNITS = {
    "ST": "PCE",
    "PC": "PCE",
    "KAR": "CT",
    "KG": "KGM",
    "G": "GRM",
    "MG": "MGM",
    "TO": "TNE",
    "LB": "LBR",
    "M": "MTR",
    "CM": "CMT",
    "MM": "MMT",
    "KM": "KMT",
    "FT": "FOT",
    "M2": "MTK",
    "M3": "MTQ",
    "L": "LTR",
    "ML": "MLT",
    "H": "HUR",
    "STD": "HUR",
    "S": "SEC",
    "TAG": "DAY",
}
#: Fields that hold a unit of measure.
UNIT_FIELDS = frozenset({"MENEE", "PMENE", "MEINS", "MEINH", "BSTME", "GEWEI", "VOLEH", "VRKME", "SCHME"})
#: Floating point alone is written with an exponent, always with its sign: 1.5000000000000000E+02.
_FLOATING = re.compile(r"(?P<number>[^Ee]+)E(?P<exponent>[+-]\d{1,3})(?P<trail>-?)")


def read_decimal(text: str) -> Decimal | None:
    """A number in IDoc form; None for blank. The sign may stand behind (SAP) or in front (some partners).

    Raises ValueError; its text holds no part of the value.
    """
    text = text.strip()
    if not text:
        return None
    match = _NUMBER.fullmatch(text)
    if match is None or (match["lead"] and match["trail"]) or not text.isascii():
        raise ValueError("not a number with '.' as decimal point and the sign behind")
    number = Decimal(match["digits"])
    return -number if "-" in (match["lead"], match["trail"]) else number


def read_floating(text: str) -> Decimal | None:
    """A number of type FLTP, which may have an exponent ("1.5E+02"); None for blank. Raises ValueError."""
    match = _FLOATING.fullmatch(text.strip())
    if match is None:
        return read_decimal(text)
    number = read_decimal(match["number"] + match["trail"])
    if number is None:
        raise ValueError("an exponent without a number")
    return number.scaleb(int(match["exponent"]))


def write_decimal(number: Decimal) -> str:
    """A number in IDoc form: plain digits, '.' as decimal point, no thousands separator, minus behind."""
    if not number.is_finite():
        raise ValueError("not a finite number")
    text = format(abs(number), "f")
    return f"{text}-" if number < 0 else text


def read_date(text: str) -> date | None:
    """YYYYMMDD; None for blank and 00000000. Raises ValueError."""
    text = text.strip()
    if text in _INITIAL_DATES:
        return None
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise ValueError("not a date of the form YYYYMMDD")
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise ValueError("not a day of the calendar") from None


def write_date(day: date | None) -> str:
    """YYYYMMDD; 00000000 for none."""
    return "00000000" if day is None else f"{day.year:04d}{day.month:02d}{day.day:02d}"


def read_moment(day: str, clock: str) -> datetime | None:
    """Date and time of SAP's own clock, which has no zone; None for an initial date. 240000 is the next
    midnight.
    """
    on = read_date(day)
    if on is None:
        return None
    clock = clock.strip() or "000000"
    if len(clock) != 6 or not (clock.isascii() and clock.isdigit()):
        raise ValueError("not a time of the form HHMMSS")
    if clock == "240000":
        if on == date.max:
            raise ValueError("behind the last day of the calendar")
        return datetime.combine(on, time()) + timedelta(days=1)
    try:
        return datetime.combine(on, time(int(clock[:2]), int(clock[2:4]), int(clock[4:])))
    except ValueError:
        raise ValueError("not a time of the day") from None


def read_time(text: str) -> time | None:
    """HHMMSS; None for blank. 240000, the end of the day, is its last microsecond. Raises ValueError."""
    text = text.strip()
    if not text:
        return None
    if len(text) != 6 or not (text.isascii() and text.isdigit()):
        raise ValueError("not a time of the form HHMMSS")
    if text == "240000":
        return time.max
    try:
        return time(int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        raise ValueError("not a time of the day") from None


def check_value(text: str, kind: str) -> None:
    """Raise ValueError where a text is no value of an SAP data type; unknown types pass."""
    if kind in _NUMBERS:
        read_decimal(text)
    elif kind == "FLTP":
        read_floating(text)
    elif kind == "DATS":
        read_date(text)
    elif kind == "TIMS":
        read_time(text)
    elif kind in ("NUMC", "ACCP", "CLNT") and not (text.strip().isascii() and text.strip().isdigit()):
        raise ValueError("not only digits")


def write_numc(number: int | None, length: int) -> str:
    """Digits filled with leading zeros; zeros for none. Raises ValueError for one that does not fit."""
    text = str(number or 0).zfill(length)
    if number is not None and (number < 0 or len(text) > length):
        raise ValueError(f"no number of at most {length} digits")
    return text


def read_numc(text: str) -> int | None:
    """A field of digits; None for blank and for zeros, which are its initial value. Raises ValueError."""
    text = text.strip()
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("not only digits")
    return int(text or 0) or None


def long_value(fields: Mapping[str, str], name: str) -> str:
    """A field that has a longer twin since materials have 40 characters: ``NAME_LONG`` where it is filled,
    else ``NAME``.
    """
    return fields.get(f"{name}_LONG") or fields.get(name, "")


def write_long(name: str, value: str, short: int) -> dict[str, str]:
    """Both fields of such a pair: the short one only where the value fits into it, never cut."""
    return {name: value if len(to_units(value)) <= short else "", f"{name}_LONG": value}


def iso_unit(unit: str) -> str:
    """The ISO code of a unit of measure that SAP keeps otherwise ("ST" is PCE); any other stays as it is."""
    return _ISO_UNITS.get(unit.strip(), unit.strip())


def pad_key(key: str, length: int) -> str:
    """A key as SAP keeps it: digits are filled with leading zeros, anything else stays (ALPHA conversion)."""
    key = key.strip()
    return key.zfill(length) if key.isascii() and key.isdigit() else key


def trim_key(key: str) -> str:
    """A key as people write it: without leading zeros, if it is all digits."""
    key = key.strip()
    return (key.lstrip("0") or "0") if key.isascii() and key.isdigit() else key


def is_text(text: str) -> bool:
    """Whether a text holds characters only, and no half of one (JSON can say such)."""
    return text.isascii() or _SURROGATE.search(text) is None


def to_units(text: str) -> str:
    """Text as UTF-16 code units, as SAP counts: a character beyond U+FFFF becomes two surrogates."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    data = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(int.from_bytes(data[at : at + 2], "big")) for at in range(0, len(data), 2))


def width_of(text: str) -> int:
    """Characters as SAP counts them: a character beyond U+FFFF is two."""
    return len(text) if text.isascii() else len(to_units(text))


def from_units(units: str) -> str:
    """The inverse of ``to_units``. Raises ValueError where a field ends within a character."""
    if units.isascii() or _SURROGATE.search(units) is None:
        return units
    try:
        return units.encode("utf-16-be", "surrogatepass").decode("utf-16-be")
    except UnicodeDecodeError:
        raise ValueError("the field ends within a character") from None
