"""Bulk API 1.0 through the package ``salesforce-bulk`` 2.2, and the one place that makes up for its faults.

The package is synchronous, so it runs on a thread of its own. It calls ``requests`` by module, so it gets a
copy of its module in which that name is a session of ours: kept connections, time-outs, repeats of calls that
only read, our trust and proxy, and content types without the parameters that it cannot read. What it does
wrong by itself is done here: results of uploads (truth as text, no ids, byte by byte), endless waiting.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

from adapters.salesforce.connection.auth import Login, Session
from adapters.salesforce.connection.governor import Governor, Priority
from adapters.salesforce.connection.http import describe
from adapters.salesforce.connection.proxy import NoWay, Proxy, Ways, proxy_refusal
from adapters.salesforce.connection.tls import untrusted
from adapters.salesforce.jobs.bulk2 import waits
from adapters.salesforce.jobs.thread import OwnThread
from adapters.salesforce.jobs.written import READERS, Written
from adapters.salesforce.settings import Settings
from adapters.salesforce.values import parse_moment
from agent import failpoints
from agent.errors import Refused, Unreachable

if TYPE_CHECKING:
    from adapters.salesforce.jobs.bulk_link import Link

_T = TypeVar("_T")
_PACKAGE = "salesforce_bulk.salesforce_bulk"
#: How much of a result is fetched at a time.
_PIECE = 1 << 18
_CODE = re.compile(r"<exceptionCode>\s*([^<]*?)\s*</exceptionCode>")
_TEXT = re.compile(r"<exceptionMessage>\s*([^<]*?)\s*</exceptionMessage>")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_SESSION = "InvalidSessionId"
#: The interface by which the login knows us.
_DOOR = "bulk"
_GONE = frozenset({"InvalidJob", "InvalidBatch", "NotFound"})
_BUSY = frozenset({"ServerBusy", "Timeout"})


class Forgotten(Exception):
    """The server knows no such job or batch (any more: they are kept for seven days)."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job: Open, Closed, Aborted or Failed; when it was made, by the server's clock."""

    id: str
    state: str
    created: datetime


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """A batch: Queued, InProgress, Completed, Failed or NotProcessed; ``changed`` by the server's clock."""

    id: str
    state: str
    message: str
    records: int
    changed: datetime


