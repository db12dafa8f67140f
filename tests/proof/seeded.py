"""Seeded bugs: every one, put into a copy of the product, must make a test of the suite fail."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

from tests.faults.seeded.bug import Bug, Unfit, bugs
from tests.faults.seeded.trial import Tried, attempts, control
from tests.proof.card import Line
from tests.proof.narration import Narration


def seeded(seed: int, seconds: float, narration: Narration) -> Iterator[Line]:
    """Try the bugs in an order that the seed decides, as many as time allows; each must be caught."""
    ends = time.monotonic() + seconds
    try:
        found = bugs()
    except Unfit as error:
        yield Line("seeded", "all", False, 0, "bugs", str(error))
        return
    random.Random(f"{seed}/seeded").shuffle(found)
    narration.begin(f"the tests of {len(found)} seeded bugs, without a bug")
    before = control(found)
    if before.broken:
        yield Line("seeded", "without a bug", False, before.passed, "tests", before.broken)
        return
    said = next((f"{test}: {why}" for test, why in before.failed.items()), "all pass")
    yield Line("seeded", "without a bug", not before.failed, before.passed, "tests", said)
    yield from _tried(found, list(before.failed), ends, narration)


def _tried(found: Sequence[Bug], anyway: Sequence[str], ends: float, narration: Narration) -> Iterator[Line]:
    narration.begin(f"{len(found)} seeded bugs")
    started, tried = time.monotonic(), list[Tried]()
    for one in attempts(found, anyway, lambda: time.monotonic() > ends):
        tried.append(one)
        narration.progress("seeded bugs", len(tried), "bugs", time.monotonic() - started)
    for one in sorted(tried, key=lambda one: one.bug.number):
        said = one.test if one.caught else f"{one.said}: {one.bug.promise}"
        yield Line("seeded", one.bug.name, one.caught, 1, "bugs", said)
    caught = sum(one.caught for one in tried)
    said = f"{caught} caught, {len(tried)} of {len(found)} tried"
    if len(tried) < len(found):
        said += ": the time was over"
    yield Line("seeded", "all", bool(tried) and caught == len(tried), len(tried), "bugs", said)
