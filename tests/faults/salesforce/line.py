"""A line between the agent and the org: TLS on its own certificate, and everything that lines do wrong.

It runs an event loop in a thread of its own; its methods may be called from any other thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from tests.faults.salesforce.frames import Frames
from tests.salesforce.authority import Leaf

T = TypeVar("T")
_PIECE = 256 * 1024
#: Seconds in which everything that stands open is closed.
_END_S = 20.0
_REQUEST = re.compile(rb"^(GET|POST|PATCH|PUT|DELETE) (\S+) HTTP/1\.1\r\n")
#: Closing a socket so drops the connection with RST.
_ABRUPT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class End:
    """Where a line leads: host and port, TLS where ``ca`` is a file, and the protocol spoken on it."""

    host: str
    port: int
    ca: str = ""
    http2: bool = False

    def trust(self) -> ssl.SSLContext | None:
        """How the line itself trusts the far end; None without TLS."""
        return ssl.create_default_context(cafile=self.ca) if self.ca else None


@dataclass(frozen=True, slots=True)
class Request:
    """A request that went along: when by the monotonic clock, its method and its address."""

    at: float
    method: str
    path: str


@dataclass(eq=False, slots=True)
class _Link:
    """One connection. ``dead``: both sides are open and nothing passes; ``cut``: its next answer is lost."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    frames: Frames | None
    dead: bool = False
    cut: bool = False

    def drop(self) -> None:
        for end in (self.near, self.far):
            sock = end.get_extra_info("socket")
            with contextlib.suppress(OSError):  # the peer may have closed it meanwhile
                if sock is not None:  # a TLS connection that is over has none
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            end.transport.abort()


@dataclass(slots=True)
class _Cut:
    """Answers still to be lost: of requests whose head holds ``marker``."""

    marker: bytes
    left: int


@dataclass(slots=True)
class _State:
    dead: bool = False
    shut: bool = False
    cuts: list[_Cut] = field(default_factory=list)
    lost: int = 0
    knocks: int = 0
    requests: list[Request] = field(default_factory=list)


