"""``python -m tests.benchmarks.capture [--json FILE] [--records N] [--large] [--seconds S] [--poll-s P]``.

From an ERP's COMMIT to the store's at 10 and 200 changes a second, and a backlog of changes, for each way to
capture on each server. ``--large`` takes a backlog of 100,000. A table on stderr while it measures, one line
last on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent import garbage, log
from tests.benchmarks.capture.figures import WAYS, Size, capturing, servers
from tests.benchmarks.running import DISK
from tests.benchmarks.streaming.figure import Figure
from tests.benchmarks.telling import keep_under_load, told_later

#: Rows of the backlog where nobody asks for more, and of a large one.
MOST, LARGE = 4_000, 100_000


def _progress(done: int, wanted: int, seconds: float) -> None:
    rate = done / seconds
    left = (wanted - done) / rate
    sys.stderr.write(f"  backlog: {done:,} of {wanted:,}, {rate:,.0f}/s, {left:.0f} s left\n")
    sys.stderr.flush()


async def _told(size: Size, kinds: Sequence[str], ways: Sequence[str]) -> list[Figure]:
    """Each as soon as it is known."""
    DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="capture-", dir=DISK) as folder:
        return await told_later(capturing(size, Path(folder), kinds, ways, _progress))


def main(arguments: Sequence[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.capture", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=MOST, help=f"rows of the backlog, at most {MOST}")
    parser.add_argument("--large", action="store_true", help=f"a backlog of {LARGE} rows")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each rate (2)")
    parser.add_argument("--poll-s", type=float, help="seconds between two looks (as by default)")
    parser.add_argument(
        "--only", nargs="+", choices=servers(), default=list(servers()), help="of the servers"
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="all by default")
    chosen = parser.parse_args(list(arguments))
    log.configure(level="ERROR")
    garbage.settle()
    backlog = LARGE if chosen.large else min(chosen.records, MOST)
    found = asyncio.run(_told(Size(backlog, chosen.seconds, chosen.poll_s), chosen.only, chosen.ways))
    keep_under_load(chosen.json, "capture", found)
    print(f"capture: {len(found)} figures, load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
