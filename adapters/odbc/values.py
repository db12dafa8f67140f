"""Values on their way into and out of the ERP. Everything travels as text: drivers alter it least."""

from __future__ import annotations

import re
import struct
import unicodedata
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Context, Decimal, InvalidOperation
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.odbc.catalog import Column
from agent.core.change import RawValue
from agent.core.objects import FieldType


class Unfit(Exception):
    """A value that the column cannot hold, or that nobody can understand. Its text never names the value."""

    def __init__(self, column: str, code: str, text: str) -> None:
        super().__init__(f"{column}: {text}")
        self.code = code


_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false", ""})
#: A number beyond this many digits is none that a column holds; to write it out could fill the memory.
_LONGEST_NUMBER = 1000
_SINGLE = frozenset({"float4", "real"})
_DOUBLE = frozenset({"float8", "double", "double precision", "binary_double"})
_UUID = frozenset({"uuid", "uniqueidentifier"})
_DIGITS = Context(prec=2 * _LONGEST_NUMBER)
#: Numbers beyond which a column stores another one without a word. A year of two digits gets a century.
_RANGES = {"bit": (0, 2**64 - 1), "oid": (0, 2**32 - 1), "year": (1901, 2155)}
#: How texts are written that a column would else take for others.
_FORMS = {
    "time": re.compile(r"-?\d{1,3}:\d\d:\d\d(\.\d+)?"),
    "timetz": re.compile(r"\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d(:\d\d)?"),
    "bytea": re.compile(r"\\x([0-9a-f]{2})*"),
}
_FRACTION = re.compile(r"\.(\d+?)0*(?=\D|$)")


def decode(column: Column, kind: FieldType, value: object, zone: ZoneInfo) -> RawValue:
    """A value as read (text) or as the mirror remembers it, in its canonical type. Raises Unfit.

    Nothing is cut: an infinite date, a year before Christ, a fraction in a whole number are unreadable.
    """
    if value is None:
        return None
    try:
        match kind:
            case FieldType.INTEGER:
                return _integer(str(value))
            case FieldType.DECIMAL:
                return _decimal(str(value))
            case FieldType.BOOLEAN:
                return _boolean(value)
            case FieldType.DATE:
                return _date(value, zone if column.zoned else None)
            case FieldType.DATETIME:
                return _datetime(value, UTC if column.zoned else zone)
            case _:
                return str(value).rstrip(" ") if column.padded else str(value)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise Unfit(column.name, "unreadable", f"the stored value is no {kind.value}") from error


def same(column: Column, kind: FieldType, found: object, seen: object, zone: ZoneInfo) -> bool:
    """Whether a stored value is the one last seen, under the equivalences that the contract declares.

    Times are equal to the millisecond, text without trailing blanks, blank text is null.
    """
    if kind is FieldType.TEXT and type(found) is str and found == seen:
        return True
    try:
        return _canonical(decode(column, kind, found, zone)) == _canonical(decode(column, kind, seen, zone))
    except Unfit:
        return False


def _canonical(value: RawValue) -> RawValue:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).rstrip() or None
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST_NUMBER:
        raise ValueError("not a finite number")
    return number


def _integer(text: str) -> int:
    number = _decimal(text)
    if number != number.to_integral_value():
        raise ValueError("a fraction")
    return int(number)


def _boolean(value: object) -> bool:
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("not a boolean")


def _date(value: object, zone: ZoneInfo | None) -> date:
    """A day; ``zone``: of a column of points in time. A time of day other than midnight would be lost."""
    if type(value) is date:
        return value
    text = str(value)
    if len(text) == 10:
        return date.fromisoformat(text)
    moment = _datetime(text, UTC).astimezone(zone) if zone else datetime.fromisoformat(text)
    if moment.time() != time():
        raise ValueError("a date with a time of day")
    return moment.date()


def _datetime(value: object, zone: tzinfo) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def encode(column: Column, kind: FieldType, value: object, zone: ZoneInfo) -> str | None:
    """A value as the text to bind for the column. Raises Unfit where the ERP would alter it silently."""
    if value is None:
        return column.blank
    if column.zoned and kind is not FieldType.DATE:
        kind = FieldType.DATETIME  # whatever else it is: a text's offset would be dropped without a word
    canonical = decode(column, kind, value, zone)
    if isinstance(canonical, bool):
        return _checked(column, "1" if canonical else "0")
    if isinstance(canonical, int | Decimal):
        return _number_text(column, Decimal(canonical))
    if isinstance(canonical, datetime):
        return _datetime_text(column, canonical, zone)
    if isinstance(canonical, date):
        return _date_text(column, canonical, zone)
    if canonical == "" and column.no_empty:
        return column.blank
    text = _checked(column, str(canonical))
    if column.scale is not None and not column.filled:
        _check_digits(column, text)
    return text


def _check_digits(column: Column, text: str) -> None:
    """A text in a column of numbers: one that is written otherwise than the number would come back so."""
    try:
        kept = _number_text(column, Decimal(text))
    except InvalidOperation:
        return  # no number at all: the database says so
    if kept != text:
        raise Unfit(column.name, "form", "the column would write this number otherwise")