class Bulk:
    """One client of Bulk API 1.0, for ``async with``: its thread and its connections live as long.

    Every call raises Unreachable or Refused, and Forgotten where it names a job.
    """

    def __init__(self, name: str, settings: Settings, login: Login, governor: Governor, ways: Ways) -> None:
        self._name = name
        self._settings = settings
        self._login = login
        self._governor = governor
        self._ways = ways
        self._thread = OwnThread(f"salesforce-bulk-{name}")
        self._client: Any = None
        self._link: Link | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Behind a call that still runs on the thread, not beside it: a session belongs to one thread.
        if self._link is not None:
            self._thread.later(self._link.close)
        self._thread.stop()

    async def make_query(self, object_name: str, chunk: int = 0) -> str:
        """Make a job that queries; with ``chunk`` the server cuts it up by ranges of that many ids."""
        return await self._make(
            lambda client: client.create_query_job(object_name, contentType="CSV", pk_chunking=chunk or False)
        )

    async def make_upload(
        self, object_name: str, operation: str, external_id: str | None = None, content: str = "CSV"
    ) -> str:
        """Make a job that writes: insert, update, upsert or delete."""
        return await self._make(
            lambda client: client.create_job(
                object_name, operation, contentType=content, external_id_name=external_id
            )
        )

    async def query(self, job_id: str, soql: str) -> str:
        """Add a query to a job. Returns the id of the batch."""
        return await self._post(job_id, "CSV", soql, lambda client, body: str(client.query(job_id, body)))

    async def upload(self, job_id: str, rows: str | bytes, content: str = "CSV") -> str:
        """Add rows to a job, which another process may have made. Returns the id of the batch."""
        return await self._post(
            job_id, content, rows, lambda client, body: str(client.post_batch(job_id, body))
        )

    async def job(self, job_id: str) -> JobInfo:
        """A job as it is now."""
        return await self._call(lambda client: _job(client.job_status(job_id)))

    async def batches(self, job_id: str) -> tuple[BatchInfo, ...]:
        """All batches of a job, in the order of their ids."""
        found = await self._call(lambda client: [_batch(one) for one in client.get_batch_list(job_id)])
        return tuple(sorted(found, key=lambda batch: batch.id))

    async def batch(self, job_id: str, batch_id: str) -> BatchInfo:
        """A batch as it is now."""
        return await self._call(lambda client: _batch(client.batch_status(batch_id, job_id, reload=True)))

    async def asked(self, job_id: str, batch_id: str) -> str:
        """The query of a batch, as the server holds it."""
        return await self._call(lambda client: str(client.get_query_batch_request(batch_id, job_id)))

    async def results(self, job_id: str, batch_id: str) -> tuple[str, ...]:
        """Ids of the results of a query that is completed."""
        found = await self._call(lambda client: client.get_query_batch_result_ids(batch_id, job_id))
        if found is False:
            raise Unreachable("a batch is not completed any more", where=self._name)
        return tuple(str(one) for one in found)

    async def pieces(self, job_id: str, batch_id: str, result_id: str) -> AsyncGenerator[bytes, None]:
        """One result of a query, piece by piece; never more than one piece is held."""
        raw = await self._call(
            lambda client: client.get_query_batch_results(batch_id, result_id, job_id=job_id, raw=True)
        )
        try:
            while piece := await self._run(lambda: bytes(raw.read(_PIECE, decode_content=True))):
                yield piece
        except _Broken as error:
            raise self._unreachable(str(error), None) from error
        finally:
            self._thread.later(raw.close)

    async def written(self, job_id: str, batch_id: str, rows: int, content: str = "CSV") -> list[Written]:
        """What came of the rows of an upload, in their order: the API names no row, so the count must fit."""
        found = await self._call(lambda client: client.written(job_id, batch_id, content))
        if len(found) != rows:
            text = f"{len(found)} results for the {rows} rows of a batch"
            raise Unreachable(text, where=self._name, remedy="read the records to see which were written")
        return list(found)

    async def wait(self, job_id: str, batch_id: str, limit_s: float) -> BatchInfo:
        """Wait until a batch is completed, failed or left out. Raises Unreachable behind the limit."""
        end = time.monotonic() + limit_s
        for wait in waits():
            batch = await self.batch(job_id, batch_id)
            if batch.state in ("Completed", "Failed", "NotProcessed"):
                return batch
            if time.monotonic() >= end:
                break
            await asyncio.sleep(min(wait, max(0.0, end - time.monotonic())))
        raise Unreachable(f"a batch is not done after {limit_s:.0f} s", where=self._name)

    async def close_job(self, job_id: str) -> None:
        """Tell the server that no more batches come."""
        await self._call(lambda client: client.close_job(job_id))

    async def abort_job(self, job_id: str) -> None:
        """Stop a job; what was done stays."""
        await self._call(lambda client: client.abort_job(job_id))

    async def _make(self, make: Callable[[Any], object]) -> str:
        try:
            return str(await self._call(make))
        except Forgotten as error:
            # InvalidJob, of a job that is only asked for: no object of this name.
            raise Refused(str(error), where=self._name) from None

    async def _post(
        self, job_id: str, content: str, body: str | bytes, post: Callable[[Any, bytes], str]
    ) -> str:
        encoded = body.encode() if isinstance(body, str) else body

        def work(client: Any) -> str:
            # The package knows only the jobs that it made itself since the process began.
            client.job_content_types[job_id] = content
            return post(client, encoded)

        return await self._call(work)

    async def _call(self, work: Callable[[Any], _T]) -> _T:
        """Run one call of the package with the current session, again with a new one where that has ended."""
        session = await self._login.session()
        try:
            return await self._one(session, work)
        except _SessionEnded:
            session = await self._login.renew(session, _DOOR)
        try:
            return await self._one(session, work)
        except _SessionEnded as error:
            raise self._login.rejected(_DOOR, str(error)) from None

    async def _one(self, session: Session, work: Callable[[Any], _T]) -> _T:
        try:
            proxy = self._ways.to(urlsplit(session.instance_url).hostname or "")
        except NoWay as error:
            raise Unreachable(str(error), where=self._name, remedy=error.remedy) from error
        self._governor.admit(Priority.SNAPSHOT)
        failpoints.hit("salesforce.before_request")
        try:
            done = await self._run(lambda: work(self._with(session, proxy)))
        except _Limited as error:
            wait = self._governor.refused(str(error), self._usage())
            raise Unreachable(str(error), where=self._name, retry_after=wait) from error
        except _Broken as error:
            raise self._unreachable(str(error), proxy) from error
        failpoints.hit("salesforce.after_request")
        if proxy is not None:
            self._ways.passed()
        self._login.accepted(_DOOR)
        self._governor.heard(self._usage())
        return done

    def _unreachable(self, text: str, proxy: Proxy | None) -> Unreachable:
        """What a broken connection means: the proxy said no, the certificate, or nobody is there."""
        status = _TUNNEL.search(text)
        told = untrusted(text)
        remedy = told.remedy if told is not None else ""
        if proxy is not None and status is not None:
            if status.group(1) == "407":
                refused = self._ways.refused(proxy)
                text, remedy = str(refused), refused.remedy
            else:
                text, remedy = proxy_refusal(proxy, status.group(1))
        elif proxy is not None:
            text += f" (by the proxy {proxy})"
        return Unreachable(f"bulk: {text}", where=self._name, remedy=remedy)

    def _usage(self) -> str:
        return self._link.usage if self._link is not None else ""

    def _with(self, session: Session, proxy: Proxy | None) -> Any:
        """The package's client with this session; only on the thread."""
        if self._client is None:
            # Here, so that whoever reads nothing by bulk does not load it.
            from adapters.salesforce.jobs.bulk_link import Link

            self._link = Link(self._settings)
            self._client = _client(self._link, session, self._settings)
        assert self._link is not None
        self._link.through(proxy)
        # The whole address: with the host alone the package drops port and scheme.
        self._client.endpoint = f"{session.instance_url}/services/async/{self._settings.api_version}"
        self._client.sessionId = session.token
        return self._client

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await self._thread.run(lambda: self._guarded(work))

    def _guarded(self, work: Callable[[], _T]) -> _T:
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        try:
            return work()
        except (RequestException, HTTPError) as error:
            raise _Broken(describe(error)) from error
        except (ElementTree.ParseError, ValueError, KeyError, TypeError, AttributeError) as error:
            text = f"bulk: an answer that cannot be read ({type(error).__name__})"
            raise Unreachable(text, where=self._name) from error
        except Exception as error:
            if getattr(error, "status_code", None) is not None:
                raise _denied(self._name, error) from error
            if hasattr(error, "state_message"):
                raise Unreachable(f"bulk: {error}", where=self._name) from error
            raise


