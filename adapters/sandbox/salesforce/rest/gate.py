"""The door of the HTTP APIs: who comes in, what a call costs, and the faults that strike calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from email.utils import format_datetime
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from adapters.sandbox.salesforce.identity.tokens import Tokens
from adapters.sandbox.salesforce.org.actor import User
from adapters.sandbox.salesforce.org.errors import Ambiguous, ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.rest.bodies import parse_json, read_body
from adapters.sandbox.salesforce.rest.calls import Call, actor_of, client_of, objects_of
from adapters.sandbox.salesforce.rest.connections import Connections, NoAnswer
from adapters.sandbox.salesforce.rest.router import Router

LIMIT_INFO = "Sforce-Limit-Info"
_SAFE = ("GET", "HEAD", "DELETE")


class Gate:
    """Lets callers in and answers them."""

    def __init__(self, org: Org, tokens: Tokens, connections: Connections) -> None:
        self.org = org
        self._tokens = tokens
        self._connections = connections

    def user(self, token: str) -> User:
        """Whose session it is, one call counted. Raises ApiError."""
        user = self._tokens.user(token)
        if user is None:
            raise ApiError("INVALID_SESSION_ID", "Session expired or invalid")
        self.org.calls.take()
        return user

    def bearer(self, request: Request) -> User:
        """The caller by the Authorization header."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self.user(token.strip() if scheme.lower() in ("bearer", "oauth") else "")

    async def serve(self, request: Request, router: Router) -> Response:
        """Answers one call of the data API."""
        names: list[str] = []
        method = request.method
        try:
            user = self.bearer(request)
            query = dict(parse_qsl(str(request.url.query), keep_blank_values=True))
            if method == "POST" and "_HttpMethod" in query:
                method = query["_HttpMethod"].upper()
            handler, version, params = router.resolve(method, str(request.scope["path"]))
            headers = {name.lower(): value for name, value in request.headers.items()}
            body = await self._body(request, method)
            actor = actor_of(user, version, headers)
            call = Call(
                self.org, actor, version, method, str(request.scope["path"]), params, query, headers, body
            )
            names = objects_of(call)
            self.strike_before(request, names, method)
            answer = handler(call)
        except ApiError as error:
            answer = Answer([error.single()], error.status)
        except Ambiguous as several:
            answer = Answer(several.urls(request.url.path), 300)
        return await self.finish(request, answer.response(), names, method)

    async def _body(self, request: Request, method: str) -> object:
        raw = await read_body(request)
        kind = request.headers.get("content-type", "")
        if raw.strip() and kind and "json" not in kind and method not in _SAFE:
            raise ApiError(
                "UNSUPPORTED_MEDIA_TYPE", f"The content type is not supported: {kind.partition(';')[0]}"
            )
        return parse_json(raw) if method not in _SAFE else None

    def strike_before(self, request: Request, names: Sequence[str], method: str) -> None:
        """Faults that refuse a call without effect."""
        client = client_of(request.headers)
        if fault := self.org.faults.strike("unavailable", names, method, client):
            raise ApiError("SERVER_UNAVAILABLE", fault.detail or "Server temporarily unavailable")
        if fault := self.org.faults.strike("limit", names, method, client):
            raise ApiError("REQUEST_LIMIT_EXCEEDED", fault.detail or "TotalRequests Limit exceeded.")
        if fault := self.org.faults.strike("refuse", names, method, client):
            code, _, text = (fault.detail or "UNKNOWN_EXCEPTION").partition(":")
            raise ApiError(code.strip(), text.strip() or "An unexpected error occurred.")

    async def finish(
        self, request: Request, response: Response, names: Sequence[str], method: str
    ) -> Response:
        """The answer with what every one carries, late or lost where a fault says so."""
        response.headers[LIMIT_INFO] = self.org.calls.info()
        if response.status_code == 401:
            return response
        client = client_of(request.headers)
        if late := self.org.faults.strike("answer-late", names, method, client):
            await asyncio.sleep(late.delay)
        if self.org.faults.strike("answer-lost", names, method, client):
            return NoAnswer(self._connections)
        return response

    def date(self) -> str:
        """The org's time as an HTTP date."""
        return format_datetime(self.org.clock.second(), usegmt=True)
