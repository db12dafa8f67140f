"""A start with a full mirror and many open commands, beside a bare connection that counts the same things."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure, Goal, Rounds
from tests.benchmarks.filled import Layout
from tests.benchmarks.running import Run

PART = "starting"
#: Starts, and how long each may take: of a store of gigabytes it reads all.
ROUNDS, LONGEST_S = 3, 600.0


def starting(run: Run) -> Iterator[Figure]:
    """Opening, recovery, memory."""
    store, layout = run.stores.of(run.records), Layout(run.records)
    ours, bare = [], []
    for _ in run.rounds(f"starting with {run.records:,} mirror rows", ROUNDS, least=1):
        ours.append(_child(store))
        bare.append(_child(store, "--bare"))
    check = _child(store, "--check")["check_s"] * 1e3
    opening = Rounds([one["open_s"] for one in ours], [one["open_s"] for one in bare])
    goal = Goal("11", "≤ 50 ms", median(opening.ours) <= 0.05)
    yield opening.figure(PART, "opening the store", "ms", 1e3, goal)
    yield Figure(PART, "a bare check of it", check, "ms", said="SQLite's quick_check of the file")
    recovery = Rounds([one["recover_s"] for one in ours], [one["count_s"] for one in bare])
    yield recovery.figure(PART, f"recovery, {len(layout.ready) + len(layout.sent):,} open", "ms", 1e3)
    memory = [one["memory_mb"] for one in ours]
    goal = Goal("9", "≤ 160 MB", median(memory) <= 160)
    spread = (min(memory), max(memory))
    yield Figure(
        PART,
        "memory after it",
        median(memory),
        "MB",
        median([b["memory_mb"] for b in bare]),
        None,
        spread,
        goal,
    )


def _child(store: Path, *arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.start", str(store), *arguments],
        cwd=Path(__file__).resolve().parents[2],
        check=True,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