class Line:
    """Listens on loopback and connects each caller with the far end. A context manager."""

    def __init__(self, end: End, keys: Leaf) -> None:
        self._end = end
        self._trust = end.trust()
        self._context = _shown(keys, http2=end.http2)
        self._state = _State()
        self._links: set[_Link] = set()
        self._idle: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    @property
    def port(self) -> int:
        """Where to connect to."""
        return int(self._listener.getsockname()[1])

    @property
    def knocks(self) -> int:
        """Connections that came so far."""
        return self._state.knocks

    @property
    def lost(self) -> int:
        """Answers that were lost so far."""
        return self._state.lost

    @property
    def requests(self) -> list[Request]:
        """Requests of HTTP/1.1 that went along so far."""
        return list(self._state.requests)

    def die(self) -> None:
        """A dead gateway: connections, open and new ones, take what is sent and answer nothing."""
        self._do(self._die)

    def shut(self) -> None:
        """Drop every connection and those that come."""
        self._do(self._shut)

    def mend(self) -> None:
        """Everything works again; what died stays dead."""
        self._do(self._mend)

    def reset(self) -> None:
        """RST on every open connection."""
        self._do(self._drop)

    def cut(self, marker: str, times: int = 1) -> None:
        """Lose the next answers to requests whose head holds the marker, behind what they did."""
        self._do(lambda: self._state.cuts.append(_Cut(marker.encode(), times)))

    def show(self, keys: Leaf) -> None:
        """Another certificate, from the next connection on; open ones are dropped."""
        context = _shown(keys, http2=self._end.http2)

        def swap() -> None:
            self._context = context
            self._drop()

        self._do(swap)

    def end_streams(self, code: int) -> int:
        """RST_STREAM on every stream; how many connections there were."""
        return self._inject(lambda frames: frames.resets(code))

    def go_away(self, code: int) -> int:
        """GOAWAY on every connection, which ends soon after, as a server does that is taken down."""
        count = self._inject(lambda frames: frames.goaway(code))
        self._do(lambda: self._loop.call_later(0.5, self._drop))
        return count

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Do something in the line's own event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def __enter__(self) -> Line:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_S)
        self._listener.close()
        if self._thread.is_alive():
            raise TimeoutError(f"the line did not end within {_END_S:.0f} s")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        accepting = self._loop.create_task(self._accept())
        try:
            self._loop.run_forever()
        finally:
            try:
                self._drop()
            finally:  # whatever goes wrong here, nobody is left waiting at a connection
                for task in (accepting, *self._tasks):
                    task.cancel()
                left = asyncio.gather(accepting, *self._tasks, return_exceptions=True)
                self._loop.run_until_complete(left)
                for _ in range(3):  # what was aborted closes its socket a turn later
                    self._loop.run_until_complete(self._loop.shutdown_asyncgens())
                self._loop.close()

    def _do(self, work: Callable[[], T]) -> T:
        async def done() -> T:
            return work()

        return self.run(done())

    def _inject(self, made: Callable[[Frames], bytes]) -> int:
        def put() -> int:
            links = [link for link in self._links if link.frames is not None]
            for link in links:
                assert link.frames is not None
                link.near.write(made(link.frames))
            return len(links)

        return self._do(put)

    def _die(self) -> None:
        self._state.dead = True
        for link in self._links:
            link.dead = True

    def _shut(self) -> None:
        self._state.shut = True
        self._drop()

    def _mend(self) -> None:
        self._state.dead = self._state.shut = False
        self._state.cuts.clear()

    def _drop(self) -> None:
        for link in list(self._links):
            link.drop()
        while self._idle:
            self._idle.pop().close()

    async def _accept(self) -> None:
        while True:
            near, _ = await self._loop.sock_accept(self._listener)
            self._state.knocks += 1
            if self._state.shut:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
                near.close()
            elif self._state.dead:
                self._idle.add(near)
            else:
                task = self._loop.create_task(self._serve(near))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        near: asyncio.StreamWriter | None = None
        far: asyncio.StreamWriter | None = None
        try:
            asking, near = await _secured(self._loop, sock, self._context)
            answering, far = await asyncio.open_connection(
                self._end.host, self._end.port, ssl=self._trust, limit=_PIECE
            )
        except OSError:  # the caller does not trust the certificate, or the far end is gone
            for end in (near, far):
                if end is not None:
                    end.transport.abort()
            sock.close()
            return
        link = _Link(near, far, Frames() if self._end.http2 else None, dead=self._state.dead)
        self._links.add(link)
        try:
            await self._relay(link, asking, answering)
        finally:
            self._links.discard(link)
            for end in (near, far):
                end.transport.abort()

    async def _relay(
        self, link: _Link, asking: asyncio.StreamReader, answering: asyncio.StreamReader
    ) -> None:
        ways = [
            asyncio.create_task(self._forth(link, asking)),
            asyncio.create_task(self._back(link, answering)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _forth(self, link: _Link, source: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):  # a dropped connection ends like one that was closed
            while data := await source.read(_PIECE):
                if link.dead:
                    continue
                self._look(link, data)
                link.far.write(data)
                await link.far.drain()

    def _look(self, link: _Link, data: bytes) -> None:
        """Note a request, and whether its answer is to be lost."""
        head = _REQUEST.match(data)
        if head is None:
            return
        self._state.requests.append(Request(time.monotonic(), head[1].decode(), head[2].decode()))
        for cut in self._state.cuts:
            if cut.left and cut.marker in data.partition(b"\r\n\r\n")[0]:
                cut.left -= 1
                link.cut = True
                return

    async def _back(self, link: _Link, source: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):  # as above
            while data := await source.read(_PIECE):
                if link.cut:
                    self._state.lost += 1
                    link.drop()
                    return
                ready = link.frames.whole(data) if link.frames is not None else data
                if not link.dead:
                    link.near.write(ready)
                    await link.near.drain()


async def _secured(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader = asyncio.StreamReader(_PIECE, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _shown(keys: Leaf, *, http2: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(keys.certificate, keys.key)
    if http2:
        context.set_alpn_protocols(["h2"])
    return context
