"""``python -m tests.benchmarks.applying [--json FILE] [--records N] [--rounds R]``.

A table on stderr while it measures, one line last on stdout. Nothing falls short here: the figures are to
look at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.applying.figures import Figure, applying
from tests.benchmarks.telling import keep, told

#: Records of one round: a few dozen transactions.
MOST = 10_000


def _line(figure: Figure) -> str:
    return f"{figure.name:<26}{figure.ours:>12,.0f} {figure.unit:<12}{figure.ratio:>8.2f} of {figure.what}"


def main(arguments: Sequence[str]) -> int:
    """Measures and tells."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.applying", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=MOST, help=f"records of a round, at most {MOST}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every way (3)")
    chosen = parser.parse_args(list(arguments))
    figures = told(applying(max(min(chosen.records, MOST), 400), chosen.rounds), _line)
    keep(chosen.json, {"figures": figures})
    sys.stdout.write(f"{len(figures)} figures\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
