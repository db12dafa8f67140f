"""Connections that died unnoticed: a read is asked once more on a new one, a write never."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from adapters.salesforce.connection import http
from adapters.salesforce.connection.http import AnswerLost, HttpLink
from adapters.salesforce.connection.proxy import Ways
from adapters.salesforce.settings import Settings

pytestmark = pytest.mark.invariant("I32")


class Keeper:
    """A server that keeps connections and counts what arrives on which."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self.connections = 0
        self.deaf: set[int] = set()
        self.hang_up: set[int] = set()
        self.slow: asyncio.Event | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/x"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method = head.split(b" ")[0].decode()
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                self.asked.append((number, method))
                if number in self.hang_up:
                    break
                if number in self.deaf:
                    continue
                if self.slow is not None:
                    await self.slow.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Keeper]:
    keeper = Keeper()
    await keeper.start()
    yield keeper
    await keeper.stop()


@pytest.fixture
async def link(server: Keeper, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpLink]:
    """A link whose patience with old connections is short, and with new ones long."""
    monkeypatch.setattr(http, "STALE_S", 0.3)
    made = HttpLink(*settings(server.url))
    yield made
    await made.release("nobody")


def settings(url: str, **changes: Any) -> tuple[Settings, Ways]:
    plain = Settings(
        login_url=url.removesuffix("/x"),
        insecure_http=True,
        auth="client-credentials",
        client_id="app",
        client_secret="env:S",
        request_timeout_s=20,
        **changes,
    )
    return plain, Ways(plain, str)


async def test_a_read_on_a_forgotten_connection_is_asked_once_more_on_a_new_one(
    server: Keeper, link: HttpLink
) -> None:
    await link.send("GET", server.url)
    server.deaf = {1}
    assert (await link.send("GET", server.url)).status_code == 200
    assert server.asked == [(1, "GET"), (1, "GET"), (2, "GET")]


async def test_the_neighbours_of_a_dead_connection_are_not_tried(server: Keeper, link: HttpLink) -> None:
    server.slow = asyncio.Event()
    first = [asyncio.create_task(link.send("GET", server.url)) for _ in range(4)]
    await until(lambda: len(server.asked) == 4)
    server.slow.set()
    await asyncio.gather(*first)
    assert server.connections == 4
    server.deaf = {1, 2, 3, 4}
    assert (await link.send("GET", server.url)).status_code == 200
    assert [number for number, _ in server.asked[5:]] == [5]


async def test_a_read_on_a_connection_that_was_closed_is_asked_once_more_at_once(
    server: Keeper, link: HttpLink
) -> None:
    await link.send("GET", server.url)
    server.hang_up = {1}
    assert (await link.send("GET", server.url)).status_code == 200
    assert server.asked == [(1, "GET"), (1, "GET"), (2, "GET")]


async def test_a_download_on_a_forgotten_connection_begins_once_more_on_a_new_one(
    server: Keeper, link: HttpLink
) -> None:
    await link.send("GET", server.url)
    server.deaf = {1}
    async with link.stream("GET", server.url) as response:
        assert await response.aread() == b"{}"
    assert server.asked == [(1, "GET"), (1, "GET"), (2, "GET")]


async def test_a_download_by_post_is_never_sent_twice(server: Keeper, link: HttpLink) -> None:
    await link.send("GET", server.url)
    server.hang_up = {1}
    with pytest.raises(AnswerLost):
        async with link.stream("POST", server.url, content=b"{}"):
            pass
    assert server.asked == [(1, "GET"), (1, "POST")]


async def test_a_read_is_asked_only_once_more(server: Keeper, link: HttpLink) -> None:
    await link.send("GET", server.url)
    server.hang_up = {1, 2, 3}
    with pytest.raises(AnswerLost):
        await link.send("GET", server.url)
    assert server.asked == [(1, "GET"), (1, "GET"), (2, "GET")]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
async def test_a_write_is_never_sent_twice(server: Keeper, link: HttpLink, method: str) -> None:
    """It may have been done: that is for the engine to find out."""
    await link.send("GET", server.url)
    server.hang_up = {1}
    with pytest.raises(AnswerLost):
        await link.send(method, server.url, content=b"{}")
    assert server.asked == [(1, "GET"), (1, method)]


async def test_a_write_has_the_whole_time_also_on_an_old_connection(server: Keeper, link: HttpLink) -> None:
    await link.send("GET", server.url)
    server.slow = asyncio.Event()
    write = asyncio.create_task(link.send("POST", server.url, content=b"{}"))
    read = asyncio.create_task(link.send("GET", server.url))
    # The read has run out of patience twice over when the write is answered.
    await until(lambda: len(server.asked) >= 3)
    server.slow.set()
    assert (await write).status_code == 200
    await read
    assert [method for _, method in server.asked].count("POST") == 1


async def test_a_new_connection_may_take_the_whole_time(
    server: Keeper, link: HttpLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it is the server that thinks: asking again would only double its work."""
    monkeypatch.setattr(http, "STALE_S", 0.0)
    server.slow = asyncio.Event()
    asked = asyncio.create_task(link.send("GET", server.url))
    await until(lambda: len(server.asked) == 1)
    server.slow.set()
    assert (await asked).status_code == 200
    assert server.asked == [(1, "GET")]


async def test_a_request_under_way_survives_that_its_pool_is_given_up(server: Keeper, link: HttpLink) -> None:
    server.slow = asyncio.Event()
    both = [asyncio.create_task(link.send("POST", server.url, content=b"{}")) for _ in range(2)]
    await until(lambda: len(server.asked) == 2)
    server.slow.set()
    await asyncio.gather(*both)
    server.slow = asyncio.Event()
    write = asyncio.create_task(link.send("POST", server.url, content=b"{}"))
    await until(lambda: len(server.asked) == 3)
    busy = server.asked[2][0]
    server.hang_up = {1, 2} - {busy}
    read = asyncio.create_task(link.send("GET", server.url))
    await until(lambda: len(server.asked) == 5)
    server.slow.set()
    assert (await read).status_code == 200
    assert (await write).status_code == 200


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the peer has no event for it
            await asyncio.sleep(0.005)
