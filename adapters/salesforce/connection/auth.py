"""Logging in to Salesforce: OAuth JWT bearer or client credentials, one refresh at a time, no storms.

OAuth 2.0 JWT bearer: RFC 7523 and the vendor's "OAuth 2.0 JWT Bearer Flow". The answer has neither an expiry
nor a refresh token: a session is renewed when a call says that it is no longer valid.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
import jwt
import structlog

from adapters.salesforce.connection.hold import Hold
from adapters.salesforce.connection.http import AnswerLost, HttpLink, NotSent, retry_after, server_time
from adapters.salesforce.connection.refusal import passing, rate_limited, remedy
from adapters.salesforce.settings import Settings
from agent.errors import InputError, Refused, RemoteError, Unreachable

_log = structlog.get_logger(__name__)

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Seconds an assertion is valid; the vendor allows up to five minutes.
_ASSERTION_S = 180
#: So many logins are made at most within this many seconds: sessions that end as soon as they begin must not
#: use up the 3,600 logins an hour of a user, which also locks people out.
MOST_LOGINS = 30
WITHIN_S = 300.0
#: Rest after the org itself said that there were too many logins, in seconds.
_RATE_REST_S = 3600.0
#: Rest where the login is overloaded and does not say for how long, in seconds.
_BUSY_REST_S = 5.0
#: Longest text of an answer that is shown.
_LONGEST_TEXT = 120
_IDENTITY = re.compile(r"/id/([A-Za-z0-9]{15,18})/([A-Za-z0-9]{15,18})/?$")


@dataclass(frozen=True, slots=True)
class Session:
    """One login. The token never appears in ``repr``."""

    token: str
    instance_url: str
    tenant_id: str
    user_id: str
    number: int

    def __repr__(self) -> str:
        return f"Session({self.instance_url}, {self.tenant_id}, number={self.number})"


class Login:
    """The current session of one org, shared by everything that calls it.

    ``secret`` resolves a reference to its text and is asked at every login. ``clock`` gives seconds since the
    epoch, ``monotonic`` seconds for intervals.

    A door is one of the org's interfaces that a session opens ("REST", "events", "bulk"). One may refuse a
    session that the others accept; then it alone rests, and no login is made for it.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        link: HttpLink,
        secret: Callable[[str], str],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._settings = settings
        self._link = link
        self._secret = secret
        self._clock = clock
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._number = 0
        self._refusals = Hold(clock, monotonic)
        self._refusal: Refused | None = None
        self._doors: dict[str, tuple[Hold, Refused]] = {}
        self._made: deque[float] = deque()
        self._tries = 0
        self._failure: Unreachable | None = None
        self._rest_until = 0.0

    async def session(self) -> Session:
        """The current session, logging in if there is none. Raises Unreachable, Refused."""
        return self._session or await self.renew(None)

    async def renew(self, stale: Session | None, door: str = "REST") -> Session:
        """A session newer than ``stale``, which ``door`` no longer accepts. Callers that hit the same dead
        session share one login, and its failure.

        Raises Unreachable, Refused. After a refusal the same error is raised without asking, for a minute
        first and then ever longer, until the secret or the clock changes.
        """
        tries = self._tries
        async with self._lock:
            current = self._session
            if current is not None and (stale is None or current.number > stale.number):
                return current
            self._check_door(door)
            if self._failure is not None and (tries != self._tries or self._monotonic() < self._rest_until):
                raise _again(self._failure)
            return await self._login()

    def accepted(self, door: str = "REST") -> None:
        """A door let the current session in."""
        if self._doors:
            self._doors.pop(door, None)

    def rejected(self, door: str, text: str) -> Refused:
        """A door refused a session right after its login: the error for people. It rests from now on."""
        hold = self._doors[door][0] if door in self._doors else Hold(self._clock, self._monotonic)
        hold.strike("")
        refusal = Refused(
            f"{door}: a new session was refused at once: {_short(text)}",
            where=self._name,
            remedy="give the user 'API Enabled', check the app's OAuth policies; "
            f"next login for it {hold.until}, or restart",
        )
        self._doors[door] = hold, refusal
        _log.warning(
            "new session refused",
            action="salesforce.session.refused",
            system=self._name,
            door=door,
            count=hold.count,
            until=hold.until,
        )
        return _same(refusal)

    def _check_door(self, door: str) -> None:
        held = self._doors.get(door)
        if held is not None and held[0].active(""):
            raise _same(held[1])

    async def _login(self) -> Session:
        """Log in, unless that was refused and nothing has changed since."""
        secret = self._read_secret()
        if self._refusal is not None and self._refusals.active(secret):
            raise _same(self._refusal)
        self._check_rate()
        form = self._form(secret)
        self._failure = None
        try:
            session = await self._ask(form)
        except Unreachable as failure:
            # Whoever came while this try was under way knows its number, and shares its failure.
            self._failure, self._tries = failure, self._tries + 1
            self._rest_until = self._monotonic() + (failure.retry_after or 0.0)
            raise
        except Refused as refused:
            self._refusals.strike(secret)
            raise self._stop(refused) from refused.__cause__
        self._session, self._refusal, self._number = session, None, session.number
        self._refusals.clear()
        self._made.append(self._monotonic())
        _log.info("logged in", action="salesforce.login", system=self._name, number=session.number)
        return session

    def _stop(self, refused: Refused) -> Refused:
        """The refusal as everybody is told of it until the rest is over."""
        until = self._refusals.until
        self._refusal = Refused(
            refused.message, where=refused.where, remedy=f"{refused.remedy}; next login {until}, or restart"
        )
        _log.warning(
            "login refused",
            action="salesforce.login.refused",
            system=self._name,
            reason=refused.message,
            remedy=refused.remedy,
            count=self._refusals.count,
            until=until,
        )
        return _same(self._refusal)

    def _check_rate(self) -> None:
        now = self._monotonic()
        while self._made and now - self._made[0] >= WITHIN_S:
            self._made.popleft()
        if len(self._made) >= MOST_LOGINS:
            raise Unreachable(
                f"login: {MOST_LOGINS} sessions ended within {WITHIN_S / 60:.0f} minutes",
                where=self._name,
                remedy="find what ends them: Setup > Security > Session Management",
                retry_after=WITHIN_S - (now - self._made[0]),
            )

    async def _ask(self, form: dict[str, str]) -> Session:
        url = self._settings.login_url.rstrip("/") + "/services/oauth2/token"
        try:
            response = await self._link.send("POST", url, data=form)
        except (NotSent, AnswerLost) as error:
            known = error.remedy if isinstance(error, NotSent) else ""
            raise Unreachable(
                f"login: {urlsplit(url).hostname}: {error}",
                where=self._name,
                remedy=known or "check login_url, name resolution, proxy and firewall (443; 7443 for events)",
            ) from error
        if response.status_code != 200:
            raise self._denied(response)
        return self._read(response, self._number + 1)

    def _form(self, secret: str) -> dict[str, str]:
        settings = self._settings
        if settings.auth == "client-credentials":
            return {
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": secret.strip(),
            }
        claims = {
            "iss": settings.client_id,
            "sub": settings.username,
            "aud": settings.audience or settings.login_url.rstrip("/"),
            "exp": int(self._clock()) + _ASSERTION_S,
        }
        try:
            assertion = jwt.encode(claims, secret, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # The text of these errors may quote the key.
            raise Refused(
                f"login: the key cannot be used ({type(error).__name__})",
                where=self._name,
                remedy="give the RSA private key in PEM form whose certificate is on the External Client App",
            ) from None
        return {"grant_type": _JWT_BEARER, "assertion": assertion}

    def _read_secret(self) -> str:
        settings = self._settings
        reference = settings.client_secret if settings.auth == "client-credentials" else settings.key
        assert reference is not None  # Settings refuses this combination
        try:
            return self._secret(reference)
        except InputError as error:
            text = f"login: {error.where}: {error.message}"
            raise Refused(text, where=self._name, remedy=error.remedy) from None

    def _denied(self, response: httpx2.Response) -> RemoteError:
        status = response.status_code
        if status == 429 or status >= 500:
            rest = retry_after(response.headers)
            return Unreachable(
                f"login: HTTP {status}", where=self._name, retry_after=_BUSY_REST_S if rest is None else rest
            )
        if response.is_redirect:
            host = urlsplit(response.headers.get("location", "")).hostname or "another place"
            return self._elsewhere(f"it sends us on to {host}")
        try:
            body = response.json()
            code, text = str(body["error"]), str(body.get("error_description", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._elsewhere(f"HTTP {status} without an OAuth error")
        if passing(code):
            return Unreachable(f"login: {_short(code)}: {_short(text)}", where=self._name)
        if rate_limited(text):
            return Unreachable(
                f"login: {_short(text)}",
                where=self._name,
                remedy="find who else logs in as this user: Setup > Identity > Login History",
                retry_after=_RATE_REST_S,
            )
        return Refused(
            f"login: {_short(code)}: {_short(text)}",
            where=self._name,
            remedy=remedy(code, text, self._settings, self._clock(), server_time(response.headers)),
        )

    def _elsewhere(self, what: str) -> Unreachable:
        """An answer that no token endpoint gives. It counts for no user, so it is asked again soon."""
        return Unreachable(
            f"login: {urlsplit(self._settings.login_url).hostname}: {what}",
            where=self._name,
            remedy="check login_url, and the proxy, which may have answered in its place",
        )

    def _read(self, response: httpx2.Response, number: int) -> Session:
        try:
            body = response.json()
            token, instance = str(body["access_token"]), str(body["instance_url"]).rstrip("/")
            identity = _IDENTITY.search(str(body.get("id", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreachable("login: the answer is not an OAuth token", where=self._name) from error
        if not self._settings.address_allowed(instance):
            raise Refused(
                f"login: the instance address {instance!r} is not https",
                where=self._name,
                remedy="check login_url",
            )
        tenant = identity.group(1) if identity else token.partition("!")[0]
        return Session(token, instance, tenant, identity.group(2) if identity else "", number)


def _same(refusal: Refused) -> Refused:
    """An error of its own for each caller: raising one twice mixes up their tracebacks."""
    return Refused(refusal.message, where=refusal.where, remedy=refusal.remedy)


def _again(failure: Unreachable) -> Unreachable:
    return Unreachable(
        failure.message, where=failure.where, remedy=failure.remedy, retry_after=failure.retry_after
    )


def _short(text: str) -> str:
    """One line of a foreign text, of a length that can be shown."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"