def _number_text(column: Column, value: Decimal) -> str:
    if column.scale is not None:
        exponent = Decimal(1).scaleb(-column.scale)
        try:
            fitted = value.quantize(exponent, context=_DIGITS)
        except InvalidOperation as error:
            raise Unfit(column.name, "too-large", "more digits than a decimal can hold") from error
        if fitted != value:
            raise Unfit(column.name, "scale", f"more than {column.scale} decimal places")
        value = fitted
    lowest, highest = _RANGES.get(column.type_name, (value, value))
    if not lowest <= value <= highest:
        raise Unfit(column.name, "range", "the column would take this number for another one")
    if column.type_name in _SINGLE | _DOUBLE and not _floats(column, value):
        raise Unfit(column.name, "binary", "more digits than a column of floating point keeps")
    text = format(value, "f")
    return _checked(column, text.zfill(4) if column.type_name == "year" else text)


def _floats(column: Column, value: Decimal) -> bool:
    """Whether what the column stores is read as the same number again."""
    try:
        if column.type_name in _DOUBLE:
            return Decimal(repr(float(value))) == value
        (single,) = struct.unpack("f", struct.pack("f", float(value)))
    except OverflowError:
        return False
    return Decimal(f"{single:.6g}") == value


def _datetime_text(column: Column, value: datetime, zone: ZoneInfo) -> str:
    try:
        local = value.astimezone(UTC if column.zoned else zone)
    except OverflowError as error:
        raise Unfit(column.name, "range", "local time has no such year") from error
    if local.fold:
        text = "clocks are put back then: the column's local time means the hour before"
        raise Unfit(column.name, "ambiguous", text)
    return _checked(column, local.replace(tzinfo=None).isoformat(sep=" "))


def _date_text(column: Column, value: date, zone: ZoneInfo) -> str:
    if not column.zoned:
        return _checked(column, value.isoformat())
    midnight = datetime(value.year, value.month, value.day, tzinfo=zone)
    try:
        return midnight.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
    except OverflowError as error:
        raise Unfit(column.name, "range", "its midnight is before the year 1") from error


def _checked(column: Column, text: str) -> str:
    if "\0" in text:
        raise Unfit(column.name, "nul", "contains a NUL character, which the driver would cut at")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unfit(column.name, "surrogate", "contains a lone surrogate") from error
    if column.length is not None and len(text.rstrip(" ") if column.padded else text) > column.length:
        raise Unfit(column.name, "too-long", f"longer than {column.length} characters")
    if column.charset:
        try:
            text.encode(column.charset)
        except UnicodeEncodeError as error:
            raise Unfit(column.name, "charset", f"letters that {column.charset} lacks") from error
    if column.fraction is not None:
        _check_time(column, text)
    elif column.type_name == "date" and len(text) > 10 and text[10:].strip(" T0:.") != "":
        raise Unfit(column.name, "precision", "a time of day, in a column of days")
    _check_form(column, text)
    return text


def _check_form(column: Column, text: str) -> None:
    """A text that the column would take for something else: the number of a member, minutes for seconds."""
    if column.members is not None:
        known = text in column.members
        if column.type_name == "set":
            parts = text.split(",")
            known = text == ",".join(member for member in column.members if member in parts)
        if not known:
            raise Unfit(column.name, "member", "none of the texts that the column takes")
    pattern = _FORMS.get(column.type_name)
    if pattern is not None and not pattern.fullmatch(text):
        raise Unfit(column.name, "form", f"not as a column of type {column.type_name} writes it")


def _check_time(column: Column, text: str) -> None:
    """What a time column would round, cut or drop without a word."""
    fraction = _FRACTION.search(text)
    if fraction and len(fraction.group(1).rstrip("0")) > (column.fraction or 0):
        raise Unfit(column.name, "precision", f"more than {column.fraction} decimal places of a second")
    if column.type_name == "smalldatetime" and not re.search(r":00(\.0*)?$", text):
        raise Unfit(column.name, "precision", "seconds, in a column of minutes")
    if re.search(r":\d\d.*[+-]\d|[Zz]\s*$", text):
        raise Unfit(column.name, "zone", "a time with an offset, in a column that keeps none")


def encode_key(column: Column, key: str) -> str | None:
    """A record key as text for its column, or None when no row can have it (letters in a number)."""
    whole = "int" in column.type_name or column.type_name == "serial"
    if whole or column.type_name in {"numeric", "decimal", "number"}:
        if key.isascii() and key.isdecimal() and key[0] != "0" and len(key) < _LONGEST_NUMBER:
            return key
        try:
            number = _decimal(key)
        except (InvalidOperation, ValueError):
            return None
        if whole and number != number.to_integral_value():
            return None
        return format(number, "f") if number.is_finite() else None
    try:
        if column.type_name in _UUID:
            return str(UUID(key))
        return _checked(Column(column.name, column.type_name, charset=column.charset), key)
    except (ValueError, Unfit):
        return None
