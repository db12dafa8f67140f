"""``python -m tests.benchmarks.start DIRECTORY``: open a store as the agent does at its start, and recover.

In a process of its own, so that its memory is only that; prints one JSON line. With ``--bare`` a plain
connection opens the same file and counts the same things; with ``--check`` it checks the file as a start
does.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from agent.flow.recovery import recover
from agent.store.database import FILE
from tests.benchmarks.site import opened

COUNTS = (
    "SELECT count(*) FROM image WHERE fresh = 0",
    "SELECT count(*) FROM outbox WHERE state = 'sent'",
    "SELECT count(*) FROM obligation WHERE state = 'open'",
)


def memory_mb() -> float:
    """Memory that this process takes now, in MB (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say how much memory a process takes")


def engine(directory: Path) -> dict[str, float]:
    """The agent's own start: seconds of opening and of recovery, what it planned, memory after it."""
    before, began = memory_mb(), time.perf_counter()
    with opened(directory) as site:
        opening = time.perf_counter() - began
        recovered = asyncio.run(recover(site.engine))
        recovery = time.perf_counter() - began - opening
        return {
            "open_s": opening,
            "recover_s": recovery,
            "uncertain": recovered.uncertain,
            "planned": recovered.planned,
            "memory_mb": memory_mb(),
            "before_mb": before,
        }


def plain(directory: Path) -> dict[str, float]:
    """A bare start: seconds to open and to count."""
    began = time.perf_counter()
    with closing(sqlite3.connect(directory / FILE)) as connection:
        connection.execute("SELECT count(*) FROM meta").fetchone()
        opening = time.perf_counter() - began
        for count in COUNTS:
            connection.execute(count).fetchone()
        counting = time.perf_counter() - began - opening
    return {"open_s": opening, "count_s": counting, "memory_mb": memory_mb()}


def check(directory: Path) -> dict[str, float]:
    """Seconds of SQLite's own quick check."""
    with closing(sqlite3.connect(directory / FILE)) as connection:
        began = time.perf_counter()
        connection.execute("PRAGMA quick_check(1)").fetchone()
        return {"check_s": time.perf_counter() - began}


if __name__ == "__main__":
    measured = {"--bare": plain, "--check": check}.get(sys.argv[-1], engine)
    print(json.dumps(measured(Path(sys.argv[1]))))
