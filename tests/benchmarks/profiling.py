"""Where the time goes: the functions that take most of it themselves, as text."""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.benchmarks.site import Site, opened

TOP = 15


def profiled(title: str, directory: Path, work: Callable[[Site], Coroutine[Any, Any, Any]]) -> str:
    """The profile of a piece of work, its writes made on the thread that is watched."""
    watch = cProfile.Profile()
    with opened(directory, threaded=False) as site:
        watch.enable()
        asyncio.run(work(site))
        watch.disable()
    text = io.StringIO()
    pstats.Stats(watch, stream=text).strip_dirs().sort_stats("tottime").print_stats(TOP)
    return f"{title}\n{text.getvalue().strip()}\n"
