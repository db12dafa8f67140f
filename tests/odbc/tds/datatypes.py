"""SQL Server's data types on the wire: how a type is described, and how one value of it is framed."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.odbc.tds import payloads
from tests.odbc.tds.wire import Bytes, Malformed

#: SQL_Latin1_General_CP1_CI_AS, so that char and varchar are cp1252.
COLLATION = bytes.fromhex("0904d00034")
_CHARACTERS = "cp1252"
#: The size that says "(max)": such a value comes in chunks.
_MAX = 0xFFFF
_TIMESTAMP = 80

_FIXED = {
    0x30: (0x26, 1),
    0x34: (0x26, 2),
    0x38: (0x26, 4),
    0x7F: (0x26, 8),
    0x32: (0x68, 1),
    0x3B: (0x6D, 4),
    0x3E: (0x6D, 8),
    0x7A: (0x6E, 4),
    0x3C: (0x6E, 8),
    0x3A: (0x6F, 4),
    0x3D: (0x6F, 8),
}
_INTEGERS = {1: "tinyint", 2: "smallint", 4: "int", 8: "bigint"}
_OF_TWO_SIZES = {
    0x6D: {4: "real", 8: "float"},
    0x6E: {4: "smallmoney", 8: "money"},
    0x6F: {4: "smalldatetime", 8: "datetime"},
}
_PLAIN = {0x24: "uniqueidentifier", 0x28: "date", 0x68: "bit"}
_SCALED = {0x29: "time", 0x2A: "datetime2", 0x2B: "datetimeoffset"}
_SIZED = {0xA5: "varbinary", 0xA7: "varchar", 0xAD: "binary", 0xAF: "char", 0xE7: "nvarchar", 0xEF: "nchar"}
_OLD_LONG = {0x22: "image", 0x23: "text", 0x63: "ntext"}
_DECIMALS = {0x6A: "decimal", 0x6C: "numeric"}
_COLLATED = {0xA7, 0xAF, 0xE7, 0xEF, 0x23, 0x63}
_NATIONAL = {0xE7, 0xEF, 0x63}
_BINARY = {0xA5, 0xAD, 0x22}


@dataclass(frozen=True, slots=True)
class DataType:
    """A type as TDS tells it: its token, its size in bytes and, where it has them, precision and scale."""

    token: int
    size: int
    precision: int = 0
    scale: int = 0
    user_type: int = 0

    def __str__(self) -> str:
        """The type as T-SQL writes it."""
        if self.token == 0x26:
            return _INTEGERS[self.size]
        if self.token in _DECIMALS:
            return f"{_DECIMALS[self.token]}({self.precision},{self.scale})"
        if self.token in _OF_TWO_SIZES:
            return _OF_TWO_SIZES[self.token][self.size]
        if self.token in _SCALED:
            return f"{_SCALED[self.token]}({self.scale})"
        if self.token in _SIZED:
            characters = self.size // 2 if self.token in _NATIONAL else self.size
            return f"{_SIZED[self.token]}({'max' if self.size == _MAX else characters})"
        return _PLAIN.get(self.token) or _OLD_LONG[self.token]


BIT = DataType(0x68, 1)
TINYINT = DataType(0x26, 1)
SMALLINT = DataType(0x26, 2)
INT = DataType(0x26, 4)
BIGINT = DataType(0x26, 8)
FLOAT = DataType(0x6D, 8)
MONEY = DataType(0x6E, 8)
DATETIME = DataType(0x6F, 8)
DATE = DataType(0x28, 3)
UNIQUEIDENTIFIER = DataType(0x24, 16)
ROWVERSION = DataType(0xAD, 8, user_type=_TIMESTAMP)
NVARCHAR_MAX = DataType(0xE7, _MAX)
VARCHAR_MAX = DataType(0xA7, _MAX)
VARBINARY_MAX = DataType(0xA5, _MAX)


def DECIMAL(precision: int, scale: int) -> DataType:
    """A decimal of that many digits, that many of them behind the point."""
    return DataType(0x6A, payloads.decimal_size(precision), precision, scale)


def NVARCHAR(characters: int) -> DataType:
    """Unicode text of at most 4,000 UTF-16 units."""
    return DataType(0xE7, 2 * characters)


def NCHAR(characters: int) -> DataType:
    """Unicode text, padded with blanks by its writer."""
    return DataType(0xEF, 2 * characters)


def VARCHAR(characters: int) -> DataType:
    """Text of the database's code page."""
    return DataType(0xA7, characters)


def CHAR(characters: int) -> DataType:
    """Text of the database's code page, padded with blanks by its writer."""
    return DataType(0xAF, characters)


def VARBINARY(size: int) -> DataType:
    """Bytes."""
    return DataType(0xA5, size)


def TIME(scale: int) -> DataType:
    """A time of day."""
    return DataType(0x29, payloads.time_size(scale), scale=scale)


def DATETIME2(scale: int) -> DataType:
    """Date and time without a zone."""
    return DataType(0x2A, payloads.time_size(scale) + 3, scale=scale)


def DATETIMEOFFSET(scale: int) -> DataType:
    """Date and time with the offset of a zone."""
    return DataType(0x2B, payloads.time_size(scale) + 5, scale=scale)


