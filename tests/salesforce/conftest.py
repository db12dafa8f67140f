"""Systems against peers on loopback."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.salesforce.settings import Settings
from adapters.salesforce.system import connect
from agent.core.change import Batch
from agent.core.objects import ObjectSpec
from agent.ports import System
from tests.salesforce.fresh import FreshOrg, fresh_org
from tests.salesforce.peers import HttpPeer, PubSubPeer
from tests.salesforce.samples import ACCOUNT

#: Seconds after which a test that waits for something waits no longer.
DEADLINE_S = 30
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every asynchronous test of this folder a deadline; a fixture cannot, it is another task."""
    for item in items:
        if isinstance(item, pytest.Function) and _HERE in item.path.parents:
            test = item.obj
            if inspect.iscoroutinefunction(test):
                item.obj = _within_deadline(test)


def _within_deadline(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def timed(*arguments: Any, **named: Any) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await test(*arguments, **named)

    return timed


def secret(reference: str) -> str:
    """Resolve a reference of these tests."""
    return {"env:SF_SECRET": "hush"}[reference]


@dataclass
class Org:
    """An org made of peers, and a way to connect to it."""

    http: HttpPeer
    bus: PubSubPeer
    systems: list[System]

    def settings(self, **changes: Any) -> Settings:
        plain: dict[str, Any] = {
            "login_url": self.http.url,
            "insecure_http": True,
            "auth": "client-credentials",
            "client_id": "app",
            "client_secret": "env:SF_SECRET",
            "pubsub_endpoint": self.bus.endpoint,
            "pubsub_plaintext": True,
            "request_timeout_s": 10,
            "bulk_rows": 0,
        }
        return Settings(**(plain | changes))

    def connect(self, *objects: ObjectSpec, **changes: Any) -> System:
        system = connect("crm", self.settings(**changes), objects or (ACCOUNT,), secret)
        self.systems.append(system)
        return system


@pytest.fixture
async def org() -> AsyncIterator[Org]:
    """Peers that answer on loopback; every system connected to them is closed."""
    org = Org(HttpPeer(), PubSubPeer(), [])
    await org.http.start()
    await org.bus.start()
    yield org
    for system in org.systems:
        await system.source.close()
        await system.target.close()
    await org.bus.stop()
    await org.http.stop()


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of keys for all stand-in orgs, so that they are made once."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
async def fresh(key_folder: Path) -> AsyncIterator[FreshOrg]:
    """A stand-in org of the test's own."""
    async with fresh_org(key_folder) as made:
        yield made


@pytest.fixture
def follow() -> Callable[[System, int], Any]:
    """Read until that many changes were seen; returns the batches."""

    async def until(system: System, changes: int) -> list[Batch]:
        batches: list[Batch] = []
        while sum(len(batch.changes) for batch in batches) < changes:
            batches.append(await system.source.read())
        return batches

    return until
