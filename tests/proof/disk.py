"""The disk: power failures by the hundred thousand, failing calls, and stores that are written carelessly.

Several processes work at it, at a low priority.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from multiprocessing import get_context

from tests.faults.disk import enduring, oracle, workloads
from tests.faults.disk.enduring import KINDS
from tests.faults.disk.oracle import Judge
from tests.faults.disk.powerfailure import Shares, Tally, sweep
from tests.faults.disk.recording import Recording, record
from tests.faults.disk.weaknesses import WEAKNESSES
from tests.flow.reference import SCENARIO
from tests.flow.stories import story
from tests.proof.card import Line
from tests.proof.narration import Narration

PART = "disk"
#: How the time is shared between power failures and failing calls.
POWER, CALLS = 0.82, 0.18
#: Images that one piece of work makes, about; of stores that take long to start on, fewer.
IMAGES, FEW = 800, 100
#: Of those, how many the whole flow goes on from, and how many the power fails in again.
FLOWS, TWICE = 0.02, 0.01
#: Operations of a random story that is recorded.
STEPS = 30


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of work, done by some process: which line it belongs to, and what to do."""

    name: str
    work: Callable[[random.Random], Tally]
    seed: str


def disk(seed: int, seconds: float, narration: Narration) -> Iterator[Line]:
    """Fail the power, the calls and the care of the store, as often as there is time for."""
    context = get_context("spawn")
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=context, initializer=os.nice, initargs=(5,)) as pool:
        yield from _careless(pool, seed, narration)
        powers = Limit("power failures", "images", seconds * POWER)
        yield from _rounds(pool, partial(_powers, seed), powers, narration)
        calls = Limit("failing calls", "failures", seconds * CALLS)
        yield from _rounds(pool, partial(_calls, seed), calls, narration)


# --- stores that are written carelessly


def _careless(pool: ProcessPoolExecutor, seed: int, narration: Narration) -> Iterator[Line]:
    narration.begin(f"{len(WEAKNESSES)} stores that are written carelessly")
    asked = {name: pool.submit(find_out, name, f"{seed}/{name}") for name in WEAKNESSES}
    for name, answer in asked.items():
        found = answer.result()
        yield Line(PART, f"found: {name}", found is not None, 1, "store", found or "not found")


def find_out(name: str, seed: str) -> str | None:
    """What is found in a store that has this weakness."""
    found = WEAKNESSES[name](random.Random(seed))
    return None if found is None else f"{found.kind}: {found.text}"


# --- rounds of pieces


@dataclass(frozen=True, slots=True)
class Limit:
    """What is done, what is counted, and how many seconds it may take."""

    what: str
    unit: str
    seconds: float


@dataclass
class Sum:
    """What came of all pieces of one line."""

    tally: Tally = field(default_factory=Tally)
    broken: str = ""


Rounds = Callable[[], Iterator[list[Piece]]]


def _rounds(pool: ProcessPoolExecutor, rounds: Rounds, limit: Limit, narration: Narration) -> Iterator[Line]:
    """Hand out rounds of pieces until the time is over, the first round whole; then a line for each name."""
    narration.begin(limit.what)
    started = time.monotonic()
    sums: dict[str, Sum] = {}
    waiting: dict[Future[Tally], Piece] = {}
    for number, pieces in enumerate(rounds()):
        for piece in pieces:
            if number and time.monotonic() - started > limit.seconds:
                break
            waiting[pool.submit(do, piece)] = piece
            while len(waiting) > 2 * (os.cpu_count() or 1):
                _collect(waiting, sums)
                done = sum(each.tally.images for each in sums.values())
                narration.progress(limit.what, done, limit.unit, time.monotonic() - started)
        else:
            continue
        break
    while waiting:
        _collect(waiting, sums)
    for name, found in sums.items():
        yield _line(name, found, limit.unit)


