"""Bulk API 1.0 through the package ``salesforce-bulk`` 2.2, and the one place that makes up for its faults.

The package is synchronous, so it runs on a thread of its own. It calls ``requests`` by module, so it gets a
copy of its module in which that name is a session of ours: kept connections, time-outs, repeats of calls that
only read, our trust and proxy, and content types without the parameters that it cannot read. What it does
wrong by itself is done here: results of uploads (truth as text, no ids, byte by byte), endless waiting.
"""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import io
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from adapters.salesforce.auth import Login, Session
from adapters.salesforce.bulk2 import waits
from adapters.salesforce.governor import Governor, Priority
from adapters.salesforce.http import describe
from adapters.salesforce.proxy import NoWay, Proxy, Ways
from adapters.salesforce.settings import Settings
from adapters.salesforce.tls import http_trust
from adapters.salesforce.values import parse_moment
from agent import failpoints
from agent.errors import Refused, Unreachable

_T = TypeVar("_T")
_PACKAGE = "salesforce_bulk.salesforce_bulk"
_SPACE = "{http://www.force.com/2009/06/asyncapi/dataload}"
_CONNECT_S = 10.0
#: How much of a result is fetched at a time.
_PIECE = 1 << 18
_CODE = re.compile(r"<exceptionCode>\s*([^<]*?)\s*</exceptionCode>")
_TEXT = re.compile(r"<exceptionMessage>\s*([^<]*?)\s*</exceptionMessage>")
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


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one row of an upload."""

    id: str | None
    success: bool
    created: bool
    errors: tuple[str, ...]


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
        self._thread = ThreadPoolExecutor(1, f"salesforce-bulk-{name}")
        self._client: Any = None
        self._link: _Link | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Behind a call that still runs on the thread, not beside it: a session belongs to one thread.
        if self._link is not None:
            self._thread.submit(self._link.close)
        self._thread.shutdown(wait=False)

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
        finally:
            self._thread.submit(raw.close)

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
            batch = next((one for one in await self.batches(job_id) if one.id[:15] == batch_id[:15]), None)
            if batch is None:
                raise Forgotten(f"job {job_id} has no batch {batch_id}")
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
        except _ProxyRefused as error:
            refused = self._ways.refused(proxy) if proxy is not None else error
            raise Unreachable(str(refused), where=self._name) from error
        failpoints.hit("salesforce.after_request")
        self._login.accepted(_DOOR)
        self._governor.heard(self._usage())
        return done

    def _usage(self) -> str:
        return self._link.usage if self._link is not None else ""

    def _with(self, session: Session, proxy: Proxy | None) -> Any:
        """The package's client with this session; only on the thread."""
        if self._client is None:
            self._link = _Link(self._settings)
            self._client = _client(self._link, session, self._settings)
        assert self._link is not None
        self._link.through(proxy)
        # The whole address: with the host alone the package drops port and scheme.
        self._client.endpoint = f"{session.instance_url}/services/async/{self._settings.api_version}"
        self._client.sessionId = session.token
        return self._client

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)

    def _guarded(self, work: Callable[[], _T]) -> _T:
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        try:
            return work()
        except (RequestException, HTTPError) as error:
            if "407 " in str(error):
                raise _ProxyRefused(describe(error)) from error
            raise Unreachable(f"bulk: {describe(error)}", where=self._name) from error
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


class _ProxyRefused(Exception):
    """The proxy does not take our credentials."""


class _Link:
    """What the package calls in place of ``requests``; only on the thread."""

    def __init__(self, settings: Settings) -> None:
        import requests
        import urllib3

        self._timeout = (_CONNECT_S, settings.request_timeout_s)
        self._verify: bool | str = str(settings.ca_file) if settings.ca_file is not None else True
        self._session = requests.Session()
        # The way out is told with each call; and a .netrc would add an Authorization of its own.
        self._session.trust_env = False
        self.usage = ""
        retry = urllib3.Retry(
            total=3,
            allowed_methods={"GET"},
            status_forcelist={502, 503, 504},
            backoff_factor=0.2,
            respect_retry_after_header=False,
            raise_on_status=False,
        )
        # What the other HTTP client trusts too; requests would know its own roots only.
        trust = {"ssl_context": http_trust(settings.ca_file)}

        class Adapter(requests.adapters.HTTPAdapter):
            def build_connection_pool_key_attributes(self, *arguments: Any, **named: Any) -> Any:
                host, pool = super().build_connection_pool_key_attributes(*arguments, **named)
                return host, {**pool, **trust}

        for scheme in ("https://", "http://"):
            self._session.mount(scheme, Adapter(max_retries=retry))

    def get(self, url: str, **request: Any) -> Any:
        """As ``requests.get``."""
        return self._send("GET", url, request)

    def post(self, url: str, **request: Any) -> Any:
        """As ``requests.post``."""
        return self._send("POST", url, request)

    def through(self, proxy: Proxy | None) -> None:
        """Make the next calls this way."""
        if proxy is None:
            self._session.proxies = {}
            return
        signed = f"{quote(proxy.user, safe='')}:{quote(proxy.password, safe='')}@" if proxy.user else ""
        self._session.proxies = {"https": f"http://{signed}{proxy}"}

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, method: str, url: str, request: Mapping[str, Any]) -> Any:
        # No redirects: requests would carry the session's token to wherever they point.
        answer = self._session.request(
            method, url, timeout=self._timeout, verify=self._verify, allow_redirects=False, **request
        )
        self.usage = answer.headers.get("Sforce-Limit-Info", "")
        # The package compares the whole header with the bare type.
        answer.headers["Content-Type"] = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return answer


def _client(link: _Link, session: Session, settings: Settings) -> Any:
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
            return _READERS[content](answer.content)

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


def _csv(body: bytes) -> list[Written]:
    rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    return [
        Written(
            row["Id"] or None, row["Success"] == "true", row["Created"] == "true", _errors([row["Error"]])
        )
        for row in rows
    ]


def _json(body: bytes) -> list[Written]:
    return [
        Written(
            one.get("id") or None,
            one.get("success") is True,
            one.get("created") is True,
            _errors([f"{each.get('statusCode')}:{each.get('message')}" for each in one.get("errors") or ()]),
        )
        for one in json.loads(body)
    ]


def _xml(body: bytes) -> list[Written]:
    return [
        Written(
            one.findtext(f"{_SPACE}id") or None,
            one.findtext(f"{_SPACE}success") == "true",
            one.findtext(f"{_SPACE}created") == "true",
            _errors(
                [
                    f"{each.findtext(f'{_SPACE}statusCode')}:{each.findtext(f'{_SPACE}message')}"
                    for each in one.findall(f"{_SPACE}errors")
                ]
            ),
        )
        for one in ElementTree.fromstring(body)  # noqa: S314 - of the org we log in to, over TLS
    ]


def _errors(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


_READERS: Mapping[str, Callable[[bytes], list[Written]]] = {"CSV": _csv, "JSON": _json, "XML": _xml}
