"""A sandbox org per test, and a client that talks to it only over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.sandbox.salesforce.options import Options
from adapters.sandbox.salesforce.pubsub.delivery import Timings
from adapters.sandbox.salesforce.server import running
from tests.sandbox.salesforce.client import Client

QUICK = Timings(keepalive=0.2, credit_timeout=0.2, latest_settle=0.0)


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of keys for all tests, so that they are made once."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
async def client(key_folder: Path) -> AsyncIterator[Client]:
    """A signed-in client of a fresh org with three customers."""
    options = Options(accounts=3, state_dir=key_folder, timings=QUICK)
    async with running(options) as details, Client(details) as signed_in:
        yield signed_in


@pytest.fixture
async def empty(key_folder: Path) -> AsyncIterator[Client]:
    """A signed-in client of a fresh org without customers."""
    async with running(Options(state_dir=key_folder, timings=QUICK)) as details, Client(details) as signed_in:
        yield signed_in
