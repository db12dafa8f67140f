"""The agent's end of a worker process: requests with a deadline, and a new process when one hangs or dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import structlog

from adapters.odbc.settings import Erp
from adapters.odbc.wire import HEADER_SIZE, Lane, Reply, Request, length, pack, unpack
from agent.errors import Refused, RemoteError, Unreachable

_LOG = structlog.get_logger(__name__)
_ROOT = Path(__file__).resolve().parents[2]


class WorkerLost(Unreachable):
    """The worker process ended, by its deadline or by itself, with this request unanswered."""


class PortClosed(Unreachable):
    """The port that asked was closed before the answer came; the worker may go on with the request."""


class User(StrEnum):
    """Who uses a link. A port releases its own use only; the worker ends with the last one."""

    SOURCE = "source"
    #: Reads and checks too: they have no end of their own, and every system's target is closed at last.
    TARGET = "target"
    ADMINISTRATION = "administration"


class _End(Enum):
    """Why no answer comes any more."""

    PROCESS = "the worker process ended"
    PORT = "the port that asked was closed"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request under way: whose it is, and the answers so far."""

    user: User
    answers: asyncio.Queue[Reply | _End]


class _Process:
    """One life of the worker: the process, its reader task and the requests that wait for it."""

    def __init__(self, process: asyncio.subprocess.Process, erp: Erp) -> None:
        self.process = process
        self.erp = erp
        self.waiting: dict[int, _Waiting] = {}
        self.reader = asyncio.create_task(self._read(), name=f"odbc replies of {erp.name}")

    async def _read(self) -> None:
        stream = self.process.stdout
        if stream is None:
            return
        try:
            while True:
                header = await stream.readexactly(HEADER_SIZE)
                reply: Reply = unpack(await stream.readexactly(length(header)))
                waiting = self.waiting.get(reply.number)
                if waiting is not None:
                    waiting.answers.put_nowait(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the process ended; what it had answered was handed out above
        finally:
            for waiting in self.waiting.values():
                waiting.answers.put_nowait(_End.PROCESS)

    def leave(self, user: User) -> None:
        """A port is closed: its own requests wait no longer."""
        for waiting in self.waiting.values():
            if waiting.user is user:
                waiting.answers.put_nowait(_End.PORT)

    async def end(self) -> None:
        """Kill the process and read its pipe to the end: answers given before its death still count."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.reader
        if self.process.stdin is not None:
            self.process.stdin.close()


class Link:
    """Requests to the worker of one ERP, for the ports that share it.

    The process starts with the first request and ends when the last user releases it: a source that is
    closed to be opened again must not end a worker that is in the middle of a command.
    """

    def __init__(self, name: str, deadline_s: float, resolved: Callable[[], Erp]) -> None:
        self.name = name
        self.deadline_s = deadline_s
        self._resolved = resolved
        self._numbers = itertools.count(1)
        self._life: _Process | None = None
        self._starting = asyncio.Lock()
        self._users: set[User] = set()
        self._refused = False
        self.ended = 0

    @property
    def erp(self) -> Erp:
        """The ERP as the next worker gets it, its secret read now. Raises Refused."""
        return self._resolved()

    @property
    def pid(self) -> int | None:
        """The worker's process id while one runs."""
        return self._life.process.pid if self._life else None

    def hold(self, user: User) -> None:
        """Take calls of this user until it releases the link, also after an earlier release."""
        self._users.add(user)

    async def release(self, user: User) -> None:
        """End this user's calls; the last user's release ends the worker. Safe to call twice."""
        self._users.discard(user)
        if self._life is not None:
            self._life.leave(user)
        async with self._starting:
            if self._users:
                return
            life, self._life = self._life, None
        if life is not None:
            await life.end()

    async def close(self) -> None:
        """Release it for every user; safe to call twice."""
        for user in User:
            await self.release(user)

    async def call(self, user: User, lane: Lane, verb: str, *arguments: Any) -> Any:
        """The one answer to a request. Raises Unreachable (WorkerLost, PortClosed) or Refused."""
        async with contextlib.aclosing(self.stream(user, lane, verb, *arguments)) as answers:
            async for value in answers:
                return value
        raise WorkerLost("the worker gave no answer", where=self.name)

    async def stream(self, user: User, lane: Lane, verb: str, *arguments: Any) -> AsyncGenerator[Any, None]:
        """Every answer to a request, the deadline counting anew with each. Raises as ``call``.

        A plain Unreachable says that the request was certainly not sent.
        """
        life = await self._running(user)
        number = next(self._numbers)
        waiting = life.waiting[number] = _Waiting(user, asyncio.Queue())
        try:
            await self._send(life, Request(number, lane, verb, arguments))
            while True:
                reply = await self._next(life, waiting.answers)
                if reply.error:
                    error = _raised(reply, self.name)
                    self._refused = self._refused or isinstance(error, Refused)
                    raise error
                yield reply.value
                if reply.last:
                    return
        finally:
            del life.waiting[number]

    async def _next(self, life: _Process, answers: asyncio.Queue[Reply | _End]) -> Reply:
        try:
            async with asyncio.timeout(self.deadline_s):
                reply = await answers.get()
        except TimeoutError:
            _LOG.warning("worker over its deadline", action="odbc.worker.killed", system=self.name)
            await self._end(life)
            # an answer that was in the pipe when the deadline passed is an answer
            reply = answers.get_nowait()
        if isinstance(reply, Reply):
            return reply
        if reply is _End.PORT:
            raise PortClosed("the connection was closed before the answer came", where=self.name)
        await self._end(life)
        raise WorkerLost(
            "the worker process ended before it answered",
            where=self.name,
            remedy="see the ERP's locks and network if this repeats",
        )

    async def _send(self, life: _Process, request: Request) -> None:
        stdin = life.process.stdin
        try:
            if stdin is None or life.reader.done():
                raise ConnectionResetError
            stdin.write(pack(request))
            await stdin.drain()
        except ConnectionError:
            await self._end(life)
            raise WorkerLost("the worker process ended", where=self.name) from None

    async def _running(self, user: User) -> _Process:
        async with self._starting:
            if user not in self._users:
                raise Unreachable("the connection is closed", where=self.name)
            if self._life is None or self._life.reader.done() or self._outdated(self._life):
                if self._life is not None:
                    await self._life.end()
                self._life = await self._start()
            return self._life

    def _outdated(self, life: _Process) -> bool:
        """Whether it was refused with a secret that is another one by now. Never while somebody waits."""
        if not self._refused or life.waiting:
            return False
        self._refused = False
        try:
            return self.erp != life.erp
        except Refused:  # there is none to be read now
            return False

    async def _start(self) -> _Process:
        erp = self.erp
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "adapters.odbc.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # an operator's Ctrl-C is for the agent, which then ends the worker
        )
        life = _Process(process, erp)
        if process.stdin is not None:
            process.stdin.write(pack(erp))
        return life

    async def _end(self, life: _Process) -> None:
        if self._life is life:
            self._life = None
            self.ended += 1
        await life.end()


def _raised(reply: Reply, where: str) -> RemoteError:
    kinds: dict[str, type[Refused | Unreachable]] = {"Refused": Refused, "WorkerLost": WorkerLost}
    return kinds.get(reply.error, Unreachable)(reply.message, where=where, remedy=reply.remedy)
