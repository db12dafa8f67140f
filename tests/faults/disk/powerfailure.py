"""Power failures: at every point of a recording, in many ways, and once more while the agent recovers."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from agent.errors import IsthmusError
from agent.store.database import FILE, Store
from tests.faults.disk import oracle, place
from tests.faults.disk.oracle import Finding, Judge
from tests.faults.disk.platter import Platter
from tests.faults.disk.recording import Around, RecordedSurvivor, Recording, Survivor
from tests.flow.judge import judge as keep_promises
from tests.flow.reference import ROUND
from tests.flow.systems.time import TestClock
from tests.flow.world import template

#: What a start leaves is compared, row by row, with what it found, behind one event in so many.
COMPARED = 4


@dataclass(frozen=True, slots=True)
class Image:
    """What one power failure left: files, the number of events before it, the last acknowledgement."""

    files: dict[str, bytes]
    at: int
    acknowledged: int


@dataclass
class Tally:
    """How many images were judged, and what was wrong with any of them.

    twice     images of a second failure, while the agent recovered from a first one; ``images`` has them too
    flows     images on which the whole agent was started and ran until nothing moved any more
    findings  (number of events before the failure, what was found)
    """

    images: int = 0
    twice: int = 0
    flows: int = 0
    findings: list[tuple[int, Finding]] = field(default_factory=list)

    def add(self, at: int, finding: Finding | None) -> None:
        """One more image was judged."""
        self.images += 1
        self.note(at, finding)

    def note(self, at: int, finding: Finding | None) -> None:
        """Keep what was found, if anything was."""
        if finding is not None:
            self.findings.append((at, finding))

    def join(self, other: Tally) -> None:
        """Count what another sweep did."""
        self.images += other.images
        self.twice += other.twice
        self.flows += other.flows
        self.findings += other.findings

    def kinds(self) -> set[str]:
        """The kinds of findings that there were."""
        return {finding.kind for _, finding in self.findings}


def images(recording: Recording, dice: random.Random, share: float) -> Iterator[Image]:
    """Images of power failures behind every event: ``share`` a point on average."""
    platter, acknowledged = Platter(recording.tape.start), 0
    for at, event in enumerate(recording.tape.events, 1):
        if event.kind == "mark":
            acknowledged = event.other
        else:
            platter.take(event)
        for _ in range(int(share) + (dice.random() < share % 1)):
            yield Image(platter.image(dice), at, acknowledged)


@contextmanager
def laid_out(image: Image) -> Iterator[Path]:
    """The image as a directory."""
    with place.folder("image") as directory:
        for name, content in image.files.items():
            (directory / name).write_bytes(content)
        yield directory


def examine(image: Image, judge: Judge) -> Finding | None:
    """Have judged what an image holds, then start the product's store on it: it must find just that."""
    with laid_out(image) as directory:
        try:
            found = judge(directory / FILE, image.acknowledged)
            before = {} if image.at % COMPARED else oracle.tables(directory / FILE)
        except sqlite3.DatabaseError as error:
            return Finding("damaged", str(error))
    return found or _start(image, before)


def _start(image: Image, before: oracle.Tables) -> Finding | None:
    with laid_out(image) as directory:
        try:
            Store.open(directory, TestClock()).close()
        except IsthmusError as error:
            return Finding("closed", str(error))
        if not before:
            return None
        after = oracle.tables(directory / FILE)
        if not after.keys() >= _every_table():
            return Finding("partial", f"the start left tables out: {sorted(_every_table() - after.keys())}")
        return oracle.started(before, after)


@cache
def _every_table() -> frozenset[str]:
    return frozenset(oracle.tables(template() / FILE))


def beside(image: Image, epoch: str) -> Finding | None:
    """What stands beside the store must not be gone once its owner was told that it is open."""
    there = image.files.get("epoch", b"").decode(errors="replace")
    if image.acknowledged == 0 or there == epoch:
        return None
    return Finding("epoch", f"beside the store stands {there!r}, not {epoch!r}")


def flow_on(image: Image, around: Around) -> Finding | None:
    """Start the whole agent on an image, let it come to rest among its systems, and judge all promises."""
    with laid_out(image) as directory:
        try:
            world = Survivor(around, directory)
        except IsthmusError as error:
            return Finding("closed", str(error))
        try:
            keep_promises(world)
        except AssertionError as failed:
            return Finding("promise", str(failed))
        finally:
            world.close()
    return None


def fail_again(image: Image, around: Around) -> Recording:
    """Record the agent while it recovers on an image, to fail its power in there again."""
    with laid_out(image) as directory:
        begins = oracle.look(directory / FILE)[0]
    with laid_out(image) as directory:
        world = RecordedSurvivor(around, directory, begins)
        try:
            for name, arguments in ROUND:
                getattr(world, name)(*arguments)
        finally:
            world.close()
        return world.recording


@dataclass(frozen=True, slots=True)
class Shares:
    """How much is tried: images a point of the recording, and of those the share that the whole flow goes on
    from, and that the power fails in again (``again``: images a point of that recovery).
    """

    images: float
    flows: float = 0.0
    twice: float = 0.0
    again: float = 0.2


def sweep(recording: Recording, judge: Judge, dice: random.Random, shares: Shares) -> Tally:
    """Fail the power all along a recording and judge every image."""
    tally = Tally()
    for image in images(recording, dice, shares.images):
        tally.add(image.at, examine(image, judge))
        tally.note(image.at, beside(image, recording.epoch))
        if dice.random() < shares.flows:
            tally.flows += 1
            tally.note(image.at, flow_on(image, recording.around(image.at, dice)))
        if dice.random() < shares.twice:
            again = fail_again(image, recording.around(image.at, dice))
            for second in images(again, dice, shares.again):
                tally.twice += 1
                tally.add(image.at, examine(second, oracle.by_states(again.states)))
                tally.note(image.at, beside(second, again.epoch))
    return tally


def first(recording: Recording, judge: Judge, dice: random.Random, share: float) -> Finding | None:
    """The first thing that is wrong anywhere along a recording, None when nothing is."""
    for image in images(recording, dice, share):
        found = examine(image, judge) or beside(image, recording.epoch)
        if found is not None:
            return found
    return None
