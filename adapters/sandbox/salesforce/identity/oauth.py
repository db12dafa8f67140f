"""OAuth: tokens by JWT bearer, client credentials and password; userinfo; revocation."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import jwt
from starlette.requests import Request
from starlette.responses import Response

from adapters.sandbox.salesforce.identity.tokens import Tokens
from adapters.sandbox.salesforce.org.actor import User
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest.answers import reply
from adapters.sandbox.salesforce.rest.bodies import read_body
from adapters.sandbox.salesforce.rest.calls import client_of

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")
LONGEST_JWT_S = 300
MOST_FORM = 100_000


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the one connected app and the integration user sign in with. ``public_key`` is PEM."""

    client_id: str
    client_secret: str
    username: str
    password: str
    public_key: bytes


class Refusal(Exception):
    """An OAuth error: code and description, HTTP 400 unless told otherwise."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.body = {"error": error, "error_description": description}
        self.status = status


class OAuth:
    """The endpoints below ``/services/oauth2``."""

    def __init__(self, org: Org, tokens: Tokens, credentials: Credentials) -> None:
        self._org = org
        self._tokens = tokens
        self._credentials = credentials
        self.logins: list[dict[str, str]] = []

    async def token(self, request: Request) -> Response:
        """POST token."""
        grants = {
            JWT_GRANT: self._by_jwt,
            "client_credentials": self._by_client,
            "password": self._by_password,
        }
        try:
            form = _form(await read_body(request, MOST_FORM))
            grant = grants.get(form.get("grant_type", ""))
            if grant is None:
                raise Refusal("unsupported_grant_type", "grant type not supported")
            if fault := self._org.faults.strike("deny-login", (), client=client_of(request.headers)):
                error, _, text = (fault.detail or "inactive_user: user is inactive").partition(":")
                raise Refusal(error.strip(), text.strip())
            user = grant(request, form)
        except Refusal as refusal:
            self._note(request, refusal.body["error"])
            return reply(refusal.body, refusal.status)
        except ApiError as error:
            return reply(Refusal("invalid_request", error.message).body, 400)
        self._note(request, "")
        return reply(self._granted(request, user), headers={"Cache-Control": "no-cache, no-store"})

    def _note(self, request: Request, error: str) -> None:
        """The login history (object LoginHistory); ``error`` is "" for a sign-in that was granted."""
        at = self._org.clock.now().isoformat()
        self.logins.append({"time": at, "client": client_of(request.headers), "error": error})

    async def revoke(self, request: Request) -> Response:
        """POST or GET revoke with ``token``."""
        try:
            form = _form(await read_body(request, MOST_FORM)) | dict(request.query_params)
        except ApiError as error:
            return reply(Refusal("invalid_request", error.message).body, 400)
        if not self._tokens.revoke(form.get("token", "")):
            return reply(Refusal("unsupported_token_type", "this token is unknown").body, 400)
        return Response(status_code=200)

    async def userinfo(self, request: Request) -> Response:
        """GET userinfo, and the identity URL of the token answer."""
        token = request.headers.get("authorization", "").partition(" ")[2].strip()
        user = self._tokens.user(token)
        if user is None:
            return Response("Bad_OAuth_Token", 403, media_type="text/html")
        base = base_of(request)
        rest = f"{base}/services/data/v{{version}}/"
        return reply(
            {
                "sub": f"{base}/id/{self._org.id}/{user.id}",
                "user_id": user.id,
                "organization_id": self._org.id,
                "preferred_username": user.username,
                "username": user.username,
                "name": user.name,
                "email": user.username,
                "active": True,
                "urls": {
                    "rest": rest,
                    **{n: f"{rest}{n}/" for n in ("sobjects", "query")},
                    "custom_domain": base,
                    "partner": f"{base}/services/Soap/u/{{version}}/{self._org.id[:15]}",
                },
            }
        )

    def _by_jwt(self, request: Request, form: dict[str, str]) -> User:
        try:
            claims = jwt.decode(
                form.get("assertion", ""),
                self._credentials.public_key,
                algorithms=["RS256"],
                audience=[*LOGIN_HOSTS, base_of(request)],
                issuer=self._credentials.client_id,
                options={"require": ["exp", "iss", "sub", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Refusal("invalid_grant", "expired authorization code") from error
        except jwt.InvalidAudienceError as error:
            raise Refusal("invalid_grant", "audience is invalid") from error
        except jwt.InvalidIssuerError as error:
            raise Refusal("invalid_client_id", "client identifier invalid") from error
        except jwt.InvalidTokenError as error:
            raise Refusal("invalid_grant", "invalid assertion") from error
        if not str(claims["exp"]).isdigit() or int(claims["exp"]) > time.time() + LONGEST_JWT_S + 5:
            raise Refusal("invalid_grant", "assertion is valid for too long")
        if claims["sub"] != self._credentials.username:
            raise Refusal("invalid_grant", "user hasn't approved this consumer")
        return self._org.staff.integration

    def _by_client(self, request: Request, form: dict[str, str]) -> User:
        self._check_client(*(_basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))))
        return self._org.staff.integration

    def _by_password(self, request: Request, form: dict[str, str]) -> User:
        self._check_client(*(_basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))))
        user = self.password_fits(form.get("username", ""), form.get("password", ""))
        if user is None:
            raise Refusal("invalid_grant", "authentication failure")
        return user

    def _check_client(self, client_id: str, client_secret: str) -> None:
        if client_id != self._credentials.client_id:
            raise Refusal("invalid_client_id", "client identifier invalid")
        if not _same(client_secret, self._credentials.client_secret):
            raise Refusal("invalid_client", "invalid client credentials")

    def password_fits(self, username: str, password: str) -> User | None:
        """The user who signs in with name and password, or None."""
        name_fits = username == self._credentials.username
        return (
            self._org.staff.integration if name_fits and _same(password, self._credentials.password) else None
        )

    def session(self, user: User) -> str:
        """A new session of the user."""
        return self._tokens.issue(user)

    def end(self, token: str) -> None:
        """Ends a session."""
        self._tokens.revoke(token)

    def _granted(self, request: Request, user: User) -> dict[str, Any]:
        base = base_of(request)
        issued = str(int(self._org.clock.now().timestamp() * 1000))
        identity = f"{base}/id/{self._org.id}/{user.id}"
        secret = self._credentials.client_secret.encode()
        digest = hmac.new(secret, (identity + issued).encode(), hashlib.sha256).digest()
        return {
            "access_token": self._tokens.issue(user),
            "instance_url": base,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
            "signature": base64.b64encode(digest).decode(),
            "scope": "api id",
        }


def base_of(request: Request) -> str:
    """Scheme, host and port under which the caller reached the server."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def _form(raw: bytes) -> dict[str, str]:
    return {
        name: values[-1]
        for name, values in parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True).items()
    }


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refusal("invalid_client", "invalid client credentials") from None
    return name, secret


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
