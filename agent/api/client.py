"""Asking the service over its socket. Implements ``Client`` for the command line and the dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import orjson
from pydantic import BaseModel, ValidationError

from agent.errors import Denied, InputError, IsthmusError
from agent.operations.wire import (
    PAGE,
    ConflictItem,
    ConflictPage,
    Digests,
    ExceptionItem,
    ExceptionPage,
    FlowPage,
    Overview,
    ServiceDown,
    Side,
    Status,
    Trace,
    VerbResult,
)

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

#: Seconds to wait for an answer; the account of a large store takes its time.
TIMEOUT_S = 30.0


class ServiceClient:
    """One connection pool to the service; use as ``async with`` or call ``close``."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        transport = httpx2.AsyncHTTPTransport(uds=str(path))
        self._http = httpx2.AsyncClient(
            transport=transport, base_url="http://isthmus", timeout=timeout_s, trust_env=False
        )

    async def __aenter__(self) -> ServiceClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def status(self) -> Status:
        """How the agent does."""
        return _read(Status, await self._ask("GET", "/status"))

    async def overview(self) -> Overview:
        """The first screen."""
        return _read(Overview, await self._ask("GET", "/overview"))

    async def exceptions(self, state: str = "open", limit: int = PAGE) -> ExceptionPage:
        """Exceptions in one state, oldest due first."""
        address = f"/exceptions?state={quote(state, safe='')}&limit={limit}"
        return _read(ExceptionPage, await self._ask("GET", address))

    async def exception(self, number: int) -> ExceptionItem:
        """One exception."""
        return _read(ExceptionItem, await self._ask("GET", f"/exceptions/{number}"))

    async def conflicts(self, state: str = "open", limit: int = PAGE) -> ConflictPage:
        """Conflicts in one state or in all, open ones first."""
        address = f"/conflicts?state={quote(state, safe='')}&limit={limit}"
        return _read(ConflictPage, await self._ask("GET", address))

    async def conflict(self, number: int) -> ConflictItem:
        """One conflict."""
        return _read(ConflictItem, await self._ask("GET", f"/conflicts/{number}"))

    async def flow(self) -> FlowPage:
        """What is held, and how much stands ready at every system."""
        return _read(FlowPage, await self._ask("GET", "/flow"))

    async def trace(self, key: str) -> Trace:
        """A record by any of its names."""
        return _read(Trace, await self._ask("GET", f"/trace/{quote(key, safe='')}"))

    async def retry(self, number: int, reason: str) -> VerbResult:
        """Try again what an exception stands for."""
        return await self._act(f"/exceptions/{number}/retry", {"reason": reason})

    async def close_exception(self, number: int, reason: str) -> VerbResult:
        """Close an exception without sending."""
        return await self._act(f"/exceptions/{number}/close", {"reason": reason})

    async def resolve(self, number: int, fate: str, reason: str, key: str | None = None) -> VerbResult:
        """Rule about a deletion or a lost answer; ``fate`` as ``agent.core.fate``."""
        body = {"fate": fate, "reason": reason, "key": key}
        return await self._act(f"/exceptions/{number}/resolve", body)

    async def rule(self, number: int, keep: Side, shown: Digests, reason: str) -> VerbResult:
        """Say which value of a conflict holds, unless one has changed since it was shown."""
        body = {"keep": keep, "reason": reason, "shown": shown.model_dump()}
        return await self._act(f"/conflicts/{number}/rule", body)

    async def hold(self, scope: str, reason: str) -> VerbResult:
        """Send nothing more to a system, or to all (``*``)."""
        return await self._act("/flow/hold", {"scope": scope, "reason": reason})

    async def release(self, scope: str, reason: str) -> VerbResult:
        """Let a system or a held scope go on."""
        return await self._act("/flow/release", {"scope": scope, "reason": reason})

    async def _act(self, address: str, body: Mapping[str, Any]) -> VerbResult:
        return _read(VerbResult, await self._ask("POST", address, orjson.dumps(body)))

    async def _ask(self, method: str, address: str, body: bytes | None = None) -> bytes:
        headers = {"content-type": "application/json"} if body is not None else None
        try:
            response = await self._http.request(method, address, content=body, headers=headers)
        except httpx2.TransportError as error:
            raise _down(self._path, error) from error
        if response.status_code == 200:
            return response.content
        raise _refusal(response.status_code, response.content)


def ask(path: Path, question: Callable[[ServiceClient], Awaitable[T]]) -> T:
    """Ask one thing from code that has no loop: ``ask(path, lambda client: client.status())``."""

    async def run() -> T:
        async with ServiceClient(path) as client:
            return await question(client)

    return asyncio.run(run())


def _read(model: type[M], content: bytes) -> M:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise ServiceDown(
            "the service speaks another version of this program", remedy="restart it with the installed one"
        ) from error


def _down(path: Path, error: httpx2.TransportError) -> ServiceDown:
    if isinstance(error, httpx2.TimeoutException):
        why, remedy = "the service does not answer in time", "look at its log; restart it if it hangs"
    elif _refused_by_mode(error):
        why, remedy = "this user may not use the control socket", "join the group that owns it"
    else:
        why, remedy = "the service does not run", "start it: isthmus run"
    return ServiceDown(why, where=str(path), remedy=remedy)


def _refused_by_mode(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, PermissionError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refusal(status: int, content: bytes) -> IsthmusError:
    try:
        told = orjson.loads(content)["error"]
        message, remedy, code = str(told["message"]), str(told["remedy"]), int(told["code"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return ServiceDown(
            f"what answers on the socket is not the service (status {status})",
            remedy="check agent.control_socket",
        )
    kinds: dict[int, type[IsthmusError]] = {2: InputError, 3: ServiceDown, 4: Denied}
    return kinds.get(code, IsthmusError)(message, remedy=remedy)
