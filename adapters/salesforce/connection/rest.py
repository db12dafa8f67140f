"""REST calls with the current session: one repeat after a new login, answers as values."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx2

from adapters.salesforce.connection.auth import Login, Session
from adapters.salesforce.connection.governor import Governor, Priority
from adapters.salesforce.connection.http import AnswerLost, HttpLink, NotSent, retry_after, server_time
from adapters.salesforce.settings import Settings
from agent.errors import Refused, RemoteError, Unreachable

_USAGE = "sforce-limit-info"
_FAULT_KEYS = frozenset({"errorCode", "statusCode", "message", "fields"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One error of an answer: its code, text, the fields it names, and what else it says."""

    code: str
    text: str
    fields: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``date`` is the server's clock in whole seconds, ``elapsed`` our wait for it in seconds."""

    status: int
    body: Any
    date: datetime | None
    elapsed: float
    retry_after: float | None = None
    usage: str = ""

    @property
    def ok(self) -> bool:
        """Whether the call was carried out."""
        return 200 <= self.status < 300

    def faults(self) -> tuple[Fault, ...]:
        """The errors in the body; code ``HTTP_<status>`` where it does not come from Salesforce."""
        found = read_faults(self.body)
        return found or (Fault(f"HTTP_{self.status}", f"HTTP {self.status} without an error code"),)


