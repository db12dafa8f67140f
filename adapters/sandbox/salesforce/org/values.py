"""Field values: what a JSON body may put into a field, and how a stored value looks on the wire."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import orjson

from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import TEXT_TYPES, Field, FieldType

Value = str | bool | int | Decimal | date | datetime | time | None
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_YEARS = range(1700, 4001)
_EMAIL = re.compile(r"[^@\s\"(),:;<>]+@[^@\s\"(),:;<>]+\.[^@\s.]+")
_TIME = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z?")


def _unreadable(field: Field, raw: object) -> ApiError:
    return ApiError(
        "JSON_PARSER_ERROR", f"Cannot deserialize instance of {field.type} from value {raw!r}", (field.name,)
    )


def coerce(field: Field, raw: object) -> Value:
    """Stored value of a JSON value. Blank text is null; money is rounded half up to the field's scale.

    Raises ApiError with the code of the real API when the value does not fit the field.
    """
    if field.type is FieldType.BOOLEAN:
        return _boolean(field, raw)
    if raw is None:
        return None
    if field.type in TEXT_TYPES:
        return _text(field, raw)
    if field.type in (FieldType.REFERENCE, FieldType.ID):
        return _identifier(field, raw)
    if field.type is FieldType.DATE:
        return _date(field, raw)
    if field.type is FieldType.DATETIME:
        return _datetime(field, raw)
    if field.type is FieldType.TIME:
        return _time(field, raw)
    return _number(field, raw)


def _boolean(field: Field, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in ("true", "false", "1", "0"):
        return raw.lower() in ("true", "1")
    if raw is None:
        raise ApiError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{field.label}: value not of required type: null",
            (field.name,),
        )
    raise _unreadable(field, raw)


def _text(field: Field, raw: object) -> str | None:
    if isinstance(raw, (dict, list)):
        raise _unreadable(field, raw)
    text = _CONTROL.sub("", str(raw)).strip()
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    if len(text) > field.length:
        shown = text if len(text) <= 255 else text[:255] + "..."
        raise ApiError(
            "STRING_TOO_LONG",
            f"{field.label}: data value too large: {shown} (max length={field.length})",
            (field.name,),
        )
    if text and field.type is FieldType.EMAIL and not _EMAIL.fullmatch(text):
        raise ApiError(
            "INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {text}", (field.name,)
        )
    return _chosen(field, text) if text and field.choices else text or None


def _chosen(field: Field, text: str) -> str:
    """A picklist value as it is spelled in the list; several of a multi-select picklist by ``;``."""
    known = {choice.lower(): choice for choice in field.choices}
    several = field.type is FieldType.MULTIPICKLIST
    wanted = [each.strip() for each in text.split(";") if each.strip()] if several else [text]
    if field.restricted and any(each.lower() not in known for each in wanted):
        raise ApiError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label}: bad value for restricted picklist field: {text}",
            (field.name,),
        )
    spelled = [known.get(each.lower(), each) for each in wanted]
    if several:
        spelled.sort(key=lambda each: field.choices.index(each) if each in field.choices else len(known))
    return ";".join(dict.fromkeys(spelled))


def _identifier(field: Field, raw: object) -> str | None:
    if raw == "":
        return None
    identifier = ids.full(raw) if isinstance(raw, str) else None
    if identifier is None:
        raise ApiError("MALFORMED_ID", f"{field.label}: id value of incorrect type: {raw}", (field.name,))
    return identifier


def _date(field: Field, raw: object) -> date | None:
    if raw == "":
        return None
    if not isinstance(raw, str):
        raise _unreadable(field, raw)
    try:
        day = date.fromisoformat(raw[:10])
    except ValueError:
        raise _unreadable(field, raw) from None
    if day.year not in _YEARS:
        raise _unreadable(field, raw)
    return day


def _datetime(field: Field, raw: object) -> datetime | None:
    if raw == "":
        return None
    moment = parse_datetime(raw) if isinstance(raw, str) else None
    if moment is None:
        raise _unreadable(field, raw)
    return moment


def _time(field: Field, raw: object) -> time | None:
    if raw == "":
        return None
    if not isinstance(raw, str) or not _TIME.fullmatch(raw):
        raise _unreadable(field, raw)
    try:
        return time.fromisoformat(raw.removesuffix("Z"))
    except ValueError:
        raise _unreadable(field, raw) from None


def _number(field: Field, raw: object) -> Decimal | int | None:
    if raw == "":
        return None
    if isinstance(raw, (bool, dict, list)):
        raise _unreadable(field, raw)
    try:
        number = Decimal(str(raw))
    except InvalidOperation:
        raise _unreadable(field, raw) from None
    if not number.is_finite():
        raise _unreadable(field, raw)
    whole = field.precision - field.scale
    if number.adjusted() < whole:
        number = number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP) + 0
    if number and number.adjusted() >= whole:
        raise ApiError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {raw}",
            (field.name,),
        )
    return int(number) if field.type is FieldType.INT else number


def parse_datetime(text: str) -> datetime | None:
    """An aware UTC time cut to seconds from ISO 8601 text (``Z``, ``+00:00`` or ``+0000``), or None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(microsecond=0)


def to_json(value: Value) -> object:
    """The value as REST shows it; money keeps every digit in the JSON text."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.isoformat("milliseconds") + "Z"
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f") if value.as_tuple().exponent else f"{value:f}.0")
    return value


def to_event(value: Value) -> str | bool | int | float | None:
    """The value as a change event carries it: times are milliseconds, money is a double and may lose
    digits."""
    if isinstance(value, datetime):
        return int(value.timestamp()) * 1000
    if isinstance(value, date):
        return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()) * 1000
    if isinstance(value, time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1000 + value.microsecond // 1000
    if isinstance(value, Decimal):
        return float(value)
    return value


def to_text(value: Value) -> str:
    """The value as a CSV cell or XML element shows it; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if value.as_tuple().exponent else f"{value:f}.0"
    if isinstance(value, int):
        return str(value)
    return str(to_json(value)).replace("+0000", "Z") if isinstance(value, datetime) else str(to_json(value))
