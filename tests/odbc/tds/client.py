"""A client in a few lines, for what no driver at hand sends."""

from __future__ import annotations

import socket
import struct
from types import TracebackType

from tests.odbc.tds.datatypes import INT, NVARCHAR_MAX, DataType, type_bytes, value_bytes
from tests.odbc.tds.protocol import FIRST_SIZE, Kind, packets
from tests.odbc.tds.request import Procedure
from tests.odbc.tds.script import PATIENCE_S
from tests.odbc.tds.server import HOST
from tests.odbc.tds.wire import short_text

_HEADER = 8
#: ALL_HEADERS with one entry: outside of any transaction, one request at a time.
_HEADERS = struct.pack("<IIHQI", 22, 18, 2, 0, 1)


class Client:
    """One connection that is let in at once."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=PATIENCE_S)
        self.send(Kind.PRELOGIN, b"\xff")
        self.reply()
        self.send(Kind.LOGIN7, struct.pack("<II", 94, 0x74000004) + struct.pack("<I", FIRST_SIZE) + bytes(82))
        self.reply()

    def send(self, kind: Kind, payload: bytes, *, size: int = FIRST_SIZE) -> None:
        """Send a message in packets of that size."""
        for packet in packets(payload, size, kind=kind):
            self._socket.sendall(packet)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def reply(self) -> bytes:
        """The tokens of the next reply; nothing when the server has closed."""
        payload = b""
        last = False
        while not last:
            header = self._read(_HEADER)
            if not header:
                return b""
            payload += self._read(struct.unpack(">H", header[2:4])[0] - _HEADER)
            last = bool(header[1] & 1)
        return payload

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (part := self._socket.recv(count - len(data))):
            data += part
        return data

    def ask(self, sql: str) -> bytes:
        """The reply to a batch."""
        self.send(Kind.SQL_BATCH, _HEADERS + sql.encode("utf-16-le"))
        return self.reply()

    def call(self, *calls: bytes) -> bytes:
        """The reply to one message with these calls."""
        self.send(Kind.RPC, _HEADERS + b"\x80".join(calls))
        return self.reply()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave without a word."""
        self._socket.close()


def procedure(number: Procedure, *parameters: bytes) -> bytes:
    """A call of a procedure by number."""
    return struct.pack("<HHH", 0xFFFF, number, 0) + b"".join(parameters)


def parameter(value: object, of: DataType, *, output: bool = False) -> bytes:
    """A parameter without a name."""
    return short_text("") + bytes([output]) + type_bytes(of) + value_bytes(of, value)


def text(value: str) -> bytes:
    """A parameter that is text."""
    return parameter(value, NVARCHAR_MAX)


def number(value: int | None, *, output: bool = False) -> bytes:
    """A parameter that is a whole number."""
    return parameter(value, INT, output=output)
