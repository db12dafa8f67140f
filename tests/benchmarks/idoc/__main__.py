"""``python -m tests.benchmarks.idoc [--json FILE] [--records N] [--rounds R] [--large MB]``.

Segments a second of the IDoc format beside a bare slicing loop and lxml, in the same run. ``--large 1024``
reads, checks and converts files of 1 GB, flat and XML, and tells the peak memory. A table on stderr while it
measures, one line last on stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.idoc.holding import holding
from tests.benchmarks.idoc.rates import rates
from tests.benchmarks.running import DISK

#: Segments of a round: more would measure the memory of the machine.
MOST = 50_000


def main(arguments: Sequence[str]) -> int:
    """Measures and tells."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.idoc", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=MOST, help=f"segments of a round, at most {MOST}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every way (3)")
    parser.add_argument("--large", type=int, default=0, metavar="MB", help="files of this size, too")
    chosen = parser.parse_args(list(arguments))
    figures = []
    for figure in rates(max(min(chosen.records, MOST), 100), chosen.rounds):
        sys.stderr.write(figure.line() + "\n")
        figures.append(figure)
    if chosen.large:
        DISK.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="idoc-", dir=DISK) as folder:
            for figure in holding(chosen.large, Path(folder)):
                sys.stderr.write(figure.line() + "\n")
                figures.append(figure)
    if chosen.json is not None:
        chosen.json.write_text(
            json.dumps({"figures": [figure.plain() for figure in figures]}, indent=2) + "\n"
        )
    sys.stdout.write(f"{len(figures)} figures\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
