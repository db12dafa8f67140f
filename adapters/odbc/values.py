"""Values on their way into and out of the ERP. Everything travels as text: drivers alter it least."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
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


def decode(column: Column, kind: FieldType, value: object, zone: ZoneInfo) -> RawValue:
    """A value as read (text) or as the mirror remembers it, in its canonical type. Raises Unfit."""
    if value is None:
        return None
    try:
        match kind:
            case FieldType.INTEGER:
                return int(Decimal(str(value)))
            case FieldType.DECIMAL:
                return _decimal(str(value))
            case FieldType.BOOLEAN:
                return _boolean(value)
            case FieldType.DATE:
                return value if type(value) is date else date.fromisoformat(str(value)[:10])
            case FieldType.DATETIME:
                return _datetime(value, UTC if column.zoned else zone)
            case _:
                return str(value).rstrip(" ") if column.padded else str(value)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise Unfit(column.name, "unreadable", f"the stored value is no {kind.value}") from error


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number


def _boolean(value: object) -> bool:
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("not a boolean")


def _datetime(value: object, zone: tzinfo) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def encode(column: Column, kind: FieldType, value: object, zone: ZoneInfo) -> str | None:
    """A value as the text to bind for the column. Raises Unfit where the ERP would alter it silently."""
    if value is None:
        return None
    canonical = decode(column, kind, value, zone)
    if isinstance(canonical, bool):
        return _boolean_text(column, canonical)
    if isinstance(canonical, Decimal):
        return _decimal_text(column, canonical)
    if isinstance(canonical, datetime):
        return _datetime_text(column, canonical, zone)
    text = canonical.isoformat() if isinstance(canonical, date) else str(canonical)
    return _checked(column, text)


def _boolean_text(column: Column, value: bool) -> str:
    return "1" if value else "0"


def _decimal_text(column: Column, value: Decimal) -> str:
    if column.scale is not None:
        exponent = Decimal(1).scaleb(-column.scale)
        try:
            fitted = value.quantize(exponent)
        except InvalidOperation as error:
            raise Unfit(column.name, "too-large", "more digits than a decimal can hold") from error
        if fitted != value:
            raise Unfit(column.name, "scale", f"more than {column.scale} decimal places")
        value = fitted
    return format(value, "f")


def _datetime_text(column: Column, value: datetime, zone: ZoneInfo) -> str:
    local = value.astimezone(UTC if column.zoned else zone)
    return local.replace(tzinfo=None).isoformat(sep=" ")


def _checked(column: Column, text: str) -> str:
    if "\0" in text:
        raise Unfit(column.name, "nul", "contains a NUL character, which the driver would cut at")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unfit(column.name, "surrogate", "contains a lone surrogate") from error
    if column.length is not None and len(text.rstrip(" ") if column.padded else text) > column.length:
        raise Unfit(column.name, "too-long", f"longer than {column.length} characters")
    return text


def encode_key(column: Column, key: str) -> str | None:
    """A record key as text for its column, or None when no row can have it (letters in a number)."""
    if "int" in column.type_name or column.type_name in {"serial", "numeric", "decimal"}:
        try:
            number = Decimal(key)
        except InvalidOperation:
            return None
        return format(number, "f") if number.is_finite() else None
    return None if "\0" in key else key
