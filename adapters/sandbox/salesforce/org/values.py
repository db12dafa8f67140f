"""Field values: what a JSON body may put into a field, and how a stored value looks on the wire."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import orjson

from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import TEXT_TYPES, Field, FieldType

type_names = {FieldType.BOOLEAN: "boolean", FieldType.DATE: "date", FieldType.DATETIME: "datetime"}

Value = str | bool | int | Decimal | date | datetime | None


def _unreadable(field: Field, raw: object) -> ApiError:
    kind = type_names.get(field.type, field.type.value)
    return ApiError(
        "JSON_PARSER_ERROR", f"Cannot deserialize instance of {kind} from value {raw!r}", (field.name,)
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
    return _number(field, raw)


def _boolean(field: Field, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if raw in ("true", "false"):
        return raw == "true"
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
    text = str(raw).strip()
    if len(text) > field.length:
        shown = text if len(text) <= 255 else text[:255] + "..."
        raise ApiError(
            "STRING_TOO_LONG",
            f"{field.label}: data value too large: {shown} (max length={field.length})",
            (field.name,),
        )
    return text or None


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
        return date.fromisoformat(raw[:10])
    except ValueError:
        raise _unreadable(field, raw) from None


def _datetime(field: Field, raw: object) -> datetime | None:
    if raw == "":
        return None
    moment = parse_datetime(raw) if isinstance(raw, str) else None
    if moment is None:
        raise _unreadable(field, raw)
    return moment


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
    number = number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP) + 0
    whole = field.precision - field.scale
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
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(microsecond=0)


def to_json(value: Value) -> object:
    """The value as REST shows it; money keeps every digit in the JSON text."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    if isinstance(value, date):
        return value.isoformat()
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
    if isinstance(value, Decimal):
        return float(value)
    return value
