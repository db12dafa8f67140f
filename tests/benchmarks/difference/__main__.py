"""``python -m tests.benchmarks.difference [--json FILE] [--records N] [--large] [--only SERVER …]``.

Comparisons of a whole table by hashes: the first, one that finds nothing, one that finds some rows anywhere.
``--large`` takes a table of a million rows, of which 1,000 change. A table on stderr while it measures, one
line last on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent import log
from tests.benchmarks.capture.figures import servers
from tests.benchmarks.difference.figures import Size, comparing
from tests.benchmarks.running import DISK
from tests.benchmarks.streaming.figure import Figure
from tests.benchmarks.telling import keep_under_load, told_later

#: Rows of the table where nobody asks for more, and of a large one; one in so many changes.
MOST, LARGE, CHANGED = 30_000, 1_000_000, 1_000


def _progress(what: str, done: int, wanted: int, seconds: float) -> None:
    rate = done / seconds
    left = (wanted - done) / rate
    sys.stderr.write(f"  {what}: {done:,} of {wanted:,} rows, {rate:,.0f}/s, {left:.0f} s left\n")
    sys.stderr.flush()


async def _told(size: Size, kinds: Sequence[str]) -> list[Figure]:
    """Each as soon as it is known."""
    DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="difference-", dir=DISK) as folder:
        return await told_later(comparing(size, Path(folder), kinds, _progress))


def main(arguments: Sequence[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.difference", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=MOST, help=f"rows of the table, at most {MOST}")
    parser.add_argument("--large", action="store_true", help=f"a table of {LARGE} rows")
    parser.add_argument(
        "--only", nargs="+", choices=servers(), default=list(servers()), help="of the servers"
    )
    chosen = parser.parse_args(list(arguments))
    log.configure(level="ERROR")
    rows = LARGE if chosen.large else max(min(chosen.records, MOST), 100)
    found = asyncio.run(_told(Size(rows, min(rows // 30, CHANGED)), chosen.only))
    keep_under_load(chosen.json, "difference", found)
    print(f"difference: {len(found)} figures of {rows} rows, load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
