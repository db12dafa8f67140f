"""``python -m tests.benchmarks.sandbox [--json FILE] [--records N] [--events N] [--seconds S]``.

A table on stderr while it measures, one line last on stdout. Nothing falls short here: the figures are to
look at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from tests.benchmarks.sandbox.figures import Figure, memory, traffic
from tests.benchmarks.telling import keep, told


def _line(figure: Figure) -> str:
    return f"{figure.name:<20}{figure.ours:>12,.0f} {figure.unit:<16}{figure.ratio:>8.2f} of {figure.what}"


def main(arguments: Sequence[str]) -> int:
    """Measures and tells."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sandbox", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=100_000, help="the most records to hold (100000)")
    parser.add_argument("--events", type=int, default=20_000, help="events to send (20000)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each kind of request (3)")
    chosen = parser.parse_args(list(arguments))
    figures = told(chain(traffic(chosen.events, chosen.seconds), memory(chosen.records)), _line)
    keep(chosen.json, {"command": "sandbox", "figures": figures})
    print(f"sandbox: {len(figures)} figures")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
