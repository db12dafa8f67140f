"""Canonical values: one form per contract type, so that equal means equal in every system.

A canonical value is None, bool, int or text: decimals as text at the contract's scale ("12.50"), dates as
ISO dates, times as ISO UTC with milliseconds and Z. Declared equivalences: text is NFC without trailing
blanks, blank text is null, times are equal to the millisecond.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from agent.core.change import RawValue
from agent.core.objects import FieldType

Canonical = None | bool | int | str


class ValueFault(ValueError):
    """A value that the contract cannot hold. The text never repeats the value: it may be personal."""


def canonical(raw: RawValue, type_: FieldType, scale: int = 2) -> Canonical:
    """The canonical form of a system's value. Raises ValueFault when something would be lost."""
    if raw is None:
        return None
    if type_ in (FieldType.TEXT, FieldType.REFERENCE):
        return _text(raw)
    if type_ is FieldType.DECIMAL:
        return _decimal(raw, scale)
    if type_ is FieldType.INTEGER:
        return _integer(raw)
    if type_ is FieldType.BOOLEAN:
        return _boolean(raw)
    if type_ is FieldType.DATE:
        return _date(raw)
    return _datetime(raw)


def raw_value(value: Canonical, type_: FieldType) -> RawValue:
    """The typed value that an adapter is given: Decimal, date, datetime, or the canonical value itself."""
    if value is None or isinstance(value, bool):
        return value
    if type_ is FieldType.DECIMAL:
        return Decimal(str(value))
    if type_ is FieldType.DATE:
        return date.fromisoformat(str(value))
    if type_ is FieldType.DATETIME:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return value


def _text(raw: RawValue) -> str | None:
    if isinstance(raw, float | datetime | date) or raw is None:
        raise ValueFault(f"a text field holds a {type(raw).__name__}")
    text = str(raw)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = text.rstrip()
    if "\0" in text:
        raise ValueFault("text holds a NUL character, which ERP drivers cut at")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueFault("text holds half a character (a lone surrogate), which no system can store")
    return text or None


def _decimal(raw: RawValue, scale: int) -> str | None:
    if isinstance(raw, bool):
        raise ValueFault("a decimal field holds a boolean")
    if isinstance(raw, str) and not raw.strip():
        return None
    try:
        number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(str(raw).strip())
        rounded = number.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_EVEN)
    except InvalidOperation:
        raise ValueFault("not a decimal number of a size that the contract can hold") from None
    if rounded != number:
        raise ValueFault(f"has more than {scale} decimal places")
    return f"{abs(rounded) if rounded == 0 else rounded:f}"


def _integer(raw: RawValue) -> int:
    if isinstance(raw, bool):
        raise ValueFault("an integer field holds a boolean")
    try:
        number = Decimal(str(raw).strip())
    except InvalidOperation:
        raise ValueFault("not an integer") from None
    if not number.is_finite() or number.adjusted() > 18 or number != number.to_integral_value():
        raise ValueFault("not a whole number of 64 bits")
    if not -(2**63) <= int(number) < 2**63:
        raise ValueFault("not a whole number of 64 bits")
    return int(number)


def _boolean(raw: RawValue) -> bool:
    if isinstance(raw, bool):
        return raw
    text = str(raw).strip().lower()
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise ValueFault("not a boolean")


def _date(raw: RawValue) -> str | None:
    if isinstance(raw, datetime):
        return raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    text = str(raw).strip()
    if not text or text == "00000000":
        return None
    day, _, rest = text.replace("T", " ").partition(" ")
    if rest.strip("0:. Z+") != "":
        raise ValueFault("a date with a time of day")
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise ValueFault("not a date") from None


def _datetime(raw: RawValue) -> str | None:
    moment = raw
    if not isinstance(moment, datetime):
        text = str(moment).strip()
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise ValueFault("not a point in time") from None
    if moment.tzinfo is None:
        raise ValueFault("a point in time without a zone")
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        raise ValueFault("a point in time outside the years 1 to 9999") from None
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
