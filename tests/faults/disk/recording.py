"""Recordings: the real flow on the real store, every write of it on a tape, every acknowledgement noted."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from agent import failpoints
from agent.store import database
from agent.store.database import FILE
from agent.store.transaction import Transaction
from agent.store.writer import DirectWriter
from tests.faults.disk import oracle
from tests.faults.disk.calls import Errors, led
from tests.faults.disk.oracle import State
from tests.faults.disk.shim import Call, watched
from tests.faults.disk.tape import Tape
from tests.flow import world as worlds
from tests.flow.stories import Operation
from tests.flow.world import World

T = TypeVar("T")
Around = dict[str, Any]
#: Pages in the log after which it is copied into the database while recording: the product's own number would
#: need more writes than a short recording makes.
PAGES = 60


@dataclass
class Recording:
    """A tape, and what its owner was told.

    states   the content after each acknowledgement; ``states[0]`` is what it began with
    moments  (number of events so far, the world around the agent at that moment), in order
    between  number of the last acknowledgement → what was to be seen after a write that failed, or that
             nobody was told of because the agent died
    epoch    what has to stand beside the store from the first acknowledgement on
    """

    tape: Tape
    states: list[State] = field(default_factory=list)
    moments: list[tuple[int, Around]] = field(default_factory=list)
    epoch: str = ""
    between: dict[int, list[State]] = field(default_factory=dict)

    def acknowledge(self) -> None:
        """The owner was told that everything so far is durable."""
        self.states.append(oracle.noted(self.tape.directory / FILE))
        self.tape.mark(len(self.states) - 1)

    def died(self) -> None:
        """The agent may have died behind a commit of which it told nobody: what is there was a state, too."""
        found, last = oracle.noted(self.tape.directory / FILE), len(self.states) - 1
        if found.digest != self.states[last].digest:
            self.between.setdefault(last, []).append(found)

    def around(self, at: int, dice: random.Random) -> Around:
        """The world in which the power failed when the tape had so many events.

        Between two transactions the world moves: a failure there may have met it at any moment of that time.
        """
        last = max(count for count, _ in self.moments if count <= at)
        worlds = [world for count, world in self.moments if count == last]
        return dice.choice(worlds) if last == at else worlds[-1]


@contextmanager
def recorded(recording: Recording) -> Iterator[None]:
    """Whatever is done to the files of the recording's directory in the block is on its tape."""
    tape = recording.tape
    quiet = _Unfailing(tape)
    with patch.object(database, "CHECKPOINT_PAGES", PAGES), watched(tape), led(lambda: tape.directory, quiet):
        yield
    recording.epoch = (tape.directory / "epoch").read_text()


@dataclass
class _Unfailing:
    """The same tape for the system's own calls, which do not fail when SQLite's are to."""

    tape: Tape

    def before(self, call: Call) -> int:
        """Let it through."""
        return 0

    def after(self, call: Call) -> None:
        """Write it down."""
        self.tape.after(call)


class _Telling(DirectWriter):
    """The product's writer; whoever is told that something is durable notes what is there."""

    told: Callable[[], None]

    async def write(self, label: str, work: Callable[[Transaction], T], actor: str = "agent") -> T:
        result = await super().write(label, work, actor)
        self.told()
        return result


class RecordedWorld(World):
    """A world whose store is recorded from its first start on."""

    def __init__(self, errors: Errors | None = None, *, moments: bool = True) -> None:
        self._stack = ExitStack()
        self._errors = errors or Errors()
        self._moments = moments
        self.recording: Recording
        super().__init__()

    def record(self, begins: State | None = None) -> None:
        """Begin the recording: the files that lie in the directory are taken as durable."""
        # The agent has not begun: what there is now is the world around it.
        self._around = self.__dict__.keys() - _OWN
        begins = begins or oracle.noted(self.directory / FILE)
        tape = _Noticing(self.directory)
        self.recording = Recording(tape, [begins])
        tape.mark(0)
        tape.changing, tape.errors = self._changing, self._errors
        told = type("Told", (_Telling,), {"told": lambda _: self._told()})
        self._stack.enter_context(patch.object(worlds, "DirectWriter", told))
        self._stack.enter_context(recorded(self.recording))
        self._quiet = True
        self._keep_moment()

    def _start(self) -> None:
        if not hasattr(self, "recording"):
            self.record()
        self.recording.died()
        super()._start()

    def _told(self) -> None:
        self.recording.acknowledge()
        self._keep_moment()
        self._quiet = True

    def _changing(self) -> None:
        if self._quiet:
            self._quiet = False
            self._keep_moment()

    def _keep_moment(self) -> None:
        """Remember the world around the agent as it is now, without what is armed for later."""
        if not self._moments:
            return
        kept = {name: self.__dict__[name] for name in self._around}
        armed, self.meanwhile.armed = self.meanwhile.armed, {}
        self.recording.moments.append((len(self.recording.tape.events), copy.deepcopy(kept)))
        self.meanwhile.armed = armed

    def close(self) -> None:
        """Take everything away, and record no more."""
        failpoints.disarm()
        self.engine.store.close()
        self._stack.close()
        super().close()


#: What of a recorded world belongs to the recording.
_OWN = {"recording", "errors", "directory", "_stack", "_errors", "_moments", "_quiet", "_around"}


class _Noticing(Tape):
    """A tape that says when something is about to be written, and lets SQLite's calls fail as it is told."""

    changing: Callable[[], None]
    errors: Errors

    def before(self, call: Call) -> int:
        if call.kind == "write":
            self.changing()
        code = self.errors.before(call)
        if code and call.kind == "sync":
            self.failed_sync(Path(call.path).name)
        return code


class Survivor(World):
    """The agent started again on what is left of its store, in the world as it was when the power failed."""

    def __init__(self, around: Around, directory: Path) -> None:
        self.__dict__.update(copy.deepcopy(around))
        self.directory = directory
        self._start()


class RecordedSurvivor(RecordedWorld):
    """A survivor whose recovery is recorded: the power may fail in it again."""

    def __init__(self, around: Around, directory: Path, begins: State) -> None:
        self.__dict__.update(copy.deepcopy(around))
        self._stack = ExitStack()
        self._errors, self._moments = Errors(), False
        self.directory = directory
        self.record(begins)
        self._start()


def record(script: Sequence[Operation]) -> Recording:
    """Play a script in a recorded world; what it wrote and was told."""
    world = RecordedWorld()
    try:
        for name, arguments in script:
            getattr(world, name)(*arguments)
    finally:
        world.close()
    return world.recording
