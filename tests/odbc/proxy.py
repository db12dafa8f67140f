"""A TCP proxy in front of PostgreSQL that loses a connection at a chosen moment."""

from __future__ import annotations

import asyncio
from enum import StrEnum


class Cut(StrEnum):
    """When the link breaks. ``HOLD`` passes the commit on and never answers: a server that hangs."""

    NEVER = "never"
    BEFORE_COMMIT = "before commit"
    COMMIT_REPLY = "commit reply"
    HOLD = "hold"


class Proxy:
    """Passes bytes both ways until the armed cut is met, once."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.cut = Cut.NEVER
        self.cuts = 0
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """The port to connect to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Drop every connection."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        back = asyncio.create_task(self._copy(server_reader, writer))
        try:
            await self._forward(reader, server_writer, server_reader, back)
        except ConnectionError:
            pass  # either end may go first; both are closed below
        finally:
            back.cancel()
            writer.close()
            server_writer.close()
            await asyncio.gather(
                back, writer.wait_closed(), server_writer.wait_closed(), return_exceptions=True
            )
            self._tasks.discard(task)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        back: asyncio.Task[None],
    ) -> None:
        while data := await reader.read(65536):
            if b"COMMIT" in data and self.cut is not Cut.NEVER:
                cut, self.cut = self.cut, Cut.NEVER
                self.cuts += 1
                if cut is Cut.BEFORE_COMMIT:
                    return
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
                server_writer.write(data)
                await server_reader.read(1)  # the server has committed
                if cut is Cut.HOLD:
                    await reader.read()
                return
            server_writer.write(data)

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
