"""A site's proxy on loopback: it tunnels by CONNECT to hosts that nobody else can find."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping


class Gateway:
    """An HTTP proxy. ``hosts`` says where each ``host:port`` really is; everything else is 502.

    ``users`` are name → password; with none anybody may pass. ``forbidden`` targets are answered 403.
    """

    def __init__(self, hosts: Mapping[str, int]) -> None:
        self.hosts = dict(hosts)
        self.users: dict[str, str] = {}
        self.forbidden: set[str] = set()
        self.asked: list[str] = []
        self.refused = 0
        self.seen = bytearray()
        self._number = 0
        self._forgotten = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in list(self._writers):
            writer.close()
        if self._server is not None:
            await self._server.wait_closed()

    def forget(self) -> None:
        """Go deaf on every tunnel there is, as a middlebox that lost its table; new ones work."""
        self._forgotten = self._number

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._tunnel(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines[1:])
        }
        self.asked.append(f"{method} {target}")
        status = self._status(target, headers.get("proxy-authorization", ""))
        extra = 'Proxy-Authenticate: Basic realm="site"\r\n' if status.startswith("407") else ""
        ending = "\r\n" if status.startswith("200") else f"Content-Length: 0\r\n{extra}\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{ending}".encode("ascii"))
        await writer.drain()
        if not status.startswith("200"):
            self.refused += 1
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.hosts[target])
        self._writers.add(back)
        self._number += 1
        number = self._number
        try:
            await asyncio.gather(self._pass(reader, back, number), self._pass(there, writer, number))
        finally:
            back.close()
            self._writers.discard(back)

    def _status(self, target: str, authorization: str) -> str:
        if self.users:
            known = {
                "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()
                for user, word in self.users.items()
            }
            if authorization not in known:
                return "407 Proxy Authentication Required"
        if target in self.forbidden:
            return "403 Forbidden"
        return "200 Connection established" if target in self.hosts else "502 Bad Gateway"

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, number: int) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if number <= self._forgotten:
                    continue
                self.seen += data
                sink.write(data)
                await sink.drain()
        sink.close()
