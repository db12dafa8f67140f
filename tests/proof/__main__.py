"""``python -m tests.proof [--json FILE] [--minutes M] [--seed N]``: show the promises at work.

Narrates on stderr with rate and time left; the scorecard comes last on stdout. Exits 1 when anything falls
short: a promise broken in the product, a mutant not found in its budget, a crash that cost something.
Interrupt it at any time: what was done so far is reported, and counts as falling short.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.proof.card import Card, Line
from tests.proof.narration import Narration
from tests.proof.parts import crashes, mutants, stories

#: How the given time is shared: hunts of the product, mutants, crashes.
SHARES = (0.45, 0.35, 0.20)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into FILE")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it may take, about (10)")
    parser.add_argument("--seed", type=int, default=1, help="where the hunts begin (1)")
    return parser.parse_args()


def main() -> int:
    """Run the three parts within the time; print the scorecard; 0 when every line holds."""
    chosen = _arguments()
    budget = chosen.minutes * 60.0
    started = time.monotonic()
    narration = Narration(sys.stderr, budget)
    lines: list[Line] = []
    stopped = False
    try:
        for part, share in zip((mutants, crashes, stories), (SHARES[1], SHARES[2], SHARES[0]), strict=True):
            left = budget - (time.monotonic() - started)
            limit = left if part is stories else min(left, budget * share)
            for line in part(chosen.seed, max(limit, 1.0), narration):
                lines.append(line)
    except KeyboardInterrupt:
        stopped = True
    card = Card(tuple(lines), time.monotonic() - started, chosen.seed, stopped)
    print(card.text())
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(card.figures(), indent=2) + "\n")
    return 0 if card.holds else 1


if __name__ == "__main__":
    sys.exit(main())
