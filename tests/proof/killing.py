"""Real kills: SIGKILL to the agent, or to a worker of it, at one system call after the other.

Each play kills again and again, each time in the recovery from the kill before; then a judge that shares no
code with the agent says what came of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.faults.kills.agents import Agents
from tests.faults.kills.calls import Call, calls, in_turns
from tests.faults.kills.play import Played, fast, play, prepare, recorded
from tests.faults.kills.site import Site
from tests.faults.kills.tracer import unable
from tests.proof.card import Line
from tests.proof.narration import Narration

#: Kills in one play, each in the life after the one before.
CHAIN = 3
#: Plays that found something, and are shown.
SHOWN = 5
NICENESS = 5
_AGENTS: list[Agents] = []


@dataclass
class Kills:
    """What came of all plays."""

    plays: int = 0
    kills: int = 0
    distinct: set[Call] = field(default_factory=set)
    broken: list[tuple[tuple[Call, ...], Played]] = field(default_factory=list)

    def add(self, aimed: tuple[Call, ...], played: Played) -> None:
        """Count a play."""
        self.plays += 1
        self.kills += len(played.killed)
        self.distinct.update(played.killed)
        if played.found:
            self.broken.append((aimed, played))


def kills(seed: int, seconds: float, narration: Narration) -> Iterator[Line]:
    """Kill at as many different system calls as time allows, rare kinds first."""
    why = unable()
    if why:
        yield Line("kill", "all", False, 0, "kills", why)
        return
    narration.begin("kills at system calls")
    started, all_ = time.monotonic(), Kills()
    folder = Path(tempfile.mkdtemp(prefix="isthmus-kills-", dir=fast()))
    try:
        with Agents() as agents:
            site = prepare(folder / "site", agents)
            try:
                lines = recorded(site, agents, folder / "trace")
            except PermissionError as error:
                yield Line("kill", "all", False, 0, "kills", str(error))
                return
        aims = in_turns(calls(lines, Path("FOLDER")), seed)
        for aimed, played in _played(site.folder, aims, started + seconds):
            all_.add(aimed, played)
            narration.progress("kills", all_.kills, "kills", time.monotonic() - started)
        yield from _lines(all_, len(aims), seed)
    finally:
        shutil.rmtree(folder)


def _played(site: Path, aims: list[Call], until: float) -> Iterator[tuple[tuple[Call, ...], Played]]:
    chains = [tuple(aims[at : at + CHAIN]) for at in range(0, len(aims), CHAIN)]
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn"), initializer=_begin) as pool:
        running: dict[Future[Played], tuple[Call, ...]] = {}
        for chain in chains:
            if time.monotonic() > until:
                break
            running[pool.submit(_play, site, chain)] = chain
            if len(running) > cores:
                yield from _done(running)
        while running:
            yield from _done(running)


def _done(running: dict[Future[Played], tuple[Call, ...]]) -> Iterator[tuple[tuple[Call, ...], Played]]:
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        yield running.pop(future), future.result()


def _play(site: Path, chain: tuple[Call, ...]) -> Played:
    if not _AGENTS:
        _AGENTS.append(Agents())
    return play(Site(site), _AGENTS[0], chain)


def _begin() -> None:
    """A worker: it lets others go first, and leaves it to its parent to be interrupted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)


def _lines(all_: Kills, known: int, seed: int) -> Iterator[Line]:
    counts = Counter(call.name for call in all_.distinct)
    for name, count in sorted(counts.items()):
        where = Counter(call.kind for call in all_.distinct if call.name == name)
        said = ", ".join(f"{kind} {number}" for kind, number in where.most_common())
        yield Line("kill", name, True, count, "kills", said)
    for aimed, played in all_.broken[:SHOWN]:
        again = f"python -m tests.faults.kills {' '.join(f'{str(call)!r}' for call in aimed)}"
        script = tuple((text,) for text in (again, *played.found))
        yield Line("kill", "a broken promise", False, 1, "plays", played.found[0], script)
    workers = sum(call.worker for call in all_.distinct)
    said = (
        f"{all_.plays} plays judged, {all_.kills} kills, {workers} of workers, of {known} calls, seed {seed}"
    )
    yield Line("kill", "different calls", not all_.broken, len(all_.distinct), "kills", said)
