"""Stands before a gRPC port and passes bytes on, so that open connections can die without a word.

A connection behind a dead gateway takes what is sent and answers nothing, not even HTTP/2 pings, and nobody
closes it: a client notices only by its own watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

_PIECE = 256 * 1024


class Relay:
    """Listens on a socket and connects each caller with the server's own port."""

    def __init__(self, host: str, target: int) -> None:
        self._host = host
        self._target = target
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Future[None]] = set()
        self._age = 0

    async def open(self, listener: socket.socket) -> None:
        """Takes callers from now on."""
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=_PIECE)

    async def close(self) -> None:
        """Hangs up on everybody."""
        if self._server is not None:
            self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def kill(self) -> None:
        """Lets every connection that is open now go dead."""
        self._age += 1

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.ensure_future(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner: asyncio.StreamWriter | None = None
        try:
            answers, inner = await asyncio.open_connection(self._host, self._target, limit=_PIECE)
            ways = (self._pass(reader, inner, self._age), self._pass(answers, writer, self._age))
            done, pending = await asyncio.wait(
                [asyncio.ensure_future(way) for way in ways], return_when=asyncio.FIRST_COMPLETED
            )
            for way in pending:
                way.cancel()
            await asyncio.gather(*done, *pending, return_exceptions=True)
        except OSError:
            return
        finally:
            for each in (writer, inner):
                if each is not None:
                    each.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, age: int) -> None:
        """Passes on until the source ends; what a dead connection is sent is lost."""
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_PIECE):
                if self._age == age:
                    sink.write(data)
                    await sink.drain()
