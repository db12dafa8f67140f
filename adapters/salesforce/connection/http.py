"""The HTTP client of one org, and what a failed call says about whether the request got through."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from adapters.salesforce.connection.proxy import NoWay, Proxy, Ways, proxy_refusal
from adapters.salesforce.connection.tls import Untrusted, http_trust, untrusted
from adapters.salesforce.settings import Settings
from agent import failpoints

#: Seconds to wait for a TCP and TLS connection; the answer has its own, longer limit.
_CONNECT_S = 10.0
#: Longest wait for the first byte on a connection that was used before: a NAT or a proxy in between may have
#: forgotten it. Then a read is asked once more on a new one.
STALE_S = 10.0
#: Longest that a Retry-After may ask for.
_LONGEST_REST_S = 3600.0
_READS = frozenset({"GET", "HEAD"})

_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)
#: Socket options by which the system itself finds a dead peer within ten seconds; not every system has all.
_PROBING = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 4),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 2),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 10_000),
)


class NotSent(Exception):
    """No connection was made, so the server has seen nothing. ``remedy``: what to do, where that is known."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class AnswerLost(Exception):
    """The request was on its way and no answer came: it may have been carried out."""


@dataclass(slots=True)
class _Pool:
    """Connections over one way, and how many requests are under way on them."""

    client: httpx2.AsyncClient
    proxy: Proxy | None
    busy: int = 0
    retired: bool = False


