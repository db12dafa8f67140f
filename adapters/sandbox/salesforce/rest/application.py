"""The HTTP application of the org: every route in one table."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from h11 import LocalProtocolError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.sandbox.salesforce.bulk.bulk import Bulk
from adapters.sandbox.salesforce.control.endpoints import Control
from adapters.sandbox.salesforce.identity.oauth import OAuth
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest import collections, describe, limits, records
from adapters.sandbox.salesforce.rest.answers import Answer, reply
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.rest.composite import Composite
from adapters.sandbox.salesforce.rest.gate import Gate
from adapters.sandbox.salesforce.rest.queries import Queries
from adapters.sandbox.salesforce.rest.router import VERSIONS, Router, Row
from adapters.sandbox.salesforce.rest.tooling import Tooling
from adapters.sandbox.salesforce.soap.endpoint import Soap

LONGEST_URI = 16_384
_RECORD_ROUTES: tuple[Row, ...] = (
    ("GET", "/sobjects", describe.everything),
    ("GET", "/sobjects/{object}", describe.basic),
    ("POST", "/sobjects/{object}", records.create),
    ("GET", "/sobjects/{object}/describe", describe.full),
    ("GET", "/sobjects/{object}/updated", records.updated),
    ("GET", "/sobjects/{object}/deleted", records.deleted),
    ("GET", "/sobjects/{object}/{id}", records.read),
    ("PATCH", "/sobjects/{object}/{id}", records.update),
    ("DELETE", "/sobjects/{object}/{id}", records.delete),
    ("GET", "/sobjects/{object}/{field}/{value:path}", records.read_by_key),
    ("PATCH", "/sobjects/{object}/{field}/{value:path}", records.upsert),
    ("DELETE", "/sobjects/{object}/{field}/{value:path}", records.delete_by_key),
    ("POST", "/composite/sobjects", collections.insert),
    ("PATCH", "/composite/sobjects", collections.update),
    ("DELETE", "/composite/sobjects", collections.delete),
    ("GET", "/composite/sobjects/{object}", collections.retrieve),
    ("POST", "/composite/sobjects/{object}", collections.retrieve),
    ("PATCH", "/composite/sobjects/{object}/{field}", collections.upsert),
)


def build(org: Org, gate: Gate, oauth: OAuth, bulk: Bulk) -> ASGIApp:
    """The application; both HTTP ports serve the same one."""
    queries = Queries()
    router = Router(_RECORD_ROUTES)
    router.extend(_query_routes(queries))
    composite = Composite(router)
    router.extend(
        (
            ("POST", "/composite", composite.composite),
            ("POST", "/composite/graph", composite.graphs),
            ("POST", "/composite/batch", composite.batch),
            ("GET", "/limits", limits.show),
            ("GET", "", _resources),
        )
    )
    router.extend(Tooling().routes())
    router.extend(bulk.second.rows())
    router.extend(bulk.second.rows())

    async def data(request: Request) -> Response:
        if not request.path_params["rest"]:
            return await _versions(request)
        return await gate.serve(request, router)

    soap = Soap(org, gate, oauth, queries)
    # Most calls are of the data API: its route stands as far in front as the ones inside its path allow.
    routes: list[BaseRoute] = [
        *bulk.second.routes(),
        Route("/services/data", _versions),
        Route("/services/data/{rest:path}", data, methods=["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]),
        Route("/services/oauth2/token", oauth.token, methods=["POST"]),
        Route("/services/oauth2/revoke", oauth.revoke, methods=["GET", "POST"]),
        Route("/services/oauth2/userinfo", oauth.userinfo, methods=["GET", "POST"]),
        Route("/id/{org_id}/{user_id}", oauth.userinfo),
        Route("/services/Soap/{api:str}/{rest:path}", soap.serve, methods=["POST"]),
        *Control(org, oauth).routes(),
        *bulk.first.routes(),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unrouted, Exception: _failed})
    app.router.redirect_slashes = False
    return _Dated(app, gate)


def _query_routes(queries: Queries) -> tuple[Row, ...]:
    return (
        ("GET", "/query", queries.live),
        ("GET", "/query/{locator}", queries.more),
        ("GET", "/queryAll", queries.everything),
        ("GET", "/queryAll/{locator}", queries.more),
    )


async def _versions(request: Request) -> Response:
    return reply(
        [
            {"label": f"API {each}.0", "url": f"/services/data/v{each}.0", "version": f"{each}.0"}
            for each in VERSIONS
        ]
    )


def _resources(call: Call) -> Answer:
    names = ("sobjects", "query", "queryAll", "composite", "limits", "jobs", "tooling")
    return Answer({name: call.url(name) for name in names})


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        allowed = (getattr(error, "headers", None) or {}).get("Allow", "")
        text = f"HTTP Method '{request.method}' not allowed. Allowed are {allowed}"
        refusal = ApiError("METHOD_NOT_ALLOWED", text)
    else:
        refusal = ApiError("NOT_FOUND", "The requested resource does not exist")
    return reply([refusal.single()], refusal.status)


async def _failed(request: Request, error: Exception) -> Response:
    refusal = ApiError("UNKNOWN_EXCEPTION", f"An unexpected error occurred: {type(error).__name__}")
    return reply([refusal.single()], 500)


class _Dated:
    """Puts the org's own time into the Date header of every answer; a caller that went away gets none."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"date", self._gate.date().encode())]
                try:
                    await send(message)
                except LocalProtocolError:
                    # The server itself has refused the body already (chunks that are none) and closes.
                    raise ClientDisconnect from None
                return
            await send(message)

        if len(scope["raw_path"]) + 1 + len(scope["query_string"]) > LONGEST_URI:
            refusal = ApiError("URI_TOO_LONG", f"The length of the URI exceeds the {LONGEST_URI} byte limit.")
            await reply([refusal.single()], refusal.status)(scope, receive, dated)
            return
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, dated)
