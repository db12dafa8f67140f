"""``python -m tests.proof [--json FILE] [--minutes M] [--seed N] [--only PART]``: the promises at work.

Narrates on stderr with rate and time left; the scorecard comes last on stdout. Exits 1 when anything falls
short: a promise broken in the product, a mutant or seeded bug not found, a crash that cost something.
Interrupt it at any time: what was done so far is reported, and counts as falling short.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.proof.card import Card, Line
from tests.proof.crashing import crashes
from tests.proof.disk import disk
from tests.proof.killing import kills
from tests.proof.narration import Narration
from tests.proof.parts import mutants, stories
from tests.proof.seeded import seeded

#: Where the scorecard is kept when nobody says otherwise.
CARD = Path(".cache/proof.json")
#: Gives its lines for a seed, within about so many seconds.
Part = Callable[[int, float, Narration], Iterator[Line]]
#: The parts in their order, each with its share of the time; the last gets what the others leave over.
PARTS: dict[str, tuple[Part, float]] = {
    "mutants": (mutants, 0.03),
    "seeded": (seeded, 0.13),
    "crashes": (crashes, 0.26),
    "kills": (kills, 0.14),
    "disk": (disk, 0.34),
    "stories": (stories, 0.10),
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", default=CARD, help=f"write the figures into FILE ({CARD})"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it may take, about (10)")
    parser.add_argument("--seed", type=int, default=1, help="where the hunts begin (1)")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    return parser.parse_args()


def _shares(names: list[str]) -> Iterator[tuple[Part, float]]:
    """The chosen parts in order, each with its share of the time that is left when it begins."""
    rest = sum(PARTS[name][1] for name in PARTS if name in names)
    for name in (name for name in PARTS if name in names):
        part, share = PARTS[name]
        yield part, share / rest
        rest -= share


def main() -> int:
    """Run the parts within the time; print the scorecard; 0 when every line holds."""
    chosen = _arguments()
    budget = chosen.minutes * 60.0
    started = time.monotonic()
    narration = Narration(sys.stderr, budget)
    lines: list[Line] = []
    stopped = False
    try:
        for part, share in _shares(chosen.only or list(PARTS)):
            left = budget - (time.monotonic() - started)
            for line in part(chosen.seed, max(left * share, 1.0), narration):
                lines.append(line)
    except KeyboardInterrupt:
        stopped = True
    card = Card(tuple(lines), time.monotonic() - started, chosen.seed, stopped)
    print(card.text())
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(card.figures(), indent=2) + "\n")
    print(f"the scorecard is kept in {chosen.json}", file=sys.stderr)
    return 0 if card.holds else 1


if __name__ == "__main__":
    sys.exit(main())
