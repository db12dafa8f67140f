"""The tokens of a reply, as bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from tests.odbc.tds.datatypes import COLLATION, INT, DataType, type_bytes, value_bytes
from tests.odbc.tds.login import SERVER_VERSION, TDS_7_4
from tests.odbc.tds.wire import long_text, short_text

SERVER_NAME = "SCRIPTED"
_NULLABLE = 0x0001
#: One is the first line of a batch; real servers count from there.
_LINE = 1


class Done(IntFlag):
    """What a DONE token says about the statement it ends."""

    FINAL = 0
    MORE = 0x01
    ERROR = 0x02
    IN_TRANSACTION = 0x04
    COUNT = 0x10
    ATTENTION = 0x20


class End(IntEnum):
    """The DONE tokens: of a batch's statement, of a procedure, of a statement inside a procedure."""

    STATEMENT = 0xFD
    PROCEDURE = 0xFE
    IN_PROCEDURE = 0xFF


class Change(IntEnum):
    """What an ENVCHANGE token tells the client."""

    DATABASE = 1
    LANGUAGE = 2
    PACKET_SIZE = 4
    COLLATION = 7
    BEGAN = 8
    COMMITTED = 9
    ROLLED_BACK = 10


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result."""

    name: str
    type: DataType


def _counted(token: int, content: bytes) -> bytes:
    return struct.pack("<BH", token, len(content)) + content


def changed_text(what: Change, new: str, old: str = "") -> bytes:
    """ENVCHANGE of something that has a name."""
    return _counted(0xE3, bytes([what]) + short_text(new) + short_text(old))


def changed_bytes(what: Change, new: bytes, old: bytes = b"") -> bytes:
    """ENVCHANGE of something that is bytes: the collation, a transaction."""
    return _counted(0xE3, bytes([what, len(new)]) + new + bytes([len(old)]) + old)


def transaction_bytes(number: int) -> bytes:
    """The descriptor by which a client names its transaction."""
    return struct.pack("<Q", number)


def message(number: int, text: str, *, state: int, severity: int) -> bytes:
    """ERROR from severity 11 on, INFO below."""
    content = struct.pack("<iBB", number, state, severity) + long_text(text)
    content += short_text(SERVER_NAME) + short_text("") + struct.pack("<i", _LINE)
    return _counted(0xAA if severity > 10 else 0xAB, content)


def login_accepted(database: str, packet_size: int, *, extended: bool) -> bytes:
    """Everything that a server says to a client that it lets in, but for the last DONE."""
    major, minor, build = SERVER_VERSION
    accepted = b"\x01" + struct.pack(">I", TDS_7_4) + short_text("Microsoft SQL Server")
    accepted += struct.pack(">BBH", major, minor, build)
    parts = [
        changed_text(Change.DATABASE, database, "master"),
        message(5701, f"Changed database context to '{database}'.", state=2, severity=0),
        changed_bytes(Change.COLLATION, COLLATION),
        changed_text(Change.LANGUAGE, "us_english"),
        message(5703, "Changed language setting to us_english.", state=1, severity=0),
        _counted(0xAD, accepted),
        changed_text(Change.PACKET_SIZE, str(packet_size), str(packet_size)),
    ]
    if extended:
        parts.append(b"\xae\xff")  # FEATUREEXTACK: no extension is granted
    return b"".join(parts)


def columns(described: Sequence[Column]) -> bytes:
    """COLMETADATA."""
    parts = [struct.pack("<BH", 0x81, len(described))]
    for column in described:
        parts.append(struct.pack("<IH", column.type.user_type, _NULLABLE))
        parts.append(type_bytes(column.type) + short_text(column.name))
    return b"".join(parts)


def row(described: Sequence[Column], values: Sequence[object]) -> bytes:
    """ROW. Raises ValueError when the values are not those of the columns."""
    pairs = zip(described, values, strict=True)
    return b"\xd1" + b"".join(value_bytes(column.type, value) for column, value in pairs)


def return_status(status: int) -> bytes:
    """What a procedure returns; 0 is well."""
    return struct.pack("<Bi", 0x79, status)


def return_integer(ordinal: int, name: str, value: int | None) -> bytes:
    """RETURNVALUE: an output parameter that is an int."""
    content = struct.pack("<H", ordinal) + short_text(name) + struct.pack("<BIH", 1, 0, 0)
    return b"\xac" + content + type_bytes(INT) + value_bytes(INT, value)


def done(end: End, status: Done, count: int = 0) -> bytes:
    """DONE, DONEPROC or DONEINPROC."""
    return struct.pack("<BHHQ", end, status, 0, count)
