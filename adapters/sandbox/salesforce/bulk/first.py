"""Bulk API 1.0 (``/services/async``): jobs of batches in CSV, JSON or XML.

Content types are bare, errors are XML with CamelCase codes, job information follows the caller's content type
and batch information the job's, as the clients in use expect.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.sandbox.salesforce.bulk import answers, chunks
from adapters.sandbox.salesforce.bulk.jobs import Batch, Job, Jobs
from adapters.sandbox.salesforce.bulk.results import NAMESPACE
from adapters.sandbox.salesforce.bulk.runner import Runner
from adapters.sandbox.salesforce.org.actor import User
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.markup import parse
from adapters.sandbox.salesforce.org.values import to_json
from adapters.sandbox.salesforce.rest.answers import dumped
from adapters.sandbox.salesforce.rest.bodies import parse_json, read_body, stream_body
from adapters.sandbox.salesforce.rest.calls import actor_of
from adapters.sandbox.salesforce.rest.gate import Gate

MOST_BYTES = 10_000_000
TYPES = {"CSV": "text/csv", "JSON": "application/json", "XML": "application/xml"}
_STATUS = {"InvalidSessionId": 401, "ExceededQuota": 403}
_CODES = {
    "INVALID_SESSION_ID": "InvalidSessionId",
    "REQUEST_LIMIT_EXCEEDED": "ExceededQuota",
    "SERVER_UNAVAILABLE": "ServerBusy",
    "JSON_PARSER_ERROR": "InvalidJob",
    "REQUEST_TOO_LARGE": "ExceededQuota",
}
Info = dict[str, Any]
Work = Callable[[Request, User], Awaitable[Response]]


class FirstBulk:
    """Handlers of API 1.0."""

    def __init__(self, gate: Gate, jobs: Jobs, runner: Runner) -> None:
        self._gate = gate
        self._jobs = jobs
        self._runner = runner
        self._org = jobs.org

    def routes(self) -> list[Route]:
        """All routes."""
        batch = "/job/{job}/batch"
        table: tuple[tuple[str, str, Work], ...] = (
            ("POST", "/job", self._create),
            ("GET", "/job/{job}", self._show),
            ("POST", "/job/{job}", self._change),
            ("POST", "/job/{job}/spec", self._map),
            ("POST", batch, self._post),
            ("GET", batch, self._batches),
            ("GET", f"{batch}/{{batch}}", self._batch),
            ("GET", f"{batch}/{{batch}}/request", self._request),
            ("GET", f"{batch}/{{batch}}/result", self._result),
            ("GET", f"{batch}/{{batch}}/result/{{result}}", self._found),
        )
        return [
            Route(f"/services/async/{{version}}{path}", self._served(work), methods=[method])
            for method, path, work in table
        ]

    def _served(self, work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            names: list[str] = []
            try:
                user = self._gate.user(request.headers.get("x-sfdc-session", ""))
                job = self._jobs.find(request.path_params.get("job", ""), 1)
                names = [job.object_name] if job else []
                self._gate.strike_before(request, names, request.method)
                response = await work(request, user)
            except ApiError as error:
                response = _refusal(error, "json" in request.headers.get("content-type", ""))
            return await self._gate.finish(request, response, names, request.method)

        return serve

    async def _create(self, request: Request, user: User) -> Response:
        info = await _info(request)
        content = info.get("contentType", "XML").upper()
        if content not in TYPES:
            raise ApiError("InvalidJob", f"InvalidJob : contentType '{content}' is not supported")
        now = self._org.clock.second()
        version = request.path_params["version"]
        headers = {name.lower(): value for name, value in request.headers.items()}
        job = Job(
            id=self._jobs.identifier(),
            generation=1,
            operation=info.get("operation", ""),
            object_name=info.get("object", ""),
            key=info.get("externalIdFieldName", ""),
            content=content,
            actor=actor_of(user, version, headers, "bulkapi"),
            version=version,
            created=now,
            changed=now,
            concurrency=info.get("concurrencyMode", "Parallel"),
            chunk=chunks.size(headers.get("sforce-enable-pkchunking", "")),
        )
        if not job.object_name:
            raise ApiError("InvalidJob", "InvalidJob : object is missing")
        self._jobs.add(job)
        return _job_answer(job, request, 201)

    async def _show(self, request: Request, user: User) -> Response:
        return _job_answer(self._job(request), request)

    async def _change(self, request: Request, user: User) -> Response:
        job = self._job(request)
        state = (await _info(request)).get("state", "")
        if state not in ("Closed", "Aborted") or job.state == "Aborted":
            raise ApiError("InvalidJobState", f"InvalidJobState : the job is {job.state}, not to be {state}")
        job.state, job.changed = state, self._org.clock.second()
        if state == "Aborted":
            for batch in job.batches.values():
                batch.state = "NotProcessed" if batch.state == "Queued" else batch.state
        return _job_answer(job, request)

    async def _map(self, request: Request, user: User) -> Response:
        """A transformation: which CSV title is which field, and fields of one value."""
        job = self._job(request)
        text = (await read_body(request, MOST_BYTES)).decode("utf-8-sig", "replace")
        try:
            lines = list(csv.DictReader(io.StringIO(text), strict=True))
        except csv.Error as error:
            raise ApiError("InvalidJob", f"InvalidJob : the specification is no CSV: {error}") from None
        for line in lines:
            field, title = line.get("Salesforce Field"), line.get("Csv Header")
            if not field:
                raise ApiError("InvalidJob", "InvalidJob : the specification lacks 'Salesforce Field'")
            if title:
                job.mapping[title] = field
            elif value := line.get("Value"):
                job.constants[field] = value
        return Response(status_code=201)

    async def _post(self, request: Request, user: User) -> Response:
        job = self._job(request)
        if job.state != "Open":
            raise ApiError("InvalidJobState", f"InvalidJobState : the job is {job.state}")
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != TYPES[job.content]:
            raise ApiError("InvalidBatch", f"InvalidBatch : content type {kind} is not that of the job")
        if job.queries:
            batch = await self._query(request, job)
        else:
            batch = self._jobs.batch(job)
            try:
                with batch.upload.open("wb") as out:
                    async for piece in stream_body(request, MOST_BYTES):
                        out.write(piece)
            except (ApiError, ClientDisconnect):
                del job.batches[batch.id]
                batch.upload.unlink()
                raise
            self._runner.add(job, batch)
        return _batch_answer(job, [batch], request, 201)

    async def _query(self, request: Request, job: Job) -> Batch:
        soql = (await read_body(request, MOST_BYTES)).decode("utf-8", "replace").strip()
        batch = self._jobs.batch(job, soql)
        if not job.chunk:
            self._runner.add(job, batch)
            return batch
        self._runner.cut(job, batch, chunks.queries(soql, self._org.table(job.object_name), job.chunk))
        return batch

    async def _batches(self, request: Request, user: User) -> Response:
        job = self._job(request)
        return _batch_answer(job, list(job.batches.values()), request, listed=True)

    async def _batch(self, request: Request, user: User) -> Response:
        job = self._job(request)
        return _batch_answer(job, [self._one(request, job)], request)

    async def _request(self, request: Request, user: User) -> Response:
        job = self._job(request)
        batch = self._one(request, job)
        if job.queries:
            return _bare(batch.soql.encode(), TYPES[job.content])
        return FileResponse(batch.upload, headers={"Content-Type": TYPES[job.content]})

    async def _result(self, request: Request, user: User) -> Response:
        job = self._job(request)
        batch = self._done(request, job)
        if not job.queries:
            return FileResponse(batch.answer, headers={"Content-Type": TYPES[job.content]})
        ids = [batch.found.id] if batch.found else []
        if job.content == "JSON":
            return _bare(dumped(ids), TYPES["JSON"])
        listed = "".join(f"<result>{each}</result>" for each in ids)
        return _xml(f'<result-list xmlns="{NAMESPACE}">{listed}</result-list>')

    async def _found(self, request: Request, user: User) -> Response:
        job = self._job(request)
        found = self._done(request, job).found
        if found is None or found.id != request.path_params["result"]:
            raise ApiError("InvalidBatch", "InvalidBatch : no such result")
        makers = {"JSON": answers.json_pieces, "XML": answers.xml_pieces}
        if job.content in makers:
            pieces = makers[job.content](self._org, job, found)
        elif not found.rows:
            pieces = iter((b"Records not found for this query\n",))
        else:
            pieces = answers.csv_pieces(self._org, job, found, 0, len(found.rows))
        return StreamingResponse(pieces, headers={"Content-Type": TYPES[job.content]})

    def _job(self, request: Request) -> Job:
        job = self._jobs.find(request.path_params["job"], 1)
        if job is None:
            raise ApiError("InvalidJob", f"InvalidJob : no job {request.path_params['job']}")
        return job

    def _one(self, request: Request, job: Job) -> Batch:
        identifier = request.path_params["batch"]
        for batch in job.batches.values():
            if batch.id[:15] == identifier[:15]:
                return batch
        raise ApiError("InvalidBatch", f"InvalidBatch : no batch {identifier}")

    def _done(self, request: Request, job: Job) -> Batch:
        batch = self._one(request, job)
        if batch.state != "Completed":
            raise ApiError("InvalidBatch", "InvalidBatch : the batch is not completed")
        return batch


async def _info(request: Request) -> dict[str, str]:
    """The job information of a request, XML or JSON."""
    raw = await read_body(request, MOST_BYTES)
    if "json" in request.headers.get("content-type", ""):
        body = parse_json(raw)
        if not isinstance(body, dict):
            raise ApiError("InvalidJob", "InvalidJob : the body is no object")
        return {str(name): str(value) for name, value in body.items() if value is not None}
    root = parse(raw, "InvalidJob")
    return {each.name: each.text.strip() for each in root.children}


def _job_info(job: Job) -> Info:
    states = [batch.state for batch in job.batches.values()]
    info: Info = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object_name,
        "createdById": job.actor.user.id,
        "createdDate": str(to_json(job.created)).replace("+0000", "Z"),
        "systemModstamp": str(to_json(job.changed)).replace("+0000", "Z"),
        "state": job.state,
        "concurrencyMode": job.concurrency,
        "contentType": job.content,
        "numberBatchesQueued": states.count("Queued"),
        "numberBatchesInProgress": states.count("InProgress"),
        "numberBatchesCompleted": states.count("Completed"),
        "numberBatchesFailed": states.count("Failed"),
        "numberBatchesTotal": len(states),
        "numberRecordsProcessed": job.total("processed"),
        "numberRetries": 0,
        "apiVersion": float(job.version),
        "numberRecordsFailed": job.total("failed"),
        "totalProcessingTime": 0,
        "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
    }
    return info | ({"externalIdFieldName": job.key} if job.key else {})


def _batch_info(batch: Batch) -> Info:
    info: Info = {
        "id": batch.id,
        "jobId": batch.job_id,
        "state": batch.state,
        "stateMessage": batch.message or None,
        "createdDate": str(to_json(batch.created)).replace("+0000", "Z"),
        "systemModstamp": str(to_json(batch.changed)).replace("+0000", "Z"),
        "numberRecordsProcessed": batch.processed,
        "numberRecordsFailed": batch.failed,
        "totalProcessingTime": 0,
        "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
    }
    return {name: value for name, value in info.items() if value is not None}


def _job_answer(job: Job, request: Request, status: int = 200) -> Response:
    if "json" in request.headers.get("content-type", ""):
        return _bare(dumped(_job_info(job)), TYPES["JSON"], status)
    return _xml(_tagged("jobInfo", _job_info(job), f' xmlns="{NAMESPACE}"'), status)


def _batch_answer(
    job: Job, batches: list[Batch], request: Request, status: int = 200, *, listed: bool = False
) -> Response:
    infos = [_batch_info(batch) for batch in batches]
    if job.content == "JSON" or "json" in request.headers.get("content-type", ""):
        return _bare(dumped({"batchInfo": infos} if listed else infos[0]), TYPES["JSON"], status)
    space = f' xmlns="{NAMESPACE}"'
    if not listed:
        return _xml(_tagged("batchInfo", infos[0], space), status)
    inside = "".join(_tagged("batchInfo", each) for each in infos)
    return _xml(f"<batchInfoList{space}>{inside}</batchInfoList>", status)


def _tagged(name: str, info: Info, attributes: str = "") -> str:
    inside = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in info.items())
    return f"<{name}{attributes}>{inside}</{name}>"


def _bare(body: bytes, kind: str, status: int = 200) -> Response:
    """Without a charset behind the type: clients compare it whole."""
    return Response(body, status, {"Content-Type": kind})


def _xml(text: str, status: int = 200) -> Response:
    return _bare(f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), TYPES["XML"], status)


def _refusal(error: ApiError, as_json: bool) -> Response:
    code = _CODES.get(error.code, error.code)
    status = _STATUS.get(code, 503 if code == "ServerBusy" else 400)
    if as_json:
        return _bare(
            dumped({"exceptionCode": code, "exceptionMessage": error.message}), TYPES["JSON"], status
        )
    inside = (
        f"<exceptionCode>{code}</exceptionCode><exceptionMessage>{escape(error.message)}</exceptionMessage>"
    )
    return _xml(f'<error xmlns="{NAMESPACE}">{inside}</error>', status)
