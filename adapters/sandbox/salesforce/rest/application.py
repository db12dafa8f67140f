"""The HTTP application of the org: every route in one table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.sandbox.salesforce.control.endpoints import Control
from adapters.sandbox.salesforce.identity.oauth import OAuth
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest import collections, describe, records
from adapters.sandbox.salesforce.rest.calls import DAILY_CALLS, Call, DataApi, Handler, answer
from adapters.sandbox.salesforce.rest.queries import Queries

VERSIONS = range(20, 67)
_VERSION = re.compile(r"v(\d+)\.0")

_RECORD_ROUTES: tuple[tuple[str, str, Handler], ...] = (
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


def build(org: Org, api: DataApi, oauth: OAuth) -> ASGIApp:
    """The application; both HTTP ports serve the same one."""
    queries = Queries()

    def limits(call: Call) -> Response:
        return answer(_limits(org, api))

    table = (
        *_RECORD_ROUTES,
        ("GET", "/query", queries.live),
        ("GET", "/query/{locator}", queries.more),
        ("GET", "/queryAll", queries.everything),
        ("GET", "/queryAll/{locator}", queries.more),
        ("GET", "/limits", limits),
        ("GET", "", _resources),
    )
    routes: list[BaseRoute] = [
        Route("/services/oauth2/token", oauth.token, methods=["POST"]),
        Route("/services/oauth2/revoke", oauth.revoke, methods=["GET", "POST"]),
        Route("/services/oauth2/userinfo", oauth.userinfo, methods=["GET", "POST"]),
        Route("/id/{org_id}/{user_id}", oauth.userinfo),
        Route("/services/data", _versions),
        Route("/services/data/", _versions),
        *Control(org).routes(),
    ]
    for method, path, handler in table:
        endpoint = api.endpoint(_versioned(handler))
        for ending in ("", "/") if "path}" not in path else ("",):
            routes.append(Route(f"/services/data/{{version}}{path}{ending}", endpoint, methods=[method]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unrouted, Exception: _failed})
    app.router.redirect_slashes = False
    return _Dated(app, api)


def _versioned(handler: Handler) -> Handler:
    def handle(call: Call) -> Response:
        match = _VERSION.fullmatch(call.param("version"))
        if match is None or int(match[1]) not in VERSIONS:
            raise ApiError("NOT_FOUND", "The requested resource does not exist")
        return handler(call)

    return handle


async def _versions(request: Request) -> Response:
    return answer(
        [
            {"label": f"API {each}.0", "url": f"/services/data/v{each}.0", "version": f"{each}.0"}
            for each in VERSIONS
        ]
    )


def _resources(call: Call) -> Response:
    names = ("sobjects", "query", "queryAll", "composite", "limits")
    return answer({name: call.url(name) for name in names})


def _limits(org: Org, api: DataApi) -> dict[str, dict[str, int]]:
    delivered = 25_000
    return {
        "DailyApiRequests": {"Max": DAILY_CALLS, "Remaining": api.remaining},
        "DailyDeliveredPlatformEvents": {
            "Max": delivered,
            "Remaining": max(0, delivered - org.stream.delivered),
        },
        "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
        "DataStorageMB": {"Max": 1024, "Remaining": 1024},
    }


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        refusal = ApiError(
            "METHOD_NOT_ALLOWED",
            f"HTTP Method '{request.method}' not allowed. Allowed are "
            f"{(getattr(error, 'headers', None) or {}).get('Allow', '')}",
        )
    else:
        refusal = ApiError("NOT_FOUND", "The requested resource does not exist")
    return answer([refusal.single()], refusal.status)


async def _failed(request: Request, error: Exception) -> Response:
    refusal = ApiError("UNKNOWN_EXCEPTION", f"An unexpected error occurred: {type(error).__name__}")
    return answer([refusal.single()], 500)


class _Dated:
    """Puts the org's own time into the Date header of every answer."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], api: DataApi) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"date", self._api.date().encode())]
            await send(message)

        await self._app(scope, receive, dated)
