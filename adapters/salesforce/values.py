"""Values of Salesforce on the wire and as Python holds them: exact decimals, aware times, dates.

Change events give doubles and longs, REST gives JSON. Both end in the same values here, so that an event and
a read of the same record compare equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import orjson

from agent.core.change import RawValue
from agent.core.objects import FieldType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: A double carries any decimal of 15 digits; from here on it has no room for two behind the point.
_EXACT_BELOW = 10**13
_EXACT_DIGITS = 15


class Unsure(Exception):
    """The value cannot be taken from the event with certainty; a read must tell."""


def moment(milliseconds: int) -> datetime:
    """Milliseconds since the epoch as aware UTC. Raises OverflowError outside of the calendar."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


@lru_cache(maxsize=4096)
def _day(milliseconds: int) -> date:
    return moment(milliseconds).date()


def exact(double: float) -> Decimal:
    """The decimal that a double stands for. Raises Unsure where more than one decimal has this double.

    Salesforce keeps up to 18 digits, events carry doubles: beyond 15 digits, or from 10^13 on with two digits
    behind the point, the event has lost what the record holds.
    """
    if not math.isfinite(double):
        raise Unsure("not a number")
    text = repr(double)
    if len(text) <= _EXACT_DIGITS and "e" not in text and -_EXACT_BELOW < double < _EXACT_BELOW:
        return Decimal(text)
    decimal = Decimal(text)
    if abs(double) >= _EXACT_BELOW or len(decimal.normalize().as_tuple().digits) > _EXACT_DIGITS:
        raise Unsure("more digits than a double holds")
    return decimal


def from_event(value: Any, hint: str, kind: FieldType) -> RawValue:
    """One value of a change event. ``hint`` is the type in the schema; ``kind``, from the mapping, stands in.

    What is mapped as text, as any time of day is, comes in the form that a read gives. Raises Unsure.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, float):
        return exact(value)
    if not isinstance(value, int):
        raise Unsure("a compound value")
    text = kind is FieldType.TEXT
    try:
        if hint == "DateOnly" or (not hint and kind is FieldType.DATE):
            return _day(value).isoformat() if text else _day(value)
        if hint == "DateTime" or (not hint and kind is FieldType.DATETIME):
            return version_of(moment(value)).removesuffix("Z") + "+0000" if text else moment(value)
        if hint == "TimeOnly":
            return clock_text(moment(value).time())
    except OverflowError as error:
        raise Unsure("a time outside of the calendar") from error
    return Decimal(value) if kind is FieldType.DECIMAL else value


def converter(hint: str, kind: FieldType) -> Callable[[Any], RawValue]:
    """``from_event`` for one field. The function raises Unsure."""

    def convert(value: Any) -> RawValue:
        if isinstance(value, str):
            return value
        return exact(value) if isinstance(value, float) else from_event(value, hint, kind)

    return convert


def from_json(value: Any, kind: FieldType) -> RawValue:
    """One value of a REST answer, read with exact decimals. Raises ValueError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Decimal(value) if kind is FieldType.DECIMAL else value
    if isinstance(value, Decimal):
        # Salesforce writes an integer double as 5.0.
        return int(value) if kind is FieldType.INTEGER and value == value.to_integral_value() else value
    if not isinstance(value, str):
        raise ValueError("a compound value")  # noqa: TRY004 - the caller reports values, not types
    if kind is FieldType.DATETIME:
        return parse_moment(value)
    if kind is FieldType.DATE:
        return date.fromisoformat(value)
    return value


def parse_moment(text: str) -> datetime:
    """``2026-11-23T01:45:32.000+0000`` as aware UTC. Raises ValueError."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError("a time without its offset")
    return parsed.astimezone(UTC)


def clock_text(value: time) -> str:
    """A time of day as Salesforce writes it: ``08:30:00.000Z``."""
    return value.isoformat(timespec="milliseconds") + "Z"


def version_of(last_modified: datetime) -> str:
    """A record's version: LastModifiedDate in milliseconds, the same from an event and from a read."""
    return last_modified.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def version_in(text: str) -> str:
    """The same from LastModifiedDate as REST (``+0000``) or a file (``Z``) writes it. Raises ValueError."""
    if text[19:20] == "." and (text[23:] == "Z" or text[23:] == "+0000"):
        return text[:23] + "Z"
    return version_of(parse_moment(text))


def http_date(version: str) -> str:
    """A version as an HTTP date, cut to the whole second. Raises ValueError.

    Cut, not rounded up: the server compares its own time cut to the second, so the record that was seen
    passes, and a later write passes only if it fell into the same second: the declared weakness.
    """
    return format_datetime(parse_moment(version).replace(microsecond=0), usegmt=True)


def to_json(fields: Mapping[str, Any]) -> bytes:
    """A JSON document with exact decimals as plain numbers. Raises ValueError for what JSON cannot hold."""
    try:
        return orjson.dumps(_plain(fields))
    except (orjson.JSONEncodeError, UnicodeEncodeError) as error:
        raise ValueError(f"cannot be written as JSON: {type(error).__name__}") from error


def soql(value: object) -> str:
    """A value as a SOQL literal. Raises ValueError."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | Decimal):
        return str(_plain(value)) if isinstance(value, int) else format(value, "f")
    if isinstance(value, datetime):
        return str(_plain(value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return f"'{_escape(value)}'"
    raise ValueError(f"no SOQL literal for {type(value).__name__}")


_SOQL_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


def _escape(text: str) -> str:
    return text.translate(_SOQL_ESCAPES)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("not a number")
        return orjson.Fragment(format(value, "f").encode("ascii"))
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time without its offset")
        return version_of(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return clock_text(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        raise ValueError("a float is never exact; give a Decimal")  # noqa: TRY004
    return value