def _collect(waiting: dict[Future[Tally], Piece], sums: dict[str, Sum]) -> None:
    for answer in wait(waiting, return_when=FIRST_COMPLETED).done:
        piece = waiting.pop(answer)
        into = sums.setdefault(piece.name, Sum())
        try:
            tally = answer.result()
        except Exception as error:  # whatever breaks is what is looked for
            into.broken = into.broken or f"seed {piece.seed}: {type(error).__name__}: {error}"
            continue
        into.tally.join(tally)
        if tally.findings and not into.broken:
            at, finding = tally.findings[0]
            into.broken = f"seed {piece.seed}, event {at}: {finding.kind}: {finding.text}"


def _line(name: str, found: Sum, unit: str) -> Line:
    tally = found.tally
    more = f"{tally.twice} in a recovery, {tally.flows} flows went on" if tally.twice or tally.flows else ""
    return Line(PART, name, not found.broken, tally.images, unit, found.broken or more)


def do(piece: Piece) -> Tally:
    """Do a piece of work; the same seed does the same."""
    return piece.work(random.Random(piece.seed))


# --- power failures


def _powers(seed: int) -> Iterator[list[Piece]]:
    """The reference scenario and a random story, two of each; and everything else that is recorded, once."""
    flow = [("the reference scenario", reference), ("random stories", random_story)]
    others = [(f"power: {name}", partial(other, name)) for name in ("birth", "large", "writers")] + [
        ("power after a failed sync", after_a_failed_sync)
    ]
    for number in count():
        chosen = [(f"power: {name}", work) for name, work in flow] * 2 + others
        yield [Piece(name, work, f"{seed}/{number}/{at}/{name}") for at, (name, work) in enumerate(chosen)]


def _swept(recording: Recording, judge: Judge, dice: random.Random, shares: Shares) -> Tally:
    """Sweep a recording; ``shares.images`` is how many there are to be of all of it."""
    share = shares.images / len(recording.tape.events)
    return sweep(recording, judge, dice, replace(shares, images=share))


def reference(dice: random.Random) -> Tally:
    """The power fails in the reference scenario."""
    recording = record(SCENARIO)
    return _swept(
        recording, oracle.by_states(recording.states, recording.between), dice, Shares(IMAGES, FLOWS, TWICE)
    )


def random_story(dice: random.Random) -> Tally:
    """The power fails in a random story, in which the agent may die at any place too."""
    recording = record(story(dice, STEPS))
    return _swept(
        recording, oracle.by_states(recording.states, recording.between), dice, Shares(IMAGES, FLOWS, TWICE)
    )


def other(name: str, dice: random.Random) -> Tally:
    """The power fails in one of the other recordings."""
    recording, judge = getattr(workloads, name)()
    return _swept(recording, judge, dice, Shares(IMAGES if name == "writers" else FEW))


def after_a_failed_sync(dice: random.Random) -> Tally:
    """A sync fails, the agent is killed, started again and goes on; then the power fails."""
    recording = enduring.recorded_with_failed_sync(SCENARIO, dice.randrange(2, 60))
    judge = oracle.by_states(recording.states, recording.between)
    return _swept(recording, judge, dice, Shares(IMAGES))


# --- failing calls


def _calls(seed: int) -> Iterator[list[Piece]]:
    """Every kind of call, each time at another place."""
    for number in count():
        yield [
            Piece(f"call: {kind.name}", partial(calls_of, at), f"{seed}/{number}/{kind.name}")
            for at, kind in enumerate(KINDS)
        ]


def calls_of(at: int, dice: random.Random) -> Tally:
    """Calls of one kind fail in the reference scenario, one at a time; every promise is judged each time."""
    kind, tally = KINDS[at], Tally()
    last = enduring.calls(SCENARIO)[kind.call]
    for place in dice.sample(range(1, last + 1), min(last, 10)):
        enduring.failed(SCENARIO, kind, place)
        tally.images += 1
    return tally
