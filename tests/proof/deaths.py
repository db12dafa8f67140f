"""An agent that dies where it is doomed to, one death after the other, and the verdict on what came of it.

A death is (failpoint, n-th passage). The first is counted from the beginning of a script, each further one
from the start after the death before it, so that an agent can die while it recovers from having died.

``python -m tests.proof.deaths "SCRIPT"`` plays a script that a proof printed.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import failpoints
from agent.store.database import FILE
from tests.flow.judge import always, judge
from tests.flow.stories import Operation, shrink
from tests.flow.world import World

Death = tuple[str, int]
#: What is gone with a dead process: SQLite's shared memory.
GONE = f"{FILE}-shm"


class Doomed(World):
    """A world whose agent dies as it is told to by the operation ``doom``."""

    def __init__(self) -> None:
        self.due: list[Death] = []
        self.died: list[str] = []
        self._reader: sqlite3.Connection | None = None
        super().__init__()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the store by a connection that lives as long as the agent: opening one takes long."""
        if self._reader is None:
            self._reader = sqlite3.connect(f"file:{self.directory / FILE}?mode=ro", uri=True)
        return self._reader.execute(statement).fetchall()

    def _shut(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        super()._shut()

    def doom(self, *deaths: Death) -> None:
        """From now on the agent dies here, then there."""
        self.due = list(deaths)
        self._arm()

    def settle(self) -> None:
        """Everything runs until nothing moves any more; what the agent is doomed to stays so."""
        self.rest()

    def spare(self) -> None:
        """The agent dies no more."""
        self.due.clear()
        failpoints.disarm()

    def _died(self) -> None:
        super()._died()
        self.died.append(self.due.pop(0)[0])
        self._leave()
        self._arm()

    def _arm(self) -> None:
        if self.due:
            place, hit = self.due[0]
            failpoints.arm(place, failpoints.Action.CRASH, hit)

    def _leave(self) -> None:
        """The files as they are now are all that is left: nothing is closed in good order first."""
        dead = self.directory
        self.directory = Path(tempfile.mkdtemp(prefix="isthmus-left-", dir=dead.parent))
        for file in dead.iterdir():
            if file.name != GONE:
                shutil.copy(file, self.directory / file.name)
        self._shut()
        shutil.rmtree(dead)


@dataclass(frozen=True)
class Verdict:
    """What came of a script: where the agent died, and what the judge said (None: every promise held)."""

    died: tuple[str, ...]
    said: str | None


def verdict(script: Sequence[Operation]) -> Verdict:
    """Play a script in a world of its own, bring it to rest, spare the agent, judge."""
    world = Doomed()
    said = None
    try:
        for name, arguments in script:
            getattr(world, name)(*arguments)
            always(world)
        world.rest()
        world.spare()
        judge(world)
    except AssertionError as failed:
        said = str(failed)
    except Exception as error:  # an error that nobody foresaw breaks every promise
        said = f"{type(error).__name__}: {error}"
    finally:
        world.close()
    return Verdict(tuple(world.died), said)


def passages(script: Sequence[Operation]) -> Counter[str]:
    """Every failpoint that a script passes until everything is at rest, and how often. Nobody dies."""
    world = Doomed()
    failpoints.watch()
    try:
        for name, arguments in script:
            getattr(world, name)(*arguments)
        world.rest()
        return Counter(failpoints.hits)
    finally:
        world.close()


def passed_at_every_start() -> list[str]:
    """The failpoints that the agent passes whenever it is started."""
    world = Doomed()
    failpoints.watch()
    try:
        world.restart()
        return sorted(failpoints.hits)
    finally:
        world.close()


def shortest(script: Sequence[Operation], said: str) -> tuple[list[Operation], str]:
    """A short script that breaks the same promise, and what the judge says of it: operations are left out,
    then the agent dies at earlier passages, then as late in the script as the fault allows."""
    promise = said.partition(":")[0]

    def fails(candidate: Sequence[Operation]) -> bool:
        return (verdict(candidate).said or "").partition(":")[0] == promise

    short = _later(_earlier(shrink(script, fails), fails), fails)
    return short, verdict(short).said or said


def _earlier(script: list[Operation], fails: Callable[[Sequence[Operation]], bool]) -> list[Operation]:
    for at, (name, deaths) in enumerate(script):
        for number, (place, hit) in enumerate(deaths if name == "doom" else ()):
            for sooner in range(1, hit):
                chosen = (*deaths[:number], (place, sooner), *deaths[number + 1 :])
                candidate: list[Operation] = [*script[:at], ("doom", chosen), *script[at + 1 :]]
                if fails(candidate):
                    return _earlier(candidate, fails)
    return script


def _later(script: list[Operation], fails: Callable[[Sequence[Operation]], bool]) -> list[Operation]:
    at = next((at for at, (name, _) in enumerate(script) if name == "doom"), None)
    if at is None:
        return script
    deaths, others = script[at][1], [*script[:at], *script[at + 1 :]]
    once: Operation = ("doom", ((deaths[0][0], 1), *deaths[1:]))
    for place in range(len(others), at, -1):
        candidate = [*others[:place], once, *others[place:]]
        if fails(candidate):
            return candidate
    return script


def main() -> int:
    """Play one script; 1 when it breaks a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.deaths", description=__doc__)
    parser.add_argument("script", help="a list of operations, as a proof prints it")
    came = verdict(ast.literal_eval(parser.parse_args().script))
    print(f"died at {', '.join(came.died) or 'no place'}: {came.said or 'every promise held'}")
    return 1 if came.said else 0


if __name__ == "__main__":
    sys.exit(main())
