"""Jobs and batches of both bulk APIs, and the folder that holds what was uploaded and answered."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.org.record import Record
from adapters.sandbox.salesforce.soql.execution import Group

QUERIES = ("query", "queryAll")
#: How long jobs and their results are kept.
KEPT = timedelta(days=7)
WRITES = ("insert", "update", "upsert", "delete", "hardDelete")


@dataclass(slots=True)
class Found:
    """The answer of a query: titles, and the rows that cells are made from when they are fetched."""

    id: str
    rows: Sequence[Record] | Sequence[Group]
    soql: str


@dataclass(slots=True)
class Batch:
    """One portion of a job. ``state`` is Queued, InProgress, Completed, Failed or NotProcessed."""

    id: str
    job_id: str
    created: datetime
    changed: datetime
    upload: Path
    answer: Path
    state: str = "Queued"
    message: str = ""
    soql: str = ""
    processed: int = 0
    failed: int = 0
    found: Found | None = None


@dataclass(slots=True)
class Job:
    """A job of either API; ``generation`` is 1 or 2. ``chunk`` is the size of PK chunks, 0 for none."""

    id: str
    generation: int
    operation: str
    object_name: str
    key: str
    content: str
    actor: Actor
    version: str
    created: datetime
    changed: datetime
    state: str = "Open"
    concurrency: str = "Parallel"
    delimiter: str = "COMMA"
    ending: str = "LF"
    chunk: int = 0
    message: str = ""
    mapping: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)

    @property
    def queries(self) -> bool:
        """Whether it reads."""
        return self.operation in QUERIES

    def total(self, name: str) -> int:
        """Sum of ``processed`` or ``failed`` over the batches."""
        return sum(getattr(batch, name) for batch in self.batches.values())


class Jobs:
    """All jobs of the org. ``close`` removes the folder."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self._all: dict[str, Job] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="isthmus-bulk-")

    def close(self) -> None:
        """Removes everything that was uploaded and answered."""
        self._folder.cleanup()

    def add(self, job: Job) -> None:
        """A new job, checked. Raises ApiError."""
        if job.operation not in (*QUERIES, *WRITES):
            raise ApiError("InvalidJob", f"InvalidJob : '{job.operation}' is no operation")
        if job.object_name or not job.queries:
            job.object_name = self._object(job.object_name)
        if job.operation == "upsert":
            kind = self.org.table(job.object_name).kind
            key = kind.find(job.key)
            if key is None or not (key.external_id or key.name == "Id"):
                raise ApiError(
                    "InvalidJob",
                    f"InvalidJob : Field name provided, {job.key} is not an External ID or indexed",
                )
        for old in list(self._all.values()):
            if old.changed < self.org.clock.now() - KEPT:
                self.forget(old)
        self._all[job.id] = job

    def identifier(self) -> str:
        """An id for a new job."""
        return self.org.ids.make("750")

    def find(self, identifier: str, generation: int) -> Job | None:
        """A job by id of 15 or 18 characters; none whose results are past their seven days."""
        for job in self._all.values():
            if job.changed < self.org.clock.now() - KEPT:
                continue
            if job.id[:15] == identifier[:15] and job.generation == generation:
                return job
        return None

    def all(self, generation: int, *, queries: bool) -> list[Job]:
        """The jobs of one API and kind."""
        return [job for job in self._all.values() if job.generation == generation and job.queries is queries]

    def forget(self, job: Job) -> None:
        """Removes a job and its files."""
        for batch in job.batches.values():
            batch.upload.unlink(missing_ok=True)
            for path in batch.answer.parent.glob(f"{batch.answer.name}*"):
                path.unlink()
        del self._all[job.id]

    def batch(self, job: Job, soql: str = "") -> Batch:
        """A new batch of a job, with places for its upload and its answer."""
        identifier = self.org.ids.make("751")
        folder = Path(self._folder.name)
        now = self.org.clock.second()
        batch = Batch(
            identifier, job.id, now, now, folder / f"{identifier}.in", folder / f"{identifier}.out", soql=soql
        )
        job.batches[identifier] = batch
        self.org.bulk_batches += 1
        return batch

    def _object(self, name: str) -> str:
        try:
            kind = self.org.table(name).kind
        except ApiError:
            raise ApiError("InvalidJob", f"InvalidJob : Unable to find object: {name}") from None
        return kind.name
