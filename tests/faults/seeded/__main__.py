"""``python -m tests.faults.seeded [--only NAME …] [--all] [--seed N]``: bug → failing test.

Without a choice three bugs are tried, which the seed decides. Narrates on stderr; the table comes last on
stdout. Exits 1 when a bug survives, does not apply, or its tests fail without it, too.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence

from tests.faults.seeded.bug import Bug, Unfit, bugs
from tests.faults.seeded.trial import Tried, attempts, control

#: Bugs that are tried where nobody chose any.
SAMPLE = 3


def sample(seed: int, found: Sequence[Bug], count: int = SAMPLE) -> list[Bug]:
    """A few of the bugs; the same seed gives the same."""
    return random.Random(f"{seed}/seeded").sample(list(found), min(count, len(found)))


def table(tried: Sequence[Tried]) -> str:
    """One line per bug: its name, the test that failed and what it said first; or that it survived."""
    width = max((len(one.bug.name) for one in tried), default=0)
    lines = []
    for one in sorted(tried, key=lambda one: one.bug.number):
        what = one.test if one.caught else f"NOT CAUGHT: {one.bug.promise}"
        lines += [f"{one.bug.name:<{width}} → {what}", f"{'':<{width}}   {one.said}"]
    return "\n".join(lines)


def _chosen(arguments: argparse.Namespace) -> list[Bug]:
    if arguments.only or arguments.all:
        return bugs(arguments.only or ())
    print(f"seed {arguments.seed} (--seed gives another sample, --all takes all)", file=sys.stderr)
    return sample(arguments.seed, bugs())


def main() -> int:
    """Try the bugs; 1 when one is not caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.seeded", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="bugs whose names hold this")
    parser.add_argument("--all", action="store_true", help="every bug")
    parser.add_argument("--seed", type=int, default=1, help="which ones, where nobody chose any (1)")
    try:
        chosen = _chosen(parser.parse_args())
    except Unfit as error:
        print(error, file=sys.stderr)
        return 1
    before = control(chosen)
    print(
        f"without a bug: {before.passed} tests pass, {before.seconds:.0f} s {before.broken}", file=sys.stderr
    )
    for test, said in before.failed.items():
        print(f"fails without a bug, too: {test}: {said}", file=sys.stderr)
    tried, started = [], time.monotonic()
    for one in attempts(chosen, list(before.failed)):
        tried.append(one)
        left = (time.monotonic() - started) / len(tried) * (len(chosen) - len(tried))
        verdict = one.test if one.caught else one.said
        print(f"{len(tried)} of {len(chosen)}, {left:.0f} s left: {one.bug.name}: {verdict}", file=sys.stderr)
    caught = sum(one.caught for one in tried)
    print(table(tried))
    print(f"\n{caught} of {len(chosen)} bugs are caught")
    return 0 if caught == len(chosen) and not before.failed and not before.broken else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped before the end")
