"""The parts of the proof: each gives its lines of the scorecard within the seconds it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.flow.hunt import Hunt, hunt
from tests.flow.mutants import MUTANTS
from tests.proof.card import Line
from tests.proof.narration import Narration

#: Seconds that every mutant is hunted for at first, and at least in the second round.
FIRST_ROUND_S = 3.0
LEAST_S = 10.0
#: Seeds that a hunt of the product goes through, each for an equal share of the time.
SEEDS = 4


def mutants(seed: int, seconds: float, narration: Narration) -> Iterator[Line]:
    """Hunt every mutant live: each must break a promise, and the judge must name it.

    A first round finds the easy ones; what time is left goes to the others, in equal shares.
    """
    ends = time.monotonic() + seconds
    hard = []
    for name in MUTANTS:
        came = _hunted(name, seed, FIRST_ROUND_S, narration)
        if came.found is None:
            hard.append((name, came.stories))
        else:
            yield _caught(name, came, 0)
    for number, (name, before) in enumerate(hard):
        share = (ends - time.monotonic()) / (len(hard) - number)
        yield _caught(name, _hunted(name, seed + 1, max(share, LEAST_S), narration), before)


def _hunted(name: str, seed: int, seconds: float, narration: Narration) -> Hunt:
    narration.begin(f"mutant {name}")
    with MUTANTS[name]():
        return hunt(seed, seconds, short=False, tell=_teller(narration, name))


def _caught(name: str, came: Hunt, before: int) -> Line:
    said = came.found.said if came.found else "not found"
    holds = came.found is not None and came.found.promise.startswith("I")
    return Line("mutant", name, holds, before + came.stories, "stories", said)


def stories(seed: int, seconds: float, narration: Narration) -> Iterator[Line]:
    """Hunt the product itself with several seeds: nothing may be found."""
    for chosen in range(seed, seed + SEEDS):
        narration.begin(f"the product, seed {chosen}")
        came = hunt(chosen, seconds / SEEDS, steps=50, tell=_teller(narration, f"seed {chosen}"))
        said = came.found.said if came.found else f"nothing found in {came.stories} stories"
        script = tuple(came.found.script) if came.found else ()
        yield Line("product", f"seed {chosen}", came.found is None, came.steps, "steps", said, script)


def _teller(narration: Narration, what: str) -> Callable[[int, int], None]:
    started = time.monotonic()

    def tell(played: int, steps: int) -> None:
        narration.progress(what, played, "stories", time.monotonic() - started)

    return tell
