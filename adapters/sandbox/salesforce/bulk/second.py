"""Bulk API 2.0 (``/services/data/vXX.0/jobs``): ingest and query jobs in CSV."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.sandbox.salesforce.bulk import answers
from adapters.sandbox.salesforce.bulk.jobs import QUERIES, WRITES, Batch, Job, Jobs
from adapters.sandbox.salesforce.bulk.results import SplitResults, part
from adapters.sandbox.salesforce.bulk.rows import DELIMITERS
from adapters.sandbox.salesforce.bulk.runner import Runner
from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.values import to_json
from adapters.sandbox.salesforce.rest.answers import Answer, reply
from adapters.sandbox.salesforce.rest.bodies import stream_body
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.rest.gate import Gate
from adapters.sandbox.salesforce.rest.router import Row
from adapters.sandbox.salesforce.soql import grammar

MOST_BYTES = 150_000_000
MOST_RECORDS = 250_000
CSV = "text/csv"
Info = dict[str, Any]


class SecondBulk:
    """Handlers of API 2.0: those that speak JSON go through the router, files have routes of their own."""

    def __init__(self, gate: Gate, jobs: Jobs, runner: Runner) -> None:
        self._gate = gate
        self._jobs = jobs
        self._runner = runner
        self._org = jobs.org

    def rows(self) -> tuple[Row, ...]:
        """The routes of calls in JSON."""
        return (
            ("POST", "/jobs/ingest", self._create),
            ("GET", "/jobs/ingest", lambda call: self._list(call, queries=False)),
            ("GET", "/jobs/ingest/{job}", self._show),
            ("PATCH", "/jobs/ingest/{job}", self._change),
            ("DELETE", "/jobs/ingest/{job}", self._delete),
            ("POST", "/jobs/query", self._query),
            ("GET", "/jobs/query", lambda call: self._list(call, queries=True)),
            ("GET", "/jobs/query/{job}", self._show),
            ("PATCH", "/jobs/query/{job}", self._change),
            ("DELETE", "/jobs/query/{job}", self._delete),
        )

    def routes(self) -> list[Route]:
        """The routes of files."""
        base = "/services/data/{version}/jobs"
        table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("PUT", "/ingest/{job}/batches", self._upload),
            ("GET", "/query/{job}/results", self._results),
        ]
        table += [("GET", f"/ingest/{{job}}/{kind}", self._lines(kind)) for kind in SplitResults.KINDS]
        return [
            Route(f"{base}{path}{slash}", self._served(work), methods=[method])
            for method, path, work in table
            for slash in ("", "/")
        ]

    def _served(
        self, work: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            names: list[str] = []
            try:
                self._gate.bearer(request)
                job = self._jobs.find(request.path_params["job"], 2)
                names = [job.object_name] if job else []
                self._gate.strike_before(request, names, request.method)
                response = await work(request)
            except ApiError as error:
                response = reply([error.single()], error.status)
            return await self._gate.finish(request, response, names, request.method)

        return serve

    def _create(self, call: Call) -> Answer:
        body = call.fields()
        operation = str(body.get("operation", ""))
        if operation not in WRITES:
            raise ApiError("INVALIDJOB", f"'{operation}' is no operation of an ingest job")
        if body.get("contentType", "CSV") != "CSV":
            raise ApiError("INVALIDJOB", "contentType must be CSV")
        job = self._new(call, operation, str(body.get("object", "")), body)
        job.key = str(body.get("externalIdFieldName") or "")
        self._add(job)
        return Answer(_info(job))

    def _query(self, call: Call) -> Answer:
        body = call.fields()
        operation, soql = str(body.get("operation", "")), str(body.get("query", ""))
        if operation not in QUERIES:
            raise ApiError("INVALIDJOB", f"'{operation}' is no operation of a query job")
        job = self._new(call, operation, grammar.parse(soql).source, body)
        job.state = "UploadComplete"
        self._add(job)
        self._org.bulk_queries += 1
        self._runner.add(job, self._jobs.batch(job, soql))
        return Answer(_info(job))

    def _new(self, call: Call, operation: str, object_name: str, body: Info) -> Job:
        delimiter, ending = str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF"))
        if delimiter not in DELIMITERS or ending not in ("LF", "CRLF"):
            raise ApiError("INVALIDJOB", "columnDelimiter or lineEnding cannot be used")
        origin = call.actor.origin.replace("/rest/", "/bulkapi/")
        actor = Actor(call.actor.user, origin, call.actor.client, call.actor.saves_duplicates)
        now = self._org.clock.second()
        return Job(
            id=self._jobs.identifier(),
            generation=2,
            operation=operation,
            object_name=object_name,
            key="",
            content="CSV",
            actor=actor,
            version=call.version,
            created=now,
            changed=now,
            delimiter=delimiter,
            ending=ending,
        )

    def _add(self, job: Job) -> None:
        try:
            self._jobs.add(job)
        except ApiError as error:
            raise ApiError("INVALIDJOB", error.message.removeprefix("InvalidJob : ")) from None

    def _list(self, call: Call, *, queries: bool) -> Answer:
        records = [_info(job) for job in self._jobs.all(2, queries=queries)]
        return Answer({"done": True, "nextRecordsUrl": None, "records": records})

    def _show(self, call: Call) -> Answer:
        return Answer(_info(self._job(call.param("job"))))

    def _change(self, call: Call) -> Answer:
        job = self._job(call.param("job"))
        state = call.fields().get("state")
        batch = next(iter(job.batches.values()), None)
        if state == "UploadComplete" and job.state == "Open":
            if batch is None:
                raise ApiError("INVALIDJOBSTATE", "no data was uploaded")
            job.state = "UploadComplete"
            self._runner.add(job, batch)
        elif state == "Aborted" and job.state in ("Open", "UploadComplete", "InProgress"):
            job.state = "Aborted"
        else:
            raise ApiError("INVALIDJOBSTATE", f"the job is {job.state}, not to be {state}")
        job.changed = self._org.clock.second()
        return Answer(_info(job))

    def _delete(self, call: Call) -> Answer:
        job = self._job(call.param("job"))
        if job.state not in ("Aborted", "Failed", "JobComplete"):
            raise ApiError("INVALIDJOBSTATE", f"the job is {job.state}")
        self._jobs.forget(job)
        return Answer(status=204)

    def _job(self, identifier: str) -> Job:
        job = self._jobs.find(identifier, 2)
        if job is None:
            raise ApiError("NOT_FOUND", "The requested resource does not exist")
        return job

    async def _upload(self, request: Request) -> Response:
        job = self._job(request.path_params["job"])
        if job.state != "Open" or job.queries or job.batches:
            raise ApiError("INVALIDJOBSTATE", f"the job is {job.state} and takes one upload")
        batch = self._jobs.batch(job)
        try:
            with batch.upload.open("wb") as out:
                async for piece in stream_body(request, MOST_BYTES):
                    out.write(piece)
        except (ApiError, ClientDisconnect):
            job.batches.clear()
            batch.upload.unlink()
            raise
        return Response(status_code=201)

    def _lines(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            batch = self._first(self._job(request.path_params["job"]))
            path = part(batch.answer, kind)
            if not path.exists():
                raise ApiError("INVALIDJOBSTATE", "the job has no results yet")
            return FileResponse(path, headers={"Content-Type": CSV})

        return serve

    async def _results(self, request: Request) -> Response:
        job = self._job(request.path_params["job"])
        found = self._first(job).found
        if job.state != "JobComplete" or found is None:
            raise ApiError("INVALIDJOBSTATE", f"the job is {job.state}")
        start = _offset(request.query_params.get("locator", ""))
        most = request.query_params.get("maxRecords", str(MOST_RECORDS))
        if not most.isdigit() or not int(most[:10]) > 0 or start > len(found.rows):
            raise ApiError("INVALID_QUERY_LOCATOR", "maxRecords or locator cannot be used")
        end = min(len(found.rows), start + min(int(most[:10]), MOST_RECORDS))
        headers = {
            "Content-Type": CSV,
            "Sforce-NumberOfRecords": str(end - start),
            "Sforce-Locator": _locator(end) if end < len(found.rows) else "null",
        }
        return StreamingResponse(answers.csv_pieces(self._org, job, found, start, end), headers=headers)

    def _first(self, job: Job) -> Batch:
        batch = next(iter(job.batches.values()), None)
        if batch is None:
            raise ApiError("INVALIDJOBSTATE", "the job has no data")
        return batch


def _offset(locator: str) -> int:
    if not locator:
        return 0
    refusal = ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    refusal = ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    try:
        text = base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise refusal from None
    if not text.isdigit() or len(text) > 12:
        raise refusal
    return int(text)


def _locator(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode().rstrip("=")


def _info(job: Job) -> Info:
    kind = "query" if job.queries else "ingest"
    info: Info = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object_name,
        "createdById": job.actor.user.id,
        "createdDate": to_json(job.created),
        "systemModstamp": to_json(job.changed),
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version),
        "jobType": "V2Query" if job.queries else "V2Ingest",
        "lineEnding": job.ending,
        "columnDelimiter": job.delimiter,
        "numberRecordsProcessed": job.total("processed"),
        "retries": 0,
        "totalProcessingTime": 0,
    }
    if job.message:
        info["errorMessage"] = job.message
    if kind == "ingest":
        info |= {
            "contentUrl": f"services/data/v{job.version}/jobs/ingest/{job.id}/batches",
            "externalIdFieldName": job.key or None,
            "numberRecordsFailed": job.total("failed"),
            "apiActiveProcessingTime": 0,
            "apexProcessingTime": 0,
        }
    return info
