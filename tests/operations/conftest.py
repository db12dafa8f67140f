"""A site per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.operations.site import Site
from tests.operations.site import site as open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path / "state") as opened:
        yield opened
