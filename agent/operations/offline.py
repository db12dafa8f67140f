"""Looking with the service down: read-only, while its lock is held, and saying so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from agent.clock import Clock
from agent.core.rulebook import Rulebook
from agent.operations.figures import Life
from agent.operations.reads import StoreReads
from agent.store.reads import open_quiet, quiet


@asynccontextmanager
async def offline(
    directory: Path, book: Rulebook, clock: Clock, kinds: Mapping[str, str] | None = None
) -> AsyncIterator[StoreReads]:
    """Reads of the store of an agent that does not run; ``status`` says that the service is down.

    Raises StoreError where there is no store, where this user may not read it, and where the agent runs after
    all: it holds the lock, and it is to be asked on its socket.
    """
    life = Life(kinds=kinds or {}, service="down", note="the agent does not run; this is what its store says")
    with quiet(directory):
        reader = await open_quiet(directory)
        try:
            yield StoreReads(reader, book, clock, life)
        finally:
            await reader.close()
