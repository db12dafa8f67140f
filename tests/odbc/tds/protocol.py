"""Messages and the packets they are cut into: eight bytes of header, then a part of the message."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from tests.odbc.tds.wire import Malformed

_HEADER = struct.Struct(">BBHHBB")
_LAST = 0x01
_IGNORE = 0x02
#: Size of packets until a login agrees on another.
FIRST_SIZE = 4096


class Kind(IntEnum):
    """What a message is."""

    SQL_BATCH = 0x01
    RPC = 0x03
    REPLY = 0x04
    ATTENTION = 0x06
    TRANSACTION = 0x0E
    LOGIN7 = 0x10
    PRELOGIN = 0x12


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message of a client."""

    kind: Kind
    payload: bytes


async def read_message(stream: asyncio.StreamReader) -> Message:
    """The next message. Raises IncompleteReadError or ConnectionError when the client has gone,
    and Malformed for a kind of message that this server does not read.

    A message whose last packet says "ignore" was given up by the client half-way, and is passed over.
    """
    payload = b""
    while True:
        kind, status, length, _, _, _ = _HEADER.unpack(await stream.readexactly(_HEADER.size))
        if kind not in tuple(Kind):
            raise Malformed(f"messages of kind {kind} are not known here")
        payload += await stream.readexactly(length - _HEADER.size)
        if status & _LAST and status & _IGNORE:
            payload = b""
        elif status & _LAST:
            return Message(Kind(kind), payload)


def packets(payload: bytes, size: int, *, kind: Kind = Kind.REPLY, ends: bool = True) -> Iterator[bytes]:
    """A message, or the first part of one that does not end yet, in packets of at most that many bytes."""
    room = size - _HEADER.size
    parts = [payload[at : at + room] for at in range(0, len(payload), room)] or [b""]
    for number, part in enumerate(parts, 1):
        status = _LAST if ends and number == len(parts) else 0
        yield _HEADER.pack(kind, status, len(part) + _HEADER.size, 0, number % 256, 0) + part