def type_bytes(of: DataType) -> bytes:
    """TYPE_INFO: what stands in front of a column or a parameter."""
    if of.token == 0x28:
        return bytes([of.token])
    if of.token in _SCALED:
        return bytes([of.token, of.scale])
    if of.token in _DECIMALS:
        return bytes([of.token, of.size, of.precision, of.scale])
    if of.token in _SIZED:
        return struct.pack("<BH", of.token, of.size) + (COLLATION if of.token in _COLLATED else b"")
    return bytes([of.token, of.size])


def value_bytes(of: DataType, value: object) -> bytes:
    """One value with its length in front; None is NULL. Raises ValueError for what the type cannot hold."""
    if of.token not in _SIZED:
        payload = b"" if value is None else _payload(of, value)
        return bytes([len(payload)]) + payload
    if value is None:
        return b"\xff" * (8 if of.size == _MAX else 2)
    payload = _payload(of, value)
    if of.size == _MAX:
        chunk = struct.pack("<I", len(payload)) + payload if payload else b""
        return struct.pack("<Q", len(payload)) + chunk + bytes(4)
    if len(payload) > of.size:
        raise ValueError(f"{len(payload)} bytes do not fit {of}")
    return struct.pack("<H", len(payload)) + payload


def _payload(of: DataType, value: Any) -> bytes:
    if of.token in _SIZED:
        if of.token in _BINARY:
            return bytes(value)
        return str(value).encode("utf-16-le" if of.token in _NATIONAL else _CHARACTERS)
    return _WRITERS[of.token](value, of)


_WRITERS: dict[int, Callable[[Any, DataType], bytes]] = {
    0x24: lambda value, of: uuid.UUID(str(value)).bytes_le,
    0x26: lambda value, of: payloads.integer_bytes(value, of.size),
    0x28: lambda value, of: payloads.date_bytes(value),
    0x29: lambda value, of: payloads.time_bytes(value, of.scale),
    0x2A: lambda value, of: payloads.datetime2_bytes(value, of.scale),
    0x2B: lambda value, of: payloads.datetimeoffset_bytes(value, of.scale),
    0x68: lambda value, of: bytes([bool(value)]),
    0x6A: lambda value, of: payloads.decimal_bytes(Decimal(value), of.precision, of.scale),
    0x6C: lambda value, of: payloads.decimal_bytes(Decimal(value), of.precision, of.scale),
    0x6D: lambda value, of: struct.pack("<d" if of.size == 8 else "<f", value),
    0x6E: lambda value, of: payloads.money_bytes(Decimal(value)),
    0x6F: lambda value, of: payloads.datetime_bytes(value),
}


def read_type(source: Bytes) -> DataType:
    """A TYPE_INFO. Raises Malformed for a type that no script needs."""
    token = source.u8()
    if token in _FIXED:
        return DataType(token, _FIXED[token][1])
    if token == 0x28:
        return DATE
    if token in _SCALED:
        scale = source.u8()
        return DataType(token, payloads.time_size(scale) + {0x29: 0, 0x2A: 3, 0x2B: 5}[token], scale=scale)
    if token in _DECIMALS:
        size, precision, scale = source.take(3)
        return DataType(token, size, precision, scale)
    if token in _SIZED or token in _OLD_LONG:
        size = source.u16() if token in _SIZED else source.u32()
        if token in _COLLATED:
            source.take(len(COLLATION))
        return DataType(token, size)
    if token in _PLAIN or token in _OF_TWO_SIZES or token == 0x26:
        return DataType(token, source.u8())
    raise Malformed(f"data type 0x{token:02X} at offset {source.at - 1} is not known here")


def read_value(source: Bytes, of: DataType) -> tuple[DataType, object]:
    """A value and its type, the latter with fixed forms turned into the nullable ones that name a type."""
    if of.token in _FIXED:
        of = DataType(*_FIXED[of.token])
        return of, _value(of, source.take(of.size))
    payload = _framed(source, of)
    return of, None if payload is None else _value(of, payload)


def _framed(source: Bytes, of: DataType) -> bytes | None:
    if of.token in _OLD_LONG:
        length = source.i32()
        return None if length == -1 else source.take(length)
    if of.token not in _SIZED:
        return source.take(source.u8()) or None
    if of.size != _MAX:
        length = source.u16()
        return None if length == _MAX else source.take(length)
    if source.u64() == 2**64 - 1:
        return None
    whole = b""
    while chunk := source.take(source.u32()):
        whole += chunk
    return whole


def _value(of: DataType, data: bytes) -> object:
    if of.token in _BINARY:
        return data
    if of.token in _COLLATED:
        return data.decode("utf-16-le" if of.token in _NATIONAL else _CHARACTERS)
    return _READERS[of.token](data, of)


def _float(data: bytes) -> float:
    (value,) = struct.unpack("<f" if len(data) == 4 else "<d", data)
    return float(value)


_READERS: dict[int, Callable[[bytes, DataType], object]] = {
    0x24: lambda data, of: uuid.UUID(bytes_le=data),
    0x26: lambda data, of: payloads.integer(data),
    0x28: lambda data, of: payloads.read_date(data),
    0x29: lambda data, of: payloads.read_time(data, of.scale),
    0x2A: lambda data, of: payloads.read_datetime2(data, of.scale),
    0x2B: lambda data, of: payloads.read_datetimeoffset(data, of.scale),
    0x68: lambda data, of: data != b"\0",
    0x6A: lambda data, of: payloads.decimal(data, of.scale),
    0x6C: lambda data, of: payloads.decimal(data, of.scale),
    0x6D: lambda data, of: _float(data),
    0x6E: lambda data, of: payloads.money(data),
    0x6F: lambda data, of: payloads.read_datetime(data),
}
