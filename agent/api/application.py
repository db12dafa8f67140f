"""The routes: everybody whom the socket lets in may look, roles may act. Errors are JSON with a remedy."""

from __future__ import annotations

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.api.bounds import Bounded
from agent.api.peer import Roles, actor, own_user_acts
from agent.core.fate import Fate
from agent.errors import Denied, InputError, IsthmusError, RemoteError, StoreError
from agent.operations.reads import StoreReads
from agent.operations.verbs import Acts, Verbs
from agent.operations.verdict import verdict
from agent.operations.wire import (
    PAGE,
    ConflictItem,
    ConflictPage,
    Digests,
    ExceptionItem,
    ExceptionPage,
    FlowPage,
    Overview,
    Side,
    Status,
    Trace,
    VerbResult,
)

LOG = structlog.get_logger("isthmus.api")


class Reason(BaseModel):
    """Why somebody acts."""

    model_config = ConfigDict(extra="forbid")
    reason: str


class Resolution(Reason):
    """A person's word about a deletion or a lost answer; ``key``: the target's, of what was created there."""

    fate: Fate
    key: str | None = None


class Scoped(Reason):
    """What to hold or to release: ``*`` for all systems, a system, or a held scope."""

    scope: str


class Ruling(Reason):
    """Which value holds, of those that were shown."""

    keep: Side
    shown: Digests


def build(reads: StoreReads, acts: Acts, roles: Roles = own_user_acts) -> FastAPI:
    """The application. ``roles`` says what the user at the other end of the socket may do."""
    app = FastAPI(title="Isthmus", docs_url=None, redoc_url=None, openapi_url=None)
    _looking(app, reads)
    _health(app, reads)
    _acting(app, Verbs(acts), roles)
    app.add_exception_handler(IsthmusError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _fault)
    app.add_middleware(Bounded)
    return app


def _looking(app: FastAPI, reads: StoreReads) -> None:
    @app.get("/status")
    async def status() -> Status:
        return await reads.status()

    @app.get("/overview")
    async def overview() -> Overview:
        return await reads.overview()

    @app.get("/exceptions")
    async def exceptions(state: str = "open", limit: int = PAGE) -> ExceptionPage:
        return await reads.exceptions(state, limit)

    @app.get("/exceptions/{number}")
    async def exception(number: int) -> ExceptionItem:
        return await reads.exception(number)

    @app.get("/conflicts")
    async def conflicts(state: str = "open", limit: int = PAGE) -> ConflictPage:
        return await reads.conflicts(state, limit)

    @app.get("/conflicts/{number}")
    async def conflict(number: int) -> ConflictItem:
        return await reads.conflict(number)

    @app.get("/flow")
    async def flow() -> FlowPage:
        return await reads.flow()

    @app.get("/trace/{key:path}")
    async def trace(key: str) -> Trace:
        return await reads.trace(key)


def _health(app: FastAPI, reads: StoreReads) -> None:
    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"state": "alive"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        await reads.ready()
        return {"state": "ready"}

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        status = await reads.status()
        judged = verdict(status)
        systems = {
            system.name: {
                "state": system.state,
                "since": system.since.isoformat() if system.since else None,
                "reason": system.reason,
            }
            for system in status.systems
        }
        body = {"verdict": judged.word, "code": judged.code, "reasons": judged.reasons, "systems": systems}
        return JSONResponse(body, status_code=503 if judged.code >= 2 else 200)


def _acting(app: FastAPI, verbs: Verbs, roles: Roles) -> None:
    @app.post("/exceptions/{number}/retry")
    async def retry(number: int, body: Reason, request: Request) -> VerbResult:
        return await verbs.retry(number, actor(request, roles), body.reason)

    @app.post("/exceptions/{number}/close")
    async def close(number: int, body: Reason, request: Request) -> VerbResult:
        return await verbs.close(number, actor(request, roles), body.reason)

    @app.post("/exceptions/{number}/resolve")
    async def resolve(number: int, body: Resolution, request: Request) -> VerbResult:
        return await verbs.resolve(number, body.fate, body.key, actor(request, roles), body.reason)

    @app.post("/flow/hold")
    async def hold(body: Scoped, request: Request) -> VerbResult:
        return await verbs.hold(body.scope, actor(request, roles), body.reason)

    @app.post("/flow/release")
    async def release(body: Scoped, request: Request) -> VerbResult:
        return await verbs.release(body.scope, actor(request, roles), body.reason)

    @app.post("/conflicts/{number}/rule")
    async def rule(number: int, body: Ruling, request: Request) -> VerbResult:
        return await verbs.rule(number, body.keep, body.shown, actor(request, roles), body.reason)


def _answer(status: int, message: str, remedy: str, code: int) -> JSONResponse:
    body = {"error": {"message": message, "remedy": remedy, "code": code}}
    return JSONResponse(body, status_code=status)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, IsthmusError):
        raise error
    status = 500
    if isinstance(error, Denied):
        status = 403
    elif isinstance(error, InputError):
        status = 400
    elif isinstance(error, StoreError):
        status = 503
    elif isinstance(error, RemoteError):
        status = 502
    return _answer(status, error.message, error.remedy, error.exit_code)


async def _no_route(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 404
    remedy = "the program and the service may be of different versions"
    return _answer(status, "there is no such address", remedy, 2)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    """Names what is wrong, never the value that was sent."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    places = ", ".join(".".join(str(part) for part in fault["loc"]) for fault in found)
    return _answer(400, f"the request is malformed: {places}", "see isthmus --help", 2)


async def _fault(request: Request, error: Exception) -> JSONResponse:
    """A fault of the program: its kind goes to the log, nothing of it to the caller."""
    LOG.error("a request failed", action="api.fault", path=request.url.path, error=type(error).__name__)
    return _answer(500, "the service could not answer", "look at its log", 1)
