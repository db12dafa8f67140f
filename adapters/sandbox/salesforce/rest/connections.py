"""Open HTTP connections by peer address, so that one can be cut without an answer."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

Peer = tuple[int, str, int]


class Connections:
    """Transports of the live connections, by server port and peer."""

    def __init__(self) -> None:
        self._open: dict[Peer, asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """An HTTP protocol class whose connections register here."""
        live = self._open

        class Watched(H11Protocol):
            peer: Peer

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                if not isinstance(transport, asyncio.Transport):
                    raise TypeError("an HTTP connection is a stream")
                host, port = transport.get_extra_info("peername")[:2]
                self.peer = (transport.get_extra_info("sockname")[1], host, port)
                live[self.peer] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                live.pop(self.peer, None)
                super().connection_lost(exc)

        return Watched

    def cut(self, scope: Scope) -> None:
        """Closes the connection of a request at once."""
        transport = self._open.get((scope["server"][1], *scope["client"]))
        if transport is not None:
            transport.abort()


class NoAnswer(Response):
    """In place of an answer: the connection is closed."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._connections.cut(scope)
        while (await receive())["type"] != "http.disconnect":
            continue