class _SessionEnded(Exception):
    """The call was refused for its session."""


class _Limited(Exception):
    """The call was refused because too many were made."""


class _Broken(Exception):
    """No connection, or none that lasted."""


def _client(link: Link, session: Session, settings: Settings) -> Any:
    """The package's client over a link, with the headers and the results that it lacks."""
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.requests = link

    class Client(module.SalesforceBulk):  # type: ignore[misc]  # the package has no types
        """The package's client."""

        def headers(self, values: Mapping[str, str] | None = None, **named: Any) -> Any:
            """Those of the package, and by whom the changes are."""
            ours = {"Sforce-Call-Options": f"client={settings.client}"}
            return super().headers({**ours, **(values or {})}, **named)

        def written(self, job_id: str, batch_id: str, content: str) -> list[Written]:
            """In place of ``get_batch_results``."""
            url = f"{self.endpoint}/job/{job_id}/batch/{batch_id}/result"
            answer = link.get(url, headers=self.headers())
            self.check_status(answer)
            return READERS[content](answer.content)

    return Client(sessionId=session.token, host=session.instance_url, API_version=settings.api_version)


def _denied(name: str, error: Any) -> Exception:
    """What a refusal of Bulk API 1.0 means; its body is XML with a code and a text."""
    body, status = str(error), int(error.status_code)
    found, told = _CODE.search(body), _TEXT.search(body)
    code = found.group(1) if found else f"HTTP_{status}"
    text = f"bulk: {code}: {told.group(1) if told else f'HTTP {status} without an error code'}"
    if code == _SESSION or status == 401:
        return _SessionEnded(text)
    if code == "ExceededQuota" or status == 429:
        return _Limited(text)
    if code in _BUSY or status >= 500:
        return Unreachable(text, where=name)
    if code in _GONE:
        return Forgotten(text)
    return Refused(text, where=name)


def _job(info: Mapping[str, str]) -> JobInfo:
    return JobInfo(info["id"], info["state"], parse_moment(info["createdDate"]))


def _batch(info: Mapping[str, str | None]) -> BatchInfo:
    return BatchInfo(
        id=str(info["id"]),
        state=str(info["state"]).replace(" ", ""),
        message=info.get("stateMessage") or "",
        records=int(info.get("numberRecordsProcessed") or 0),
        changed=parse_moment(str(info["systemModstamp"])),
    )
