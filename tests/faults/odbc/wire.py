"""The wire between the agent and its ERP: it knows commits when it sees them, and does what networks do.

It runs an event loop in a thread of its own; its methods may be called from any other thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
#: Closing a socket so drops the connection with RST.
_ABRUPT = struct.pack("ii", 1, 0)
#: Seconds for which its thread is waited for.
_END_S = 10.0


class Lane(StrEnum):
    """What a connection of the agent is for, by the first of its tables that is named on it."""

    CAPTURE = "capture"
    APPLY = "apply"
    UNKNOWN = "unknown"


class Moment(StrEnum):
    """When a commit of commands is struck."""

    BEFORE = "before it arrives"
    BEHIND = "when it was done, and nobody was told"


class Way(StrEnum):
    """How the link ends: with a reset, or in a black hole that takes everything and answers nothing."""

    RESET = "reset"
    HOLE = "hole"


_WORDS = (
    (b"isthmus_ledger", Lane.APPLY),
    (b"isthmus_journal", Lane.CAPTURE),
    (b"isthmus_epoch", Lane.CAPTURE),
)
_COMMIT = b"COMMIT"


@dataclass(eq=False, slots=True)
class _Link:
    """One connection: the agent's end, the server's, and what was done to it."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    lane: Lane = Lane.UNKNOWN
    tail: bytes = b""
    dead: bool = False
    mute: Way | None = None

    @property
    def port(self) -> int:
        """By which the server knows it."""
        return int(self.far.get_extra_info("sockname")[1])

    def drop(self) -> None:
        """RST to both."""
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):  # the peer may have closed it meanwhile
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            end.transport.abort()


@dataclass(slots=True)
class _State:
    shut: bool = False
    cut: tuple[Moment, Way] | None = None
    left: int = 0
    cuts: int = 0
    opened: int = 0
    refused: int = 0
    pause_s: float = 0.0
    paused: int = 0
    commits: int = 0
    links: set[_Link] = field(default_factory=set)
    quick: asyncio.Event = field(default_factory=asyncio.Event)


class Wire:
    """Listens on loopback and connects each caller with the server. A context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._state = _State()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="wire")

    @property
    def port(self) -> int:
        """Where to connect to."""
        return int(self._listener.getsockname()[1])

    @property
    def cuts(self) -> int:
        """Commits that were struck."""
        return self._state.cuts

    @property
    def commits(self) -> int:
        """Commits of commands that passed, or were struck."""
        return self._state.commits

    @property
    def opened(self) -> int:
        """Connections that were made."""
        return self._state.opened

    @property
    def refused(self) -> int:
        """Connections that were dropped because the wire was shut."""
        return self._state.refused

    @property
    def paused(self) -> int:
        """Pieces that went slowly."""
        return self._state.paused

    def cut(self, moment: Moment, way: Way, times: int = 1) -> None:
        """Strike the next commits of commands."""

        def arm() -> None:
            self._state.cut, self._state.left = (moment, way), times

        self._do(arm)

    def slow(self, pause_s: float) -> None:
        """Every piece takes so long, in either direction, until the wire is mended."""

        def slow() -> None:
            self._state.pause_s = pause_s
            self._state.quick.clear()

        self._do(slow)

    def shut(self) -> None:
        """Reset every connection and those that come."""

        def shut() -> None:
            self._state.shut = True
            for link in list(self._state.links):
                link.drop()

        self._do(shut)

    def die(self) -> None:
        """Every connection is open and nothing passes; new ones are taken and not answered."""

        def die() -> None:
            self._state.cut, self._state.left = None, 0
            for link in self._state.links:
                link.dead = True

        self._do(die)

    def mend(self) -> None:
        """Everything works again; what died stays dead."""

        def mend() -> None:
            self._state.shut, self._state.cut, self._state.left, self._state.pause_s = False, None, 0, 0.0
            self._state.quick.set()

        self._do(mend)

    def ports(self, lane: Lane) -> set[int]:
        """The ports by which the server knows the connections of a lane."""
        return self._do(lambda: {link.port for link in self._state.links if link.lane is lane})

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(_END_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_S)
        self._loop.close()
        self._listener.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.create_task(self._accept())
        self._loop.run_forever()

    def _do(self, act: Callable[[], T]) -> T:
        async def done() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(_END_S)

    async def _end(self) -> None:
        tasks = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for link in list(self._state.links):
            link.drop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            try:
                near, _ = await self._loop.sock_accept(self._listener)
            except OSError:  # who came has gone again
                continue
            task = self._loop.create_task(self._serve(near))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, sock: socket.socket) -> None:
        if self._state.shut:
            self._state.refused += 1
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            sock.close()
            return
        reader, near = await asyncio.open_connection(sock=sock)
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the server is down: so is this end
            near.transport.abort()
            return
        link = _Link(near, far)
        self._state.links.add(link)
        self._state.opened += 1
        try:
            async with asyncio.TaskGroup() as group:
                back = group.create_task(self._back(link, far_reader))
                await self._forth(link, reader)
                back.cancel()
        except* OSError:
            pass  # either end may go first; both are closed below
        finally:
            self._state.links.discard(link)
            near.transport.abort()
            far.transport.abort()

    async def _forth(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            if link.dead:
                continue
            await self._pause()
            self._learn(link, data)
            if self._commits(link, data) and self._struck(link):
                continue
            link.far.write(data)
            await link.far.drain()

    async def _back(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            if link.mute is not None:  # the commit is done: nobody hears of it
                if link.mute is Way.RESET:
                    link.drop()
                    return
                link.dead = True
            if link.dead:
                continue
            await self._pause()
            link.near.write(data)
            await link.near.drain()
        if not link.dead:
            link.near.close()

    async def _pause(self) -> None:
        if self._state.pause_s:
            self._state.paused += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._state.quick.wait(), self._state.pause_s)

    def _learn(self, link: _Link, data: bytes) -> None:
        if link.lane is Lane.UNKNOWN:
            seen = link.tail + data
            found = [(seen.find(word), lane) for word, lane in _WORDS if word in seen]
            if found:
                link.lane = min(found)[1]

    def _commits(self, link: _Link, data: bytes) -> bool:
        """Whether a commit of commands begins or ends in this piece."""
        seen = link.tail[-len(_COMMIT) + 1 :] + data
        link.tail = (link.tail + data)[-32:]
        found = link.lane is Lane.APPLY and _COMMIT in seen
        self._state.commits += found
        return found

    def _struck(self, link: _Link) -> bool:
        """Whether this commit is not to arrive; one that is to be unanswered arrives."""
        if self._state.cut is None or not self._state.left:
            return False
        moment, way = self._state.cut
        self._state.left -= 1
        self._state.cuts += 1
        if moment is Moment.BEHIND:
            link.mute = way
            return False
        if way is Way.RESET:
            link.drop()
        else:
            link.dead = True
        return True
