"""``python -m tests.benchmarks.drain [--json FILE] [--records N] [--large] [--rounds R]
[--only SERVER …] [--profile]``.

A table on stderr while it measures, one line last on stdout. Nothing falls short here: the figures are to
look at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import garbage
from tests.benchmarks.drain.figures import Figure, draining, profiled
from tests.benchmarks.telling import keep, told

#: Commands of one round where nobody asks for more, and of a large one.
MOST, LARGE = 2_000, 10_000
SERVERS = ("postgresql", "mariadb")


def _line(figure: Figure) -> str:
    least, most = figure.spread
    return (
        f"{figure.name:<26}{figure.ours:>12,.0f} {figure.unit:<12}{figure.ratio:>8.2f}"
        f" ({least:.2f}–{most:.2f}) of {figure.reference:,.0f}, {figure.what}"
    )


def main(arguments: Sequence[str]) -> int:
    """Measures and tells."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.drain", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=MOST, help=f"records of a round, at most {MOST}")
    parser.add_argument("--large", action="store_true", help=f"{LARGE} records a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=SERVERS, help="both by default")
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    chosen = parser.parse_args(list(arguments))
    garbage.settle()  # as the agent does
    records = LARGE if chosen.large else max(min(chosen.records, MOST), 100)
    if chosen.profile:
        sys.stdout.write(profiled(records))
        return 0
    figures = told(draining(records, chosen.rounds, chosen.only), _line)
    keep(chosen.json, {"figures": figures})
    sys.stdout.write(f"{len(figures)} figures\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