@dataclass(frozen=True, slots=True)
class Call:
    """One request below ``/services/data/vXX.0``; ``content`` is JSON where no Content-Type says else.

    Content too large to be held is made anew for each try, by a function that gives its pieces.
    """

    method: str
    path: str
    content: bytes | Callable[[], AsyncIterator[bytes]] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Rest:
    """The REST interface of one org, for one class of callers. Every call is within the governor's budget."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        link: HttpLink,
        login: Login,
        governor: Governor,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.base = f"/services/data/v{settings.api_version}"
        self.governor = governor
        self.priority = Priority.DELIVERY
        self._link = link
        self._login = login
        self._monotonic = monotonic

    def at(self, priority: Priority) -> Rest:
        """The same interface for callers of another class."""
        other = copy.copy(self)
        other.priority = priority
        return other

    async def call(self, call: Call) -> Reply:
        """Send one request; a session that has ended is renewed once and the request repeated.

        Raises NotSent and AnswerLost for the request itself, Unreachable or Refused for what comes before it:
        the login, and the budget of API calls.
        """
        session = await self._login.session()
        reply = await self._send(session, call)
        if reply.status == 401:
            session = await self._login.renew(session)
            reply = await self._send(session, call)
            if reply.status == 401:
                raise self._rejected(reply)
        self._login.accepted()
        return reply

    async def user(self) -> str:
        """The id of the user in whose name we call. Raises Unreachable, Refused for the login."""
        return (await self._login.session()).user_id

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        """Read. Raises Unreachable or Refused for everything but success."""
        reply = await self.call_safe(Call("GET", path, params=params or {}))
        if not reply.ok:
            raise self.denied(reply)
        return reply

    async def call_safe(self, call: Call) -> Reply:
        """Send a request that changes nothing. Raises Unreachable, and Refused for the login only."""
        try:
            return await self.call(call)
        except (NotSent, AnswerLost) as error:
            raise _unreachable(error, self.name) from error

    @contextlib.asynccontextmanager
    async def download(self, call: Call) -> AsyncIterator[httpx2.Response]:
        """An answer that is read piece by piece while the block runs (``aiter_bytes``).

        Raises Unreachable or Refused for everything but success, Unreachable where the answer breaks off.
        """
        session = await self._login.session()
        try:
            async with self._stream(session, call) as response:
                if response.status_code != 401:
                    yield await self._granted(response)
                    return
            session = await self._login.renew(session)
            async with self._stream(session, call) as response:
                yield await self._granted(response)
        except (NotSent, AnswerLost) as error:
            raise _unreachable(error, self.name) from error

    async def _granted(self, response: httpx2.Response) -> httpx2.Response:
        if not response.is_success:
            await response.aread()
            reply = self._heard(_reply(response, 0.0))
            raise self._rejected(reply) if reply.status == 401 else self.denied(reply)
        self._login.accepted()
        self.governor.heard(response.headers.get(_USAGE, ""))
        return response

    def denied(self, reply: Reply) -> RemoteError:
        """The error for a call that was answered no."""
        fault = reply.faults()[0]
        text = f"{fault.code}: {fault.text}"
        if fault.code == "REQUEST_LIMIT_EXCEEDED":
            wait = limit_wait(fault.text) if reply.retry_after is None else reply.retry_after
            return Unreachable(text, where=self.name, retry_after=wait)
        if reply.status in (408, 429) or reply.status >= 500 or fault.code == "QUERY_TIMEOUT":
            return Unreachable(text, where=self.name, retry_after=reply.retry_after)
        return Refused(text, where=self.name)

    def _rejected(self, reply: Reply) -> Refused:
        fault = reply.faults()[0]
        return self._login.rejected("REST", f"{fault.code}: {fault.text}")

    async def _send(self, session: Session, call: Call) -> Reply:
        self.governor.admit(self.priority)
        started = self._monotonic()
        url = f"{session.instance_url}{self.base}{call.path}"
        response = await self._link.send(call.method, url, **self._request(session, call))
        return self._heard(_reply(response, self._monotonic() - started))

    def _stream(
        self, session: Session, call: Call
    ) -> contextlib.AbstractAsyncContextManager[httpx2.Response]:
        self.governor.admit(self.priority)
        url = f"{session.instance_url}{self.base}{call.path}"
        return self._link.stream(call.method, url, **self._request(session, call))

    def _heard(self, reply: Reply) -> Reply:
        """Tell the governor; a refusal for want of calls comes back with the time for which they rest."""
        fault = next((one for one in read_faults(reply.body) if one.code == "REQUEST_LIMIT_EXCEEDED"), None)
        if reply.ok or fault is None:
            self.governor.heard(reply.usage)
            return reply
        rest = self.governor.refused(fault.text, reply.usage, reply.retry_after)
        return replace(reply, retry_after=rest)

    def _request(self, session: Session, call: Call) -> dict[str, Any]:
        kind = {} if call.content is None else {"Content-Type": "application/json"}
        content = call.content() if callable(call.content) else call.content
        return {
            "content": content,
            "params": call.params or None,
            "headers": {"Authorization": f"Bearer {session.token}", **kind, **call.headers},
        }


def _unreachable(error: NotSent | AnswerLost, name: str) -> Unreachable:
    """For people: what left and got no answer is tried again; where that lasts, somebody has to look."""
    if isinstance(error, NotSent):
        return Unreachable(str(error), where=name, remedy=error.remedy)
    return Unreachable(
        f"a call got no answer ({error})",
        where=name,
        remedy="it is tried again; if this lasts, look at proxy and firewall, and at status.salesforce.com",
    )


def limit_wait(text: str) -> float:
    """Seconds to wait after REQUEST_LIMIT_EXCEEDED: the day's rolling quota frees bit by bit, a burst soon.

    Asking four times an hour costs next to nothing and finds out that there is quota again.
    """
    return 900.0 if "TotalRequests" in text else 10.0


def read_faults(body: Any) -> tuple[Fault, ...]:
    """Errors of a REST answer (``errorCode``) or of one result of a collection (``statusCode``)."""
    if not isinstance(body, list):
        return ()
    found = []
    for item in body:
        code = item.get("errorCode") or item.get("statusCode") if isinstance(item, dict) else None
        if code:
            named = tuple(str(one) for one in item.get("fields") or ())
            more = {name: value for name, value in item.items() if name not in _FAULT_KEYS}
            found.append(Fault(str(code), str(item.get("message", "")), named, more))
    return tuple(found)


def _reply(response: httpx2.Response, elapsed: float) -> Reply:
    return Reply(
        response.status_code,
        _body(response),
        server_time(response.headers),
        elapsed,
        retry_after(response.headers),
        response.headers.get(_USAGE, ""),
    )


def _body(response: httpx2.Response) -> Any:
    """JSON with decimals kept exact; the text of anything else is dropped (a proxy's page)."""
    if not response.content:
        return None
    try:
        return json.loads(response.content, parse_float=Decimal)
    except ValueError:
        return None
