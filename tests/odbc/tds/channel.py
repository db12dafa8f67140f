"""The socket of one client: messages come in, seen before they are taken; replies go out in packets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque

from tests.odbc.tds.protocol import FIRST_SIZE, Message, packets, read_message


class Closed(Exception):
    """The connection is over, because the script or the client ended it."""


class Channel:
    """Filled by a task of its own, so that attention is heard while a request is being answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: deque[Message | None] = deque()
        self._something = asyncio.Event()
        #: Bytes that a packet has at most.
        self.packet_size = FIRST_SIZE

    async def fill(self) -> None:
        """Read until the client has gone; None stands for that. Raises Malformed."""
        try:
            while True:
                self._put(await read_message(self._reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # clients may leave whenever they want
        finally:
            self._put(None)

    def _put(self, message: Message | None) -> None:
        self._waiting.append(message)
        self._something.set()

    async def see(self) -> Message | None:
        """The next message, left where it is; None when the client has gone."""
        await self._something.wait()
        return self._waiting[0]

    async def take(self) -> Message:
        """The next message. Raises Closed when the client has gone."""
        message = await self.see()
        if message is None:
            raise Closed
        self._waiting.popleft()
        if not self._waiting:
            self._something.clear()
        return message

    async def send(self, payload: bytes, *, ends: bool = True) -> None:
        """Send a reply, or a part of one that does not end yet."""
        for packet in packets(payload, self.packet_size, ends=ends):
            self._writer.write(packet)
        await self._writer.drain()

    def close(self) -> None:
        """End the connection in order."""
        self._writer.close()

    def reset(self) -> None:
        """End the connection the hard way: the client's next read or write fails."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
