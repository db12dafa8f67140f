"""Carries out batches one after the other beside the calls: 200 rows a transaction, then others get a
turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice

from adapters.sandbox.salesforce.bulk import rows
from adapters.sandbox.salesforce.bulk.jobs import Batch, Found, Job, Jobs
from adapters.sandbox.salesforce.bulk.results import (
    CsvResults,
    JsonResults,
    Results,
    SplitResults,
    XmlResults,
)
from adapters.sandbox.salesforce.org import dml
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.soql import grammar
from adapters.sandbox.salesforce.soql.execution import Execution
from adapters.sandbox.salesforce.soql.projection import Grouping, Projection

CHUNK = 200
MOST_ROWS = 10_000
Item = tuple[rows.Row, list[str]]


class Runner:
    """One worker for all jobs, started with the first one."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._org = jobs.org
        self._waiting: asyncio.Queue[tuple[Job, Batch]] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._cutting: set[asyncio.Task[None]] = set()

    def add(self, job: Job, batch: Batch) -> None:
        """Has a batch carried out when its turn comes."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        self._waiting.put_nowait((job, batch))

    def cut(self, job: Job, batch: Batch, parts: Sequence[str]) -> None:
        """Makes batches of the parts of a query; its own batch is not processed then. Late where a fault
        says so: some parts are there before the others."""
        late = self._org.faults.strike("job-late", (job.object_name,))
        if late is None:
            self._cut(job, batch, parts)
            return
        task = asyncio.create_task(self._cut_late(job, batch, parts, late.delay / 2))
        self._cutting.add(task)
        task.add_done_callback(self._cutting.discard)

    def _cut(self, job: Job, batch: Batch, parts: Sequence[str]) -> None:
        for part in parts:
            self.add(job, self._jobs.batch(job, part))
        batch.state = "NotProcessed"

    async def _cut_late(self, job: Job, batch: Batch, parts: Sequence[str], delay: float) -> None:
        await asyncio.sleep(delay)
        batch.state = "InProgress"
        self.add(job, self._jobs.batch(job, parts[0]))
        await asyncio.sleep(delay)
        self._cut(job, batch, () if job.state == "Aborted" else parts[1:])

    async def close(self) -> None:
        """Stops the worker."""
        for task in self._cutting:
            task.cancel()
        await asyncio.gather(*self._cutting, return_exceptions=True)
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker

    async def _work(self) -> None:
        while True:
            job, batch = await self._waiting.get()
            if late := self._org.faults.strike("job-late", (job.object_name,)):
                await asyncio.sleep(late.delay)
            if batch.state != "Queued" or job.state in ("Aborted", "Failed"):
                continue
            batch.state = "InProgress"
            try:
                if self._org.faults.strike("job-failed", (job.object_name,)):
                    raise ApiError("InternalServerError", "InternalServerError : the batch was given up")
                await (self._query(job, batch) if job.queries else self._ingest(job, batch))
                self._end(job, batch, "Completed", "")
            except ApiError as error:
                self._end(job, batch, "Failed", error.message)

    def _end(self, job: Job, batch: Batch, state: str, message: str) -> None:
        batch.state, batch.message = state, message
        batch.changed = job.changed = self._org.clock.second()
        if job.generation == 2 and job.state != "Aborted":
            job.state = "JobComplete" if state == "Completed" else "Failed"
            job.message = message

    async def _query(self, job: Job, batch: Batch) -> None:
        execution = Execution(self._org.tables, self._org.clock, deleted=job.operation == "queryAll")
        query = grammar.parse(batch.soql)
        if query.children or (not query.columns and not query.grouped):
            raise ApiError(
                "InvalidBatch", "InvalidBatch : child queries and COUNT() are not supported in bulk"
            )
        if query.grouped:
            found = Found(self._org.ids.make("752"), execution.groups(query), batch.soql)
            Grouping(query).cells()
        else:
            kind = execution.table(query.source).kind
            Projection(query, kind, self._org.tables, execution, job.version).cells()
            found = Found(self._org.ids.make("752"), execution.records(query), batch.soql)
        batch.found, batch.processed = found, len(found.rows)

    async def _ingest(self, job: Job, batch: Batch) -> None:
        if job.content == "CSV":
            await self._ingest_csv(job, batch)
            return
        made = {"JSON": (rows.json_rows, JsonResults), "XML": (rows.xml_rows, XmlResults)}[job.content]
        reader, writer = made
        with writer(batch.answer) as results:
            await self._rows(job, batch, ((row, []) for row in reader(batch.upload)), results)

    async def _ingest_csv(self, job: Job, batch: Batch) -> None:
        upload = rows.CsvRows(batch.upload, job.delimiter, job.ending if job.generation == 2 else "")
        with contextlib.closing(upload):
            upload.begin()
            titles = [job.mapping.get(each, each) for each in upload.titles]
            rows.check_titles([*titles, *job.constants], self._org.table(job.object_name).kind)
            items = ((rows.record_of(titles, cells) | job.constants, cells) for cells in upload)
            if job.generation == 1:
                with CsvResults(batch.answer) as results:
                    await self._rows(job, batch, items, results)
                return
            with SplitResults(batch.answer, upload.titles, rows.DELIMITERS[job.delimiter]) as split:
                await self._rows(job, batch, items, split)
                for _, cells in items:
                    split.left(cells)

    async def _rows(self, job: Job, batch: Batch, items: Iterator[Item], results: Results) -> None:
        while chunk := list(islice(items, CHUNK)):
            if job.state == "Aborted":
                if isinstance(results, SplitResults):
                    for _, cells in chunk:
                        results.left(cells)
                return
            if job.generation == 1 and batch.processed + len(chunk) > MOST_ROWS:
                raise ApiError("InvalidBatch", f"InvalidBatch : a batch has {MOST_ROWS} records at most")
            self._write(job, batch, chunk, results)
            await asyncio.sleep(0)

    def _write(self, job: Job, batch: Batch, chunk: list[Item], results: Results) -> None:
        gone: list[str] = []
        once = dml.Once(job.operation, job.key, ((job.object_name, row) for row, _ in chunk))
        with self._org.transaction(job.actor) as transaction:
            for row, cells in chunk:
                batch.processed += 1
                try:
                    once.check(job.object_name, row)
                    record, created = dml.write(
                        self._org, transaction, job.operation, job.object_name, row, job.key
                    )
                except ApiError as error:
                    batch.failed += 1
                    results.refused(error, cells)
                    continue
                results.written(record.id, created, cells)
                gone.append(record.id)
        if job.operation == "hardDelete":
            for identifier in gone:
                self._org.forget(job.object_name, identifier)
