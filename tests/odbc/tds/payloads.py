"""Values between Python and the bytes of one TDS value, without the length in front of it."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal

from tests.odbc.tds.wire import Malformed

_DAY_ONE = date(1, 1, 1)
_EPOCH = datetime(1900, 1, 1)
_TICKS_PER_SECOND = 300
#: SQL Server's decimals have up to 38 digits, Python's usual context has 28.
_WIDE = Context(prec=80)


def integer_bytes(value: int, size: int) -> bytes:
    """tinyint has no sign, the longer ones have."""
    return value.to_bytes(size, "little", signed=size > 1)


def integer(data: bytes) -> int:
    """tinyint has no sign, the longer ones have."""
    return int.from_bytes(data, "little", signed=len(data) > 1)


def decimal_bytes(value: Decimal, precision: int, scale: int) -> bytes:
    """A sign, then the digits as one number. Raises ValueError for a value that the type cannot hold."""
    units = value.scaleb(scale, _WIDE)
    if units != units.to_integral_value() or abs(units) >= Decimal(10) ** precision:
        raise ValueError(f"{value} does not fit decimal({precision},{scale})")
    size = decimal_size(precision) - 1
    return bytes([units >= 0]) + abs(int(units)).to_bytes(size, "little")


def decimal_size(precision: int) -> int:
    """Bytes of a decimal of that many digits, its sign included."""
    return next(5 + 4 * step for step, most in enumerate((9, 19, 28, 38)) if precision <= most)


def decimal(data: bytes, scale: int) -> Decimal:
    """A decimal with exactly that scale."""
    digits = tuple(int(digit) for digit in str(int.from_bytes(data[1:], "little")))
    return Decimal((0 if data[0] else 1, digits, -scale))


def money(data: bytes) -> Decimal:
    """Ten-thousandths: four bytes, or two times four with the upper half first."""
    if len(data) == 4:
        return Decimal(struct.unpack("<i", data)[0]).scaleb(-4)
    high, low = struct.unpack("<iI", data)
    return Decimal((high << 32) + low).scaleb(-4)


def money_bytes(value: Decimal) -> bytes:
    """The long form of money."""
    units = int(value.scaleb(4))
    return struct.pack("<iI", units >> 32, units & 0xFFFFFFFF)


def date_bytes(value: date) -> bytes:
    """Days since the year 1."""
    return (value - _DAY_ONE).days.to_bytes(3, "little")


def read_date(data: bytes) -> date:
    """Days since the year 1. Raises Malformed behind the year 9999."""
    days = int.from_bytes(data, "little")
    if days > (date.max - _DAY_ONE).days:
        raise Malformed(f"day {days} is no date")
    return _DAY_ONE + timedelta(days=days)


def time_size(scale: int) -> int:
    """Bytes of a time with that many decimal places."""
    return 3 if scale < 3 else 4 if scale < 5 else 5


def time_bytes(value: time, scale: int) -> bytes:
    """Units of ten to the minus scale since midnight; what is finer is cut."""
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    units: int = (seconds * 10**7 + value.microsecond * 10) // 10 ** (7 - scale)
    return units.to_bytes(time_size(scale), "little")


def read_time(data: bytes, scale: int) -> time:
    """Python knows microseconds only: the seventh place is cut."""
    microseconds = int.from_bytes(data, "little") * 10 ** (7 - scale) // 10
    return (datetime.min + timedelta(microseconds=microseconds)).time()


def datetime2_bytes(value: datetime, scale: int) -> bytes:
    """The time, then the date."""
    return time_bytes(value.time(), scale) + date_bytes(value.date())


def read_datetime2(data: bytes, scale: int) -> datetime:
    """The time, then the date."""
    return datetime.combine(read_date(data[-3:]), read_time(data[:-3], scale))


def datetimeoffset_bytes(value: datetime, scale: int) -> bytes:
    """The moment in UTC, then the minutes that its writer was ahead of UTC."""
    offset = value.utcoffset()
    if offset is None:
        raise ValueError("a datetimeoffset needs a time zone")
    moment = value.astimezone(UTC).replace(tzinfo=None)
    return datetime2_bytes(moment, scale) + struct.pack("<h", int(offset.total_seconds()) // 60)


def read_datetimeoffset(data: bytes, scale: int) -> datetime:
    """The moment, told in its writer's zone."""
    (minutes,) = struct.unpack("<h", data[-2:])
    moment = read_datetime2(data[:-2], scale).replace(tzinfo=UTC)
    return moment.astimezone(timezone(timedelta(minutes=minutes)))


def datetime_bytes(value: datetime) -> bytes:
    """The old datetime: days since 1900 and ticks of 1/300 s, rounded."""
    since = value - _EPOCH
    ticks = round((since - timedelta(days=since.days)) / timedelta(seconds=1) * _TICKS_PER_SECOND)
    return struct.pack("<iI", since.days, ticks)


def read_datetime(data: bytes) -> datetime:
    """The old datetime, or smalldatetime: days since 1900 and minutes. Ticks end in .000, .003 or .007."""
    if len(data) == 4:
        days, minutes = struct.unpack("<HH", data)
        return _EPOCH + timedelta(days=days, minutes=minutes)
    days, ticks = struct.unpack("<iI", data)
    milliseconds = (ticks * 1000 + _TICKS_PER_SECOND // 2) // _TICKS_PER_SECOND
    return _EPOCH + timedelta(days=days, milliseconds=milliseconds)
