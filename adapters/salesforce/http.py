"""The HTTP client of one org, and what a failed call says about whether the request got through."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from adapters.salesforce.settings import Settings, loopback
from adapters.salesforce.tls import http_trust
from agent import failpoints

#: Seconds to wait for a TCP and TLS connection; the answer has its own, longer limit.
_CONNECT_S = 10.0
#: Longest that a Retry-After may ask for.
_LONGEST_REST_S = 3600.0

_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


class NotSent(Exception):
    """No connection was made, so the server has seen nothing."""


class AnswerLost(Exception):
    """The request was on its way and no answer came: it may have been carried out."""


class HttpLink:
    """One pool of connections, opened at the first call and closed when its last user leaves.

    Source and target share it; each holds it by name, so that closing one does not cut the other's requests.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._users: set[str] = set()
        self._client: httpx2.AsyncClient | None = None

    def hold(self, user: str) -> None:
        """Keep the pool open until this user releases it."""
        self._users.add(user)

    async def release(self, user: str) -> None:
        """Give the pool up; the last one closes it. Safe to call twice."""
        self._users.discard(user)
        if not self._users and self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def send(self, method: str, url: str, **request: Any) -> httpx2.Response:
        """Send one request and read the whole answer, whatever its status. Raises NotSent, AnswerLost."""
        failpoints.hit("salesforce.before_request")
        try:
            response = await self._open().request(method, url, **request)
        except _NEVER_SENT as error:
            raise NotSent(describe(error)) from error
        except httpx2.RequestError as error:
            raise AnswerLost(describe(error)) from error
        failpoints.hit("salesforce.after_request")
        return response

    @contextlib.asynccontextmanager
    async def stream(self, method: str, url: str, **request: Any) -> AsyncIterator[httpx2.Response]:
        """Send one request and leave its answer to be read piece by piece while the block runs.

        Raises NotSent, AnswerLost; AnswerLost also where the answer breaks off inside of the block.
        """
        failpoints.hit("salesforce.before_request")
        try:
            async with self._open().stream(method, url, **request) as response:
                yield response
        except _NEVER_SENT as error:
            raise NotSent(describe(error)) from error
        except httpx2.RequestError as error:
            raise AnswerLost(describe(error)) from error
        failpoints.hit("salesforce.after_request")

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            settings = self._settings
            host = urlsplit(settings.login_url).hostname or ""
            self._client = httpx2.AsyncClient(
                verify=http_trust(settings.ca_file),
                timeout=httpx2.Timeout(settings.request_timeout_s, connect=_CONNECT_S),
                headers={"Sforce-Call-Options": f"client={settings.client}"},
                # A site's proxy is for the outside world, never for a server on this machine.
                trust_env=not loopback(host),
            )
        return self._client


def describe(error: Exception) -> str:
    """What went wrong, for people. Names an untrusted certificate, which otherwise looks like a dead line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate is not trusted ({cause.verify_message}); set ca_file"
        cause = cause.__cause__ or cause.__context__
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


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