class HttpLink:
    """The pools of connections, opened at the first call and closed when the last user leaves.

    Source and target share it; each holds it by name, so that closing one does not cut the other's requests.
    Redirects are never followed: a token goes to the host that it was asked for, and nowhere else.
    """

    def __init__(self, settings: Settings, ways: Ways) -> None:
        self.ways = ways
        self._settings = settings
        self._users: set[str] = set()
        self._pools: dict[Proxy | None, _Pool] = {}
        self._trust: ssl.SSLContext | None = None

    def hold(self, user: str) -> None:
        """Keep the pools open until this user releases them."""
        self._users.add(user)

    async def release(self, user: str) -> None:
        """Give the pools up; the last one closes them. Safe to call twice."""
        self._users.discard(user)
        if not self._users:
            pools, self._pools = list(self._pools.values()), {}
            for pool in pools:
                await pool.client.aclose()

    @property
    def trust(self) -> ssl.SSLContext:
        """Whose certificates are accepted; read anew after one was not."""
        if self._trust is None:
            self._trust = http_trust(self._settings.ca_file)
        return self._trust

    async def send(self, method: str, url: str, **request: Any) -> httpx2.Response:
        """Send one request and read the whole answer, whatever its status. Raises NotSent, AnswerLost.

        A read that gets no answer on a connection used before is asked once more on a new one; nothing else
        is ever repeated here.
        """
        try:
            return await self._once(method, url, method in _READS, request)
        except _Stale:
            return await self._once(method, url, False, request)

    @contextlib.asynccontextmanager
    async def stream(self, method: str, url: str, **request: Any) -> AsyncIterator[httpx2.Response]:
        """Send one request and leave its answer to be read piece by piece while the block runs.

        Raises NotSent, AnswerLost; AnswerLost also where the answer breaks off inside of the block. A read is
        asked once more as in ``send``.
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                pool, response = await self._begin(stack, method, url, method in _READS, request)
            except _Stale:
                pool, response = await self._begin(stack, method, url, False, request)
            with self._told(pool):
                yield response

    async def _begin(
        self,
        stack: contextlib.AsyncExitStack,
        method: str,
        url: str,
        wary: bool,
        request: Mapping[str, Any],
    ) -> tuple[_Pool, httpx2.Response]:
        """The head of an answer; the rest of it lives as long as the stack. Raises _Stale as ``_once``."""
        limits = _Limits(self._settings.request_timeout_s)
        asked = {**request, "extensions": limits.extensions()} if wary else request
        pool = await stack.enter_async_context(self._using(url))
        try:
            with self._told(pool):
                failpoints.hit("salesforce.before_request")
                response = await stack.enter_async_context(pool.client.stream(method, url, **asked))
                failpoints.hit("salesforce.after_request")
                return pool, response
        except AnswerLost as error:
            if not wary or limits.fresh:
                raise
            self._drop(pool)
            raise _Stale from error

    async def _once(self, method: str, url: str, wary: bool, request: Mapping[str, Any]) -> httpx2.Response:
        """One try. A wary one raises _Stale where the connection was an old one that gave no answer."""
        limits = _Limits(self._settings.request_timeout_s)
        asked = {**request, "extensions": limits.extensions()} if wary else request
        async with self._using(url) as pool:
            try:
                with self._told(pool):
                    failpoints.hit("salesforce.before_request")
                    response = await pool.client.request(method, url, **asked)
                    failpoints.hit("salesforce.after_request")
                    return response
            except AnswerLost as error:
                if not wary or limits.fresh:
                    raise
                # The other connections of the pool went the same way.
                self._drop(pool)
                raise _Stale from error

    @contextlib.contextmanager
    def _told(self, pool: _Pool) -> Iterator[None]:
        """Say of what goes wrong inside of the block whether the request got through."""
        try:
            yield
        except _NEVER_SENT as error:
            raise self._not_sent(error, pool) from error
        except httpx2.RequestError as error:
            raise AnswerLost(describe(error)) from error
        if pool.proxy is not None:
            self.ways.passed()

    def _not_sent(self, error: Exception, pool: _Pool) -> NotSent:
        proxy = pool.proxy
        if proxy is not None and isinstance(error, httpx2.ProxyError):
            status = str(error)[:3]
            if status == "407":
                # The next pool reads the credentials anew.
                self._drop(pool)
                refused = self.ways.refused(proxy)
                return NotSent(str(refused), refused.remedy)
            if status.isdigit():
                return NotSent(*proxy_refusal(proxy, status))
        fault = _tls_fault(error)
        if fault is not None:
            # Whoever puts another file of roots in its place need not restart the agent.
            self._drop(pool)
            self._trust = None
            return NotSent(str(fault), fault.remedy)
        return NotSent(describe(error) + (f" (by the proxy {proxy})" if proxy is not None else ""))

    @contextlib.asynccontextmanager
    async def _using(self, url: str) -> AsyncIterator[_Pool]:
        """The pool for an address, which is not closed while the block runs. Raises NotSent."""
        try:
            proxy = self.ways.to(urlsplit(url).hostname or "")
        except NoWay as error:
            raise NotSent(str(error), error.remedy) from error
        pool = self._pools.get(proxy)
        if pool is None:
            pool = self._pools[proxy] = _Pool(self._client(proxy), proxy)
        pool.busy += 1
        try:
            yield pool
        finally:
            pool.busy -= 1
            if pool.retired and not pool.busy:
                await pool.client.aclose()

    def _drop(self, pool: _Pool) -> None:
        """Let nobody begin on these connections any more; who is under way on them comes to an end."""
        pool.retired = True
        if self._pools.get(pool.proxy) is pool:
            del self._pools[pool.proxy]

    def _client(self, proxy: Proxy | None) -> httpx2.AsyncClient:
        settings = self._settings
        auth = (proxy.user, proxy.password) if proxy is not None and proxy.user else None
        options = [
            (level, getattr(socket, name), value) for level, name, value in _PROBING if hasattr(socket, name)
        ]
        return httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(
                verify=self.trust,
                proxy=None if proxy is None else httpx2.Proxy(f"http://{proxy}", auth=auth),
                socket_options=options,
            ),
            timeout=httpx2.Timeout(settings.request_timeout_s, connect=_CONNECT_S),
            headers={"Sforce-Call-Options": f"client={settings.client}"},
            follow_redirects=False,
        )


class _Stale(Exception):
    """A connection that was used before gave no answer."""


class _Limits:
    """Time limits of one request, which know whether its connection is a new one.

    The wait for the first byte is short on an old connection only: on a new one it is the server that thinks.
    """

    def __init__(self, seconds: float) -> None:
        self.fresh = False
        self._seconds = seconds
        self._limits = httpx2.Timeout(seconds, connect=_CONNECT_S, read=min(STALE_S, seconds)).as_dict()

    def extensions(self) -> dict[str, Any]:
        """What the client takes along with the request."""
        return {"timeout": self._limits, "trace": self._trace}

    async def _trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.fresh = True
        if self.fresh or event == "http11.receive_response_headers.complete":
            self._limits["read"] = self._seconds


def describe(error: BaseException) -> str:
    """What went wrong, for people. Names an untrusted certificate, which otherwise looks like a dead line."""
    fault = _tls_fault(error)
    if fault is not None:
        return f"{fault} ({fault.remedy})"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _tls_fault(error: BaseException) -> Untrusted | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return untrusted(str(cause))
        cause = cause.__cause__ or cause.__context__
    return None


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """The server's clock from the Date header (whole seconds), if it is there and can be read."""
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header, a number or a date (RFC 9110, 10.2.3); None without one.

    A date is compared with the server's own Date, so that our clock does not matter. Never more than an hour:
    a proxy that says a year would stop the system.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text) if text.isdecimal() else _until(text, headers)
    except ValueError:
        return None
    return min(max(seconds, 0.0), _LONGEST_REST_S)


def _until(text: str, headers: Mapping[str, str]) -> float:
    """Seconds from the server's now to a date. Raises ValueError."""
    moment = parsedate_to_datetime(text)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - (server_time(headers) or datetime.now(UTC))).total_seconds()
