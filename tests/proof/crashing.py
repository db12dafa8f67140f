"""Crashes by the thousand: every failpoint at every passage of the reference scenarios, each once more with a
second death in the recovery, and deaths at random places of random stories; each play is judged.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.flow.reference import SCENARIOS
from tests.flow.stories import Operation, story
from tests.proof.card import Line
from tests.proof.deaths import Death, Verdict, passages, passed_at_every_start, shortest, verdict
from tests.proof.narration import Narration

#: Plays that a worker does in one go.
CHUNK = 16
#: Operations of a random story, and how many deaths or chains of deaths are tried in each.
STEPS, TRIES = (12, 32), 8
#: Broken promises that are made short and shown, each with or without a death.
SHOWN = 3
#: Nobody is kept waiting by a proof.
NICENESS = 5


Doom = tuple[Death, ...]


@dataclass(frozen=True)
class Reference:
    """Plays of a reference scenario, each with its deaths."""

    scenario: str
    dooms: tuple[Doom, ...]


@dataclass(frozen=True)
class Story:
    """A random story, told again with other deaths; the same seed tells the same."""

    seed: str


@dataclass(frozen=True)
class Broken:
    """A script that broke a promise, and what the judge said."""

    script: list[Operation]
    said: str

    @property
    def kind(self) -> tuple[str, bool]:
        """The promise, and whether it took a death to break it."""
        return self.said.partition(":")[0], any(name == "doom" for name, _ in self.script)


@dataclass
class Tried:
    """What came of some plays.

    died      failpoint → deaths there
    chains    deaths that followed another one in the same play
    distinct  (scenario, first death)
    """

    plays: int = 0
    chains: int = 0
    died: Counter[str] = field(default_factory=Counter)
    distinct: set[tuple[str, Death]] = field(default_factory=set)
    broken: list[Broken] = field(default_factory=list)

    def add(self, other: Tried) -> None:
        """Count what another tried."""
        self.plays += other.plays
        self.chains += other.chains
        self.died += other.died
        self.distinct |= other.distinct
        self.broken += other.broken

    def count(self, name: str, script: list[Operation], came: Verdict) -> None:
        """One more play."""
        self.plays += 1
        self.died.update(came.died)
        self.chains += max(len(came.died) - 1, 0)
        if came.died:
            self.distinct.add((name, script[0][1][0]))
        if came.said is not None:
            self.broken.append(Broken(script, came.said))


def crashes(seed: int, seconds: float, narration: Narration) -> Iterator[Line]:
    """Let the agent die at every failpoint, first passages first, as often as time allows."""
    passed = {scenario: passages(script) for scenario, script in SCENARIOS.items()}
    hits = sum(counts.total() for counts in passed.values())
    narration.begin(f"crashes at {len(set().union(*passed.values()))} failpoints, passed {hits} times")
    started, all_ = time.monotonic(), Tried()
    first = sum(-(-len(counts) // CHUNK) for counts in passed.values())
    with _workers() as pool:
        running: set[Future[Tried]] = set()
        for number, job in enumerate(_jobs(passed, seed)):
            if number >= first and time.monotonic() - started > seconds:
                break
            running.add(pool.submit(play, job))
            while len(running) >= 2 * _cores():
                running = _collect(running, all_)
                narration.progress("crashes", all_.died.total(), "crashes", time.monotonic() - started)
        while running:
            running = _collect(running, all_)
    yield from _lines(all_, seed, narration)


def play(job: Reference | Story) -> Tried:
    """Play everything of a job. A story that breaks a promise without a death is told only once."""
    tried = Tried()
    if isinstance(job, Reference):
        for deaths in job.dooms:
            script: list[Operation] = [("doom", deaths), *SCENARIOS[job.scenario]]
            tried.count(job.scenario, script, verdict(script))
        return tried
    chance = random.Random(job.seed)
    told = [step for step in story(chance, chance.randint(*STEPS)) if step[0] != "crash_at"]
    tried.count(job.seed, told, verdict(told))
    passed, starts = passages(told), passed_at_every_start()
    for _ in range(0 if tried.broken else TRIES):
        script = [("doom", tuple(_deaths(chance, passed, starts))), *told]
        tried.count(job.seed, script, verdict(script))
    return tried


def _deaths(chance: random.Random, passed: Counter[str], starts: list[str]) -> Iterator[Death]:
    """One death anywhere, every place as likely as any other; in most cases more of them behind it."""
    place = chance.choice(sorted(passed))
    yield place, chance.randint(1, passed[place])
    while chance.random() < 0.8:
        yield chance.choice(starts), 1
        if chance.random() < 0.3:
            yield chance.choice(sorted(passed)), chance.randint(1, 3)


def _jobs(passed: dict[str, Counter[str]], seed: int) -> Iterator[Reference | Story]:
    """First passages of every place; then all of the reference scenarios, in turns with endless stories."""
    for scenario, counts in passed.items():
        yield from _chunks(scenario, [((place, 1),) for place in sorted(counts)])
    chance = random.Random(seed)
    chunks: list[Reference] = []
    pairs: list[Reference] = []
    for scenario, counts in passed.items():
        deaths = [(place, hit) for place, count in counts.items() for hit in range(1, count + 1)]
        chance.shuffle(deaths)
        chunks += _chunks(scenario, [(death,) for death in deaths if death[1] > 1])
        twice = [(death, (start, 1)) for death in deaths for start in passed_at_every_start()]
        chance.shuffle(twice)
        pairs += _chunks(scenario, twice)
    chance.shuffle(pairs)
    stories = (Story(f"{seed}/{number}") for number in itertools.count(1))
    for chunk in (*chunks, *pairs):
        yield from (chunk, next(stories), next(stories))
    yield from stories


def _chunks(scenario: str, dooms: Sequence[Doom]) -> Iterator[Reference]:
    for at in range(0, len(dooms), CHUNK):
        yield Reference(scenario, tuple(dooms[at : at + CHUNK]))


def _collect(running: set[Future[Tried]], all_: Tried) -> set[Future[Tried]]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        all_.add(future.result())
    return rest


def _lines(all_: Tried, seed: int, narration: Narration) -> Iterator[Line]:
    for place, count in sorted(all_.died.items()):
        yield Line("crash", place, True, count, "crashes")
    yield Line("crash", "right after another one", True, all_.chains, "crashes")
    kinds = {broken.kind: broken for broken in reversed(all_.broken)}
    for (promise, died), broken in list(kinds.items())[:SHOWN]:
        narration.begin(f"looking for the shortest script that breaks {promise}")
        script, said = shortest(broken.script, broken.said)
        name = "a story with crashes" if died else "a story without a crash"
        yield Line("crash", name, False, len(script), "operations", said, tuple(script))
    said = f"{all_.plays} plays judged, {len(all_.distinct)} first deaths differ, {len(all_.broken)} broken"
    yield Line("crash", "all", not all_.broken, all_.died.total(), "crashes", f"{said}, seed {seed}")


def _cores() -> int:
    return os.cpu_count() or 1


def _workers() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(_cores(), mp_context=get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """A worker: it lets others go first, and leaves it to its parent to be interrupted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
