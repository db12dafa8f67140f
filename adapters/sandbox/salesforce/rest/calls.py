"""A call of the data API: who calls, with what body, and what every answer carries; armed HTTP faults
strike here."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from adapters.sandbox.salesforce.identity.tokens import Tokens
from adapters.sandbox.salesforce.org.actor import Actor, api_actor
from adapters.sandbox.salesforce.org.errors import Ambiguous, ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest.connections import Connections, NoAnswer

DAILY_CALLS = 15_000
LIMIT_INFO = "Sforce-Limit-Info"
_CLIENT = re.compile(r"(?:^|[,;\s])client\s*=\s*([^,;\s]+)", re.IGNORECASE)
_PATH_OBJECT = re.compile(r"/sobjects/([A-Za-z]\w*)")
_QUERY_OBJECT = re.compile(r"\bFROM\s+(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request. ``version`` is like ``62.0``; ``body`` is the JSON value or None."""

    org: Org
    request: Request
    actor: Actor
    version: str
    body: Any

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def fields(self) -> dict[str, Any]:
        """The body as an object. Raises ApiError JSON_PARSER_ERROR."""
        if not isinstance(self.body, dict):
            raise ApiError("JSON_PARSER_ERROR", "The HTTP entity body is required and must be a JSON object")
        return self.body

    def url(self, path: str) -> str:
        """Absolute path of a resource in the version of this call."""
        return f"/services/data/v{self.version}/{path}"


Handler = Callable[[Call], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body, default=_exact), status, headers, "application/json;charset=UTF-8")


def _exact(value: object) -> object:
    """Keeps the digits of a number that came in a body and is shown again."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"no JSON form for {type(value).__name__}")


async def read_body(request: Request) -> bytes:
    """The request body, inflated when it came compressed."""
    raw = await request.body()
    return gzip.decompress(raw) if request.headers.get("content-encoding") == "gzip" else raw


def parse_json(raw: bytes) -> Any:
    """JSON with decimals kept exactly; None for an empty body. Raises ApiError JSON_PARSER_ERROR."""
    if not raw.strip():
        return None
    try:
        return json.loads(raw, parse_float=Decimal)
    except ValueError as error:
        raise ApiError("JSON_PARSER_ERROR", f"The request body is no valid JSON: {error}") from error


class DataApi:
    """Wraps handlers of the data API into endpoints."""

    def __init__(self, org: Org, tokens: Tokens, connections: Connections) -> None:
        self._org = org
        self._tokens = tokens
        self._connections = connections
        self._used = 0

    @property
    def remaining(self) -> int:
        """Calls left of the daily allowance."""
        return max(0, DAILY_CALLS - self._used)

    def endpoint(self, handler: Handler) -> Endpoint:
        """The handler behind authentication, faults and the headers that every answer has."""

        async def serve(request: Request) -> Response:
            names: list[str] = []
            try:
                call = await self._open(request)
                names = _objects(call)
                self._strike_before(names, request.method)
                response = handler(call)
            except ApiError as error:
                response = answer([error.single()], error.status)
            except Ambiguous as several:
                base = f"/services/data/{request.path_params['version']}/sobjects/{several.object_name}"
                response = answer([f"{base}/{each}" for each in several.ids], 300)
            return await self._finish(response, names, request.method)

        return serve

    async def _open(self, request: Request) -> Call:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user = self._tokens.user(token.strip()) if scheme.lower() in ("bearer", "oauth") else None
        if user is None:
            raise ApiError("INVALID_SESSION_ID", "Session expired or invalid")
        version = str(request.path_params.get("version", "v62.0")).removeprefix("v")
        options = _CLIENT.search(request.headers.get("sforce-call-options", ""))
        self._used += 1
        return Call(
            self._org,
            request,
            api_actor(user, version, options.group(1) if options else ""),
            version,
            parse_json(await read_body(request)),
        )

    def _strike_before(self, names: list[str], method: str) -> None:
        if fault := self._org.faults.strike("unavailable", names, method):
            raise ApiError("SERVER_UNAVAILABLE", fault.detail or "Server temporarily unavailable")
        if fault := self._org.faults.strike("limit", names, method):
            raise ApiError("REQUEST_LIMIT_EXCEEDED", fault.detail or "TotalRequests Limit exceeded.")

    async def _finish(self, response: Response, names: list[str], method: str) -> Response:
        response.headers[LIMIT_INFO] = f"api-usage={self._used}/{DAILY_CALLS}"
        if response.status_code == 401:
            return response
        if late := self._org.faults.strike("answer-late", names, method):
            await asyncio.sleep(late.delay)
        if self._org.faults.strike("answer-lost", names, method):
            return NoAnswer(self._connections)
        return response

    def date(self) -> str:
        """The org's time as an HTTP date."""
        return format_datetime(self._org.clock.second(), usegmt=True)


def _objects(call: Call) -> list[str]:
    """Names of the objects that a call is about, as the scope of a fault names them."""
    path = call.request.url.path
    found = _PATH_OBJECT.findall(path) + _QUERY_OBJECT.findall(call.request.query_params.get("q", ""))
    records = call.body.get("records") if isinstance(call.body, dict) else None
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict) and isinstance(record.get("attributes"), dict):
            found.append(str(record["attributes"].get("type", "")))
    for identifier in call.request.query_params.get("ids", "").split(","):
        found += [kind.name for kind in call.org.objects.values() if identifier.startswith(kind.prefix)]
    return [str(each) for each in found]
