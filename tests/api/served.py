"""A site behind the real service, on a real Unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.api.application import build
from agent.api.client import ServiceClient
from agent.api.peer import Roles, own_user_acts
from agent.api.server import serve
from tests.operations.site import Site

#: Seconds after which a condition is given up on.
DEADLINE_S = 20.0


@asynccontextmanager
async def served(site: Site, path: Path, roles: Roles = own_user_acts) -> AsyncIterator[ServiceClient]:
    """The service, and a client for it, for as long as the block lasts."""
    running = asyncio.create_task(serve(build(site.reads, site.acts, roles), path))
    try:
        async with ServiceClient(path) as client:
            await answering(path, running)
            yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def answering(path: Path, running: asyncio.Task[None]) -> None:
    """Until the socket takes connections; what ended the service before is raised."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if running.done():
                await running
            try:
                _, writer = await asyncio.open_unix_connection(path)
            except OSError:
                await asyncio.sleep(0)
                continue
            writer.close()
            await writer.wait_closed()
            return
