"""Bulk API 1.0: each known bug of the package, shown with the bare package, and gone behind our one file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import pytest
import requests
from salesforce_bulk import SalesforceBulk
from salesforce_bulk.salesforce_bulk import BulkApiError

from adapters.salesforce.connection.auth import Login
from adapters.salesforce.connection.governor import Governor
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.proxy import Ways
from adapters.salesforce.jobs.bulk import Bulk, Forgotten
from adapters.salesforce.settings import Settings
from agent.errors import Refused, Unreachable
from tests.salesforce.orgprocess import Org, process
from tests.salesforce.relay import relayed

# The bare package leaves its connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
_T = TypeVar("_T")
ROWS = b"Name,Site\nGood,one\n,two\n"
SPACE = "http://www.force.com/2009/06/asyncapi/dataload"


@pytest.fixture(scope="module")
def info() -> Iterator[dict[str, Any]]:
    with process("--accounts", "30") as told:
        yield told


@pytest.fixture
async def org(info: dict[str, Any]) -> AsyncIterator[Org]:
    org = Org(info)
    yield org
    await org.close()


class Ours:
    """Our file, signed in at an address by a login of its own."""

    def __init__(self, org: Org, url: str, **changes: Any) -> None:
        self.settings = _settings(org, url, **changes)
        self.link = HttpLink(self.settings, Ways(self.settings, org.secret))
        self.login = Login("crm", self.settings, self.link, lambda reference: org.info["client_secret"])
        self.bulk = Bulk("crm", self.settings, self.login, Governor("crm"), self.link.ways)

    async def __aenter__(self) -> Bulk:
        return await self.bulk.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self.bulk.__aexit__(*error)
        await self.link.release("")


def _settings(org: Org, url: str, **changes: Any) -> Settings:
    plain = {"login_url": url, "insecure_http": True, "auth": "client-credentials", "client_secret": "env:S"}
    return org.settings(**(plain | {"username": None, "key": None} | changes))


async def bare(org: Org, url: str = "") -> Any:
    """The package as it is, with a session of its own."""
    form = {"grant_type": "client_credentials", "client_id": org.info["client_id"]}
    async with httpx2.AsyncClient(trust_env=False) as client:
        address = f"{org.info['http']}/services/oauth2/token"
        answer = await client.post(address, data={**form, "client_secret": org.info["client_secret"]})
    token = answer.json()["access_token"]
    return SalesforceBulk(sessionId=token, host=url or org.info["http"], API_version="62.0")


async def aside(work: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    """A call of the package, which blocks."""
    return await asyncio.to_thread(work, *arguments, **named)


async def bare_upload(package: Any, content: str = "CSV", rows: bytes = ROWS) -> tuple[str, str]:
    """A job of inserts and its batch, done."""
    job = await aside(package.create_insert_job, "Account", contentType=content)
    batch = await aside(package.post_batch, job, rows)
    await aside(package.wait_for_batch, job, batch, timeout=20, sleep_interval=0.02)
    return job, batch


async def upload(bulk: Bulk, content: str = "CSV", rows: bytes = ROWS) -> tuple[str, str]:
    """The same through our file."""
    job = await bulk.make_upload("Account", "insert", content=content)
    batch = await bulk.upload(job, rows, content)
    assert (await bulk.wait(job, batch, 20)).state == "Completed"
    return job, batch


async def test_bug_1_a_row_that_failed_looks_written(org: Org) -> None:
    package = await bare(org)
    _, batch = await bare_upload(package)
    results = await aside(package.get_batch_results, batch)
    assert [bool(one.success) for one in results] == [True, True]
    async with Ours(org, org.info["http"]) as bulk:
        good, bad = await bulk.written(*await upload(bulk), rows=2)
    assert (good.success, good.created, good.errors) == (True, True, ())
    assert (bad.success, bad.id) == (False, None)
    assert "REQUIRED_FIELD_MISSING" in bad.errors[0]


async def test_bug_2_a_content_type_with_parameters_is_not_understood(org: Org) -> None:
    def edit(piece: bytes) -> bytes:
        return piece.replace(b"content-type: text/csv\r\n", b"content-type: text/csv; charset=UTF-8\r\n")

    async with relayed(org.info["http"], edit) as relay:
        package = await bare(org, relay.url)
        _, batch = await bare_upload(package)
        assert await aside(package.get_batch_results, batch) is None
        async with Ours(org, relay.url) as bulk:
            assert [one.success for one in await bulk.written(*await upload(bulk), rows=2)] == [True, False]


async def test_bug_3_results_in_xml_have_no_ids(org: Org) -> None:
    rows = f"<sObjects xmlns='{SPACE}'><sObject><Name>X</Name></sObject><sObject/></sObjects>".encode()
    package = await bare(org)
    _, batch = await bare_upload(package, "XML", rows)
    assert [one.id for one in await aside(package.get_batch_results, batch)] == [None, None]
    async with Ours(org, org.info["http"]) as bulk:
        good, bad = await bulk.written(*await upload(bulk, "XML", rows), rows=2, content="XML")
    assert good.id is not None
    assert good.id.startswith("001")
    assert (bad.id, bad.success) == (None, False)
    assert bad.errors[0].startswith("REQUIRED_FIELD_MISSING:")


async def test_results_in_json_are_the_same(org: Org) -> None:
    async with Ours(org, org.info["http"]) as bulk:
        done = await upload(bulk, "JSON", b'[{"Name": "J"}, {"Site": "x"}]')
        good, bad = await bulk.written(*done, rows=2, content="JSON")
    assert (good.success, good.created, bad.success) == (True, True, False)
    assert bad.errors[0].startswith("REQUIRED_FIELD_MISSING:")


async def test_bug_4_a_job_of_another_process_takes_no_batch(org: Org) -> None:
    maker, other = await bare(org), await bare(org)
    job = await aside(maker.create_insert_job, "Account", contentType="CSV")
    with pytest.raises(KeyError):
        await aside(other.post_batch, job, ROWS)
    async with Ours(org, org.info["http"]) as bulk:
        batch = await bulk.upload(job, ROWS)
        assert (await bulk.wait(job, batch, 20)).records == 2


async def test_bug_5_waiting_ends_the_same_whether_it_is_done_or_not(org: Org) -> None:
    package = await bare(org)
    await org.arm("job-late", delay=1200)
    job = await aside(package.create_query_job, "Account", contentType="CSV", pk_chunking=10)
    batch = await aside(package.query, job, "SELECT Id FROM Account")
    assert await aside(package.wait_for_batch, job, batch, timeout=0.1, sleep_interval=0.05) is None
    assert await aside(package.batch_state, batch, job, reload=True) == "Queued"
    async with Ours(org, org.info["http"]) as bulk:
        with pytest.raises(Unreachable, match="not done after"):
            await bulk.wait(job, batch, 0.1)


async def test_bug_6_results_arrive_byte_by_byte(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int | None] = []
    kept: Any = requests.Response.iter_content

    def noted(self: requests.Response, chunk_size: int | None = 1, decode_unicode: bool = False) -> Any:
        sizes.append(chunk_size)
        return kept(self, chunk_size, decode_unicode)

    monkeypatch.setattr(requests.Response, "iter_content", noted)
    package = await bare(org)
    _, batch = await bare_upload(package)
    sizes.clear()
    await aside(package.get_batch_results, batch)
    assert sizes == [1]
    async with Ours(org, org.info["http"]) as bulk:
        done = await upload(bulk)
        sizes.clear()
        await bulk.written(*done, rows=2)
        assert 1 not in sizes


async def test_bug_7_no_call_has_a_time_out(org: Org) -> None:
    package = await bare(org)
    job = await aside(package.create_query_job, "Account", contentType="CSV")
    async with Ours(org, org.info["http"], request_timeout_s=0.5) as bulk:
        await bulk.job(job)
        await org.arm("answer-late", delay=1.5, count=9)
        assert await aside(package.job_state, job) == "Open"
        with pytest.raises(Unreachable, match="Read timed out"):
            await bulk.job(job)


async def test_bug_7_a_read_is_not_repeated_when_the_server_is_busy(org: Org) -> None:
    package = await bare(org)
    job = await aside(package.create_query_job, "Account", contentType="CSV")
    await org.arm("unavailable", method="GET")
    with pytest.raises(BulkApiError):
        await aside(package.job_state, job)
    async with Ours(org, org.info["http"]) as bulk:
        await org.arm("unavailable", method="GET", count=2)
        assert (await bulk.job(job)).state == "Open"


async def test_bug_7_a_session_that_ended_is_not_renewed(org: Org) -> None:
    package = await bare(org)
    ours = Ours(org, org.info["http"])
    async with ours as bulk:
        job = await bulk.make_query("Account")
        await org.arm("revoke")
        with pytest.raises(BulkApiError, match="InvalidSessionId"):
            await aside(package.job_state, job)
        assert (await bulk.job(job)).state == "Open"
        assert (await ours.login.session()).number == 2


async def test_bug_7_every_call_makes_a_connection(org: Org) -> None:
    async with relayed(org.info["http"]) as relay:
        package = await bare(org, relay.url)
        job = await aside(package.create_query_job, "Account", contentType="CSV")
        for _ in range(4):
            await aside(package.job_state, job)
        assert len(relay.asked) == 5
    async with relayed(org.info["http"]) as relay, Ours(org, relay.url) as bulk:
        job = await bulk.make_query("Account")
        before = len(relay.asked)
        for _ in range(4):
            await bulk.job(job)
        assert len(relay.asked) == before


async def test_a_call_that_writes_is_never_repeated(org: Org) -> None:
    async with relayed(org.info["http"]) as relay, Ours(org, relay.url) as bulk:
        await bulk.make_query("Account")
        job = await bulk.make_query("Account")
        await org.arm("answer-lost", method="POST", scope="Account")
        with pytest.raises(Unreachable):
            await bulk.query(job, "SELECT Id FROM Account")
        assert relay.requests(f"POST /services/async/62.0/job/{job}/batch".encode()) == 1
        await org.arm("unavailable", method="POST", scope="Account")
        job = await bulk.make_query("Account")
        with pytest.raises(Unreachable, match="ServerBusy"):
            await bulk.query(job, "SELECT Id FROM Account")
        assert relay.requests(f"POST /services/async/62.0/job/{job}/batch".encode()) == 1


async def test_bug_8_the_host_of_the_readme_loses_port_and_scheme(org: Org) -> None:
    url = org.info["http"]
    package = SalesforceBulk(sessionId="x", host=urlsplit(url).hostname, API_version="62.0")
    assert package.endpoint == "https://127.0.0.1/services/async/62.0"
    async with relayed(url) as relay, Ours(org, relay.url) as bulk:
        await bulk.make_query("Account")
        assert relay.requests(b"POST /services/async/62.0/job HTTP/1.1") == 1


async def test_bug_9_results_name_no_row_so_their_number_must_fit(org: Org) -> None:
    package = await bare(org)
    _, batch = await bare_upload(package)
    assert len(await aside(package.get_batch_results, batch)) == 2
    async with Ours(org, org.info["http"]) as bulk:
        done = await upload(bulk, rows=b"Name\n" + b"".join(b"R%d\n" % number for number in range(5)))
        assert len(await bulk.written(*done, rows=5)) == 5
        with pytest.raises(Unreachable, match="5 results for the 6 rows"):
            await bulk.written(*done, rows=6)


async def test_bug_10_writes_do_not_say_by_whom_they_are(org: Org) -> None:
    await bare_upload(await bare(org), rows=b"Name\nby the bare package\n")
    async with Ours(org, org.info["http"], client="isthmus-7") as bulk:
        await upload(bulk, rows=b"Name\nby our file\n")
    writes = (await org.control("GET", "log"))["writes"][-2:]
    assert [one["client"] for one in writes] == ["", "isthmus-7"]
    assert writes[1]["origin"].startswith("com/salesforce/api/bulkapi/")


async def test_bug_11_text_beyond_latin_1_is_sent_as_utf_8(org: Org) -> None:
    async with Ours(org, org.info["http"]) as bulk:
        job = await bulk.make_upload("Account", "insert")
        batch = await bulk.upload(job, "Name\n漢字 Łódź 🙂\n")
        await bulk.wait(job, batch, 20)
    assert (await org.control("GET", "log"))["writes"][-1]["fields"]["Name"] == "漢字 Łódź 🙂"


async def test_our_copy_leaves_the_package_of_others_as_it_is(org: Org) -> None:
    import salesforce_bulk.salesforce_bulk as shared

    async with Ours(org, org.info["http"]) as bulk:
        await bulk.make_query("Account")
        assert shared.requests is requests


async def test_the_package_runs_on_a_thread_of_its_own_which_ends_with_it(org: Org) -> None:
    def threads() -> list[str]:
        return [one.name for one in threading.enumerate() if one.name.startswith("salesforce-bulk-crm")]

    async with Ours(org, org.info["http"]) as bulk:
        await bulk.make_query("Account")
        assert len(threads()) == 1
    async with asyncio.timeout(20):
        while threads():  # noqa: ASYNC110 - nobody tells when a thread has ended
            await asyncio.sleep(0.01)


async def test_a_call_that_hangs_keeps_neither_the_next_reading_nor_the_process(org: Org) -> None:
    async with relayed(org.info["http"]) as relay:
        ours = Ours(org, relay.url)
        async with ours as bulk:
            job = await bulk.make_query("Account")
            await org.arm("answer-late", delay=600)
            hanging = asyncio.ensure_future(bulk.job(job))
            before = relay.requests(b"GET /services/async")
            async with asyncio.timeout(20):
                while relay.requests(b"GET /services/async") == before:  # noqa: ASYNC110 - it only counts
                    await asyncio.sleep(0.01)
            hanging.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hanging
        async with Ours(org, org.info["http"]) as other:
            assert (await other.job(job)).state == "Open"
        left = [one for one in threading.enumerate() if one.name == "salesforce-bulk-crm"]
        assert left
        assert all(one.daemon for one in left)


async def test_tls_trusts_the_file_of_roots_alone_whatever_the_environment_says(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    async with Ours(org, org.info["https"]) as bulk:
        assert await bulk.make_query("Account")
    secret = org.info["client_secret"]
    settings = _settings(org, org.info["https"])
    login = Login("crm", settings, (link := HttpLink(settings, Ways(settings, org.secret))), lambda _: secret)
    await login.session()
    stranger = settings.model_copy(update={"ca_file": None})
    async with Bulk("crm", stranger, login, Governor("crm"), link.ways) as bulk:
        with pytest.raises(Unreachable, match="certificate"):
            await bulk.make_query("Account")
    await link.release("")


async def test_refusals_are_told_apart(org: Org) -> None:
    async with Ours(org, org.info["http"]) as bulk:
        with pytest.raises(Refused, match="InvalidJob"):
            await bulk.make_query("Nothing__c")
        with pytest.raises(Forgotten):
            await bulk.job("750000000000000AAA")
        job = await bulk.make_query("Account")
        with pytest.raises(Forgotten):
            await bulk.results(job, "751000000000000AAA")
        await bulk.abort_job(job)
        with pytest.raises(Refused, match="InvalidJobState"):
            await bulk.query(job, "SELECT Id FROM Account")


async def test_a_budget_that_is_used_up_holds_the_calls_back(org: Org) -> None:
    ours = Ours(org, org.info["http"])
    async with ours as bulk:
        job = await bulk.make_query("Account")
        await org.arm("limit", scope="Account")
        with pytest.raises(Unreachable, match="ExceededQuota") as refused:
            await bulk.job(job)
        assert refused.value.retry_after is not None
        with pytest.raises(Unreachable, match="used up"):
            await bulk.job(job)
