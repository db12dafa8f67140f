"""Logging in to Salesforce: OAuth JWT bearer or client credentials, one refresh at a time, no storms.

OAuth 2.0 JWT bearer: RFC 7523 and the vendor's "OAuth 2.0 JWT Bearer Flow". The answer has neither an expiry
nor a refresh token: a session is renewed when a call says that it is no longer valid.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import jwt
import structlog

from adapters.salesforce.http import AnswerLost, HttpLink, NotSent, retry_after, server_time
from adapters.salesforce.settings import Settings
from agent.errors import InputError, Refused, RemoteError, Unreachable

_log = structlog.get_logger(__name__)

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Seconds an assertion is valid; the vendor allows up to five minutes.
_ASSERTION_S = 180
#: A clock off by more than this explains invalid_grant.
_SKEW_S = 60.0
#: After a refusal nothing is asked again for this long: repeated failures lock the user out.
_REFUSAL_HOLD_S = 60.0
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
        self._refusal: Refused | None = None
        self._refused_at = 0.0

    async def session(self) -> Session:
        """The current session, logging in if there is none. Raises Unreachable, Refused."""
        return self._session or await self.renew(None)

    async def renew(self, stale: Session | None) -> Session:
        """A session newer than ``stale``. Callers that hit the same dead session share one login.

        Raises Unreachable, Refused. After a refusal the same error is raised for a minute without asking.
        """
        async with self._lock:
            current = self._session
            if current is not None and (stale is None or current.number > stale.number):
                return current
            if self._refusal is not None and self._monotonic() - self._refused_at < _REFUSAL_HOLD_S:
                raise _again(self._refusal)
            try:
                session = await self._login(stale.number + 1 if stale else 1)
            except Refused as refusal:
                self._refusal, self._refused_at = refusal, self._monotonic()
                raise
            self._session, self._refusal = session, None
            _log.info("logged in", action="salesforce.login", system=self._name, number=session.number)
            return session

    async def _login(self, number: int) -> Session:
        url = self._settings.login_url.rstrip("/") + "/services/oauth2/token"
        try:
            response = await self._link.send("POST", url, data=self._form())
        except (NotSent, AnswerLost) as error:
            raise Unreachable(
                f"login: {error}",
                where=self._name,
                remedy="check login_url, name resolution, proxy and firewall (443, and 7443 for events)",
            ) from error
        if response.status_code != 200:
            raise self._denied(response)
        return self._read(response, number)

    def _form(self) -> dict[str, str]:
        settings = self._settings
        if settings.auth == "client-credentials":
            assert settings.client_secret is not None  # Settings refuses this combination
            return {
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": self._read_secret(settings.client_secret).strip(),
            }
        assert settings.key is not None
        claims = {
            "iss": settings.client_id,
            "sub": settings.username,
            "aud": settings.audience or settings.login_url.rstrip("/"),
            "exp": int(self._clock()) + _ASSERTION_S,
        }
        key = self._read_secret(settings.key)
        try:
            assertion = jwt.encode(claims, key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # The text of these errors may quote the key.
            raise Refused(
                f"login: the key cannot be used ({type(error).__name__})",
                where=self._name,
                remedy="give the RSA private key in PEM form whose certificate is on the External Client App",
            ) from None
        return {"grant_type": _JWT_BEARER, "assertion": assertion}

    def _read_secret(self, reference: str) -> str:
        try:
            return self._secret(reference)
        except InputError as error:
            text = f"login: {error.where}: {error.message}"
            raise Refused(text, where=self._name, remedy=error.remedy) from None

    def _denied(self, response: httpx2.Response) -> RemoteError:
        status = response.status_code
        if status == 429 or status >= 500:
            return Unreachable(
                f"login: HTTP {status}", where=self._name, retry_after=retry_after(response.headers)
            )
        try:
            body = response.json()
            code, text = str(body["error"]), str(body.get("error_description", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            code, text = f"HTTP {status}", "no OAuth error in the answer"
        return Refused(
            f"login: {code}: {text}",
            where=self._name,
            remedy=self._remedy(code, server_time(response.headers)),
        )

    def _remedy(self, code: str, there: datetime | None) -> str:
        if code == "invalid_grant" and self._settings.auth == "jwt" and there is not None:
            skew = self._clock() - there.timestamp()
            if abs(skew) > _SKEW_S:
                here = datetime.fromtimestamp(self._clock(), UTC).strftime("%H:%M:%S")
                return (
                    f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} "
                    f"Salesforce's ({here} here, {there:%H:%M:%S} there, UTC): set the clock"
                )
        return {
            "invalid_grant": "check the user, the app's approval for it, its certificate, the audience",
            "inactive_user": "activate the integration user",
            "invalid_client": "check client_id and the secret",
            "invalid_client_id": "check client_id; a new app takes some minutes to become known",
        }.get(code, "check login_url, client_id and the app's policies")

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


def _again(refusal: Refused) -> Refused:
    return Refused(refusal.message, where=refusal.where, remedy=refusal.remedy)
