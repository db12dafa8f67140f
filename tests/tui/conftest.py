"""A site behind the real service, and the real dashboard in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.api.client import ServiceClient
from tests.api.served import DEADLINE_S, served
from tests.operations.site import Site
from tests.operations.site import site as open_site
from tui.app import IsthmusApp
from tui.screens.watched import Watched


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
async def client(site: Site, tmp_path: Path) -> AsyncIterator[ServiceClient]:
    async with served(site, tmp_path / "control.sock") as asked:
        yield asked


Until = Callable[[Pilot[int], Callable[[], bool]], Awaitable[None]]


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Let the dashboard work until a condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await pilot.pause()


def shown(pilot: Pilot[int]) -> str:
    """Everything on the uppermost screen of the service, as plain text."""
    app = pilot.app
    assert isinstance(app, IsthmusApp)
    screen = next(s for s in reversed(app.screen_stack) if isinstance(s, Watched))
    return "\n".join((screen.head.text(), screen.page.text(), screen.foot.text()))
