"""Hunts: random stories for long, and the short script of what was found.

``python -m tests.flow.hunt --seconds 60 --steps 40 --seed 7 [--mutant NAME]``
"""

from __future__ import annotations

import argparse
import contextlib
import pprint
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.flow.machine import play
from tests.flow.mutants import MUTANTS
from tests.flow.stories import KINDS, ROLLBACKS, Draw, Operation, shrink, story
from tests.flow.world import World


@dataclass(frozen=True)
class Found:
    """A script that breaks a promise, and what the judge said."""

    script: list[Operation]
    said: str

    @property
    def promise(self) -> str:
        """The number of the promise (``I10``), or the kind of the error."""
        return self.said.partition(":")[0]


@dataclass(frozen=True)
class Hunt:
    """What came of a hunt: how many stories and operations were played in how many seconds."""

    found: Found | None
    stories: int
    steps: int
    seconds: float


def verdict(script: list[Operation]) -> str | None:
    """Play a script in a world of its own; what the judge said of it, None when every promise held."""
    world = World()
    try:
        play(world, script)
    except AssertionError as failed:
        return str(failed)
    except Exception as error:  # an error that nobody foresaw breaks every promise
        return f"{type(error).__name__}: {error}"
    finally:
        world.close()
    return None


def hunt(
    seed: int,
    seconds: float,
    *,
    steps: int = 40,
    stories: int = 1_000_000,
    short: bool = True,
    kinds: Sequence[tuple[Draw, int]] = tuple(KINDS),
    tell: Callable[[int, int], None] = lambda stories, steps: None,
) -> Hunt:
    """Play stories until one breaks a promise, the time is over or all were played; shrink what was found
    if ``short``."""
    chance, started, played, done = random.Random(seed), time.monotonic(), 0, 0
    while played < stories and time.monotonic() - started < seconds:
        script = story(chance, steps, kinds)
        said = verdict(script)
        played, done = played + 1, done + len(script)
        tell(played, done)
        if said is not None:
            found = _short(script, said) if short else Found(script, said)
            return Hunt(found, played, done, time.monotonic() - started)
    return Hunt(None, played, done, time.monotonic() - started)


def _short(script: list[Operation], said: str) -> Found:
    promise = said.partition(":")[0]
    short = shrink(script, lambda s: (verdict(s) or "").partition(":")[0] == promise)
    return Found(short, verdict(short) or said)


def main() -> int:
    """Hunt once; exit 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutant", default="", choices=["", *MUTANTS])
    parser.add_argument("--rollbacks", action="store_true", help="put copies of the state back, too")
    chosen = parser.parse_args()
    kinds = ROLLBACKS if chosen.rollbacks else KINDS
    with MUTANTS[chosen.mutant]() if chosen.mutant else contextlib.nullcontext():
        came = hunt(chosen.seed, chosen.seconds, steps=chosen.steps, kinds=kinds)
    rate = f"{came.stories} stories, {came.steps} steps, {came.seconds:.1f} s"
    print(f"{chosen.mutant or 'the product'}, seed {chosen.seed}: {rate}", file=sys.stderr)
    if came.found is None:
        print("nothing found")
        return 0
    pprint.pprint(came.found.script)
    print(came.found.said)
    return 1


if __name__ == "__main__":
    sys.exit(main())
