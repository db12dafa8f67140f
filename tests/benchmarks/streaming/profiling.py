"""Where the time of the intake goes: the functions that take most of it, as text."""

from __future__ import annotations

import cProfile
import io
import pstats
from pathlib import Path

from tests.benchmarks.streaming.following import following
from tests.benchmarks.streaming.org import BusyOrg

TOP = 45


async def profiled(org: BusyOrg, directory: Path, events: int) -> str:
    """The profile of so many updates, made durable on the thread that is watched."""
    watch = cProfile.Profile()
    async with following(org.told, directory, threaded=False) as site:
        await site.agree(org.newest)
        org.update(events)
        last = org.newest()
        await site.open()
        watch.enable()
        await site.until(last)
        watch.disable()
    text = io.StringIO()
    stats = pstats.Stats(watch, stream=text).strip_dirs()
    stats.sort_stats("tottime").print_stats(TOP)
    stats.sort_stats("cumtime").print_stats(TOP)
    return f"Taking {events} events:\n{text.getvalue().strip()}\n"
