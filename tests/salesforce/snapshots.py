"""What the tests of snapshots share: orgs with accounts, and pages of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from adapters.salesforce.connection.auth import Login
from adapters.salesforce.connection.governor import Governor
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.proxy import Ways
from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.jobs.bulk import Bulk
from agent.core.change import ReadResult
from tests.salesforce.orgprocess import Org, keys_of, process, taken

MANY = 4_000
CHUNK = 2_100
WAYS = ("rest", "bulk", "bulk2")
JOBS = ("bulk", "bulk2")


@pytest.fixture(scope="module")
def info() -> Iterator[dict[str, Any]]:
    with process("--accounts", str(MANY)) as told:
        yield told


@pytest.fixture
async def org(info: dict[str, Any]) -> AsyncIterator[Org]:
    org = Org(info)
    yield org
    await org.close()


@pytest.fixture
async def small() -> AsyncIterator[Org]:
    """An org of the test's own, so that its clock can be moved."""
    with process("--accounts", "30") as told:
        org = Org(told)
        yield org
        await org.close()


def pages(org: Org, way: str, resume: str = "", **changes: Any) -> AsyncIterator[ReadResult]:
    """Pages of the accounts, with a system of their own."""
    settings = {"snapshot": way, "snapshot_chunk": CHUNK} | changes
    return org.reader(**settings).page("Account", resume)


async def first(all_pages: AsyncIterator[ReadResult], number: int = 1) -> list[ReadResult]:
    """The first pages; then whoever reads is gone, as by a kill."""
    found = []
    async for page in all_pages:
        found.append(page)
        if len(found) == number:
            break
    assert hasattr(all_pages, "aclose")
    await all_pages.aclose()
    return found


async def keep(all_pages: AsyncIterator[ReadResult], found: list[ReadResult]) -> None:
    """Keep what comes until it breaks."""
    async for page in all_pages:
        found.append(page)


async def live(org: Org) -> set[str]:
    """The keys of all accounts, by pages of REST."""
    return set(keys_of(await taken(pages(org, "rest"))))


@contextlib.asynccontextmanager
async def rest_of(org: Org) -> AsyncIterator[tuple[Rest, Bulk]]:
    """The clients below the reader."""
    settings = org.settings()
    link = HttpLink(settings, Ways(settings, org.secret))
    login, governor = Login("crm", settings, link, org.secret), Governor("crm")
    async with Bulk("crm", settings, login, governor, link.ways) as bulk:
        yield Rest("crm", settings, link, login, governor), bulk
    await link.release("")


def job_of(page: ReadResult) -> str:
    return str(json.loads(page.resume)["job"])
