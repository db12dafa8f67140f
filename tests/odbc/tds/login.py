"""How a connection begins: PRELOGIN, in which encryption is declined, and LOGIN7."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tests.odbc.tds.wire import Bytes, Malformed

_VERSION, _ENCRYPTION, _INSTANCE, _THREAD, _MARS = range(5)
_END = 0xFF
_NOT_SUPPORTED = 2
#: Major, minor, build of the server that this one claims to be: SQL Server 2019.
SERVER_VERSION = (15, 0, 2000)
TDS_7_4 = 0x74000004
_EXTENSION = 0x10


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants in. ``extended`` says that the client waits for an answer about protocol extensions."""

    user: str
    password: str = field(repr=False)
    database: str
    application: str
    host: str
    packet_size: int
    tds_version: int
    extended: bool


def read_prelogin(payload: bytes) -> dict[int, bytes]:
    """The client's options by number."""
    options: dict[int, bytes] = {}
    at = 0
    while payload[at] != _END:
        option, start, length = struct.unpack_from(">BHH", payload, at)
        options[option] = payload[start : start + length]
        at += 5
    return options


def prelogin_reply() -> bytes:
    """The server's options: its version, no encryption, default instance, no multiple result sets."""
    major, minor, build = SERVER_VERSION
    options = {
        _VERSION: struct.pack(">BBHH", major, minor, build, 0),
        _ENCRYPTION: bytes([_NOT_SUPPORTED]),
        _INSTANCE: b"\0",
        _THREAD: b"",
        _MARS: b"\0",
    }
    start = 5 * len(options) + 1
    table = b""
    data = b""
    for option, value in options.items():
        table += struct.pack(">BHH", option, start + len(data), len(value))
        data += value
    return table + bytes([_END]) + data


def read_login7(payload: bytes) -> Login:
    """The login. Raises Malformed when it is shorter than it says."""
    if len(payload) < 94 or struct.unpack_from("<I", payload)[0] > len(payload):
        raise Malformed("LOGIN7 is cut short")
    version, packet_size = struct.unpack_from("<II", payload, 4)

    def text(at: int) -> bytes:
        start, units = struct.unpack_from("<HH", payload, at)
        return Bytes(payload, start).take(2 * units)

    return Login(
        host=text(36).decode("utf-16-le"),
        user=text(40).decode("utf-16-le"),
        password=_unhide(text(44)).decode("utf-16-le"),
        application=text(48).decode("utf-16-le"),
        database=text(68).decode("utf-16-le"),
        packet_size=packet_size,
        tds_version=version,
        extended=bool(payload[27] & _EXTENSION),
    )


def _unhide(password: bytes) -> bytes:
    """Clients send each byte with its halves swapped, and then XOR 0xA5."""
    plain = (byte ^ 0xA5 for byte in password)
    return bytes((byte << 4 | byte >> 4) & 0xFF for byte in plain)
