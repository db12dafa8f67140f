"""What may stand between us and an org: it passes TCP on, counts connections, may change answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator


class Relay:
    """Passes everything on to one port. ``edit`` changes answers; ``asked``: what was sent, by connection."""

    def __init__(self, port: int, edit: Callable[[bytes], bytes] = lambda piece: piece) -> None:
        self._to = port
        self._edit = edit
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.asked: list[bytearray] = []
        self.cut_after: int | None = None

    @property
    def url(self) -> str:
        """Its address, for plain HTTP."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def requests(self, head: bytes) -> int:
        """How many requests began like this."""
        return sum(bytes(each).count(head) for each in self.asked)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Cut everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = bytearray()
        self.asked.append(heard)
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        for work in (self._up(reader, back, heard), self._down(there, writer)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _up(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, heard: bytearray) -> None:
        with _closing(sink):
            while data := await source.read(65536):
                heard += data
                sink.write(data)
                await sink.drain()

    async def _down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with _closing(sink):
            while data := await source.read(65536):
                data = self._edit(data)
                if self.cut_after is not None:
                    data, self.cut_after = data[: self.cut_after], max(0, self.cut_after - len(data))
                    if not self.cut_after:
                        sink.write(data)
                        self.cut_after = None
                        return
                sink.write(data)
                await sink.drain()


@contextlib.contextmanager
def _closing(sink: asyncio.StreamWriter) -> Iterator[None]:
    with contextlib.suppress(ConnectionError):
        try:
            yield
        finally:
            sink.close()


@contextlib.asynccontextmanager
async def relayed(url: str, edit: Callable[[bytes], bytes] = lambda piece: piece) -> AsyncIterator[Relay]:
    """A relay to the port of an address while the block runs."""
    relay = Relay(int(url.rpartition(":")[2]), edit)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()
