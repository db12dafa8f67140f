"""A world whose disk fails: the agent ends with what the store says, is started again, and goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from agent.errors import StoreError
from agent.store import database
from agent.store.database import FILE
from tests.faults.disk import library as sqlite
from tests.faults.disk import oracle, place
from tests.faults.disk.calls import Errors
from tests.faults.disk.recording import PAGES, RecordedWorld, Recording
from tests.faults.disk.shim import watched
from tests.faults.disk.tape import matters
from tests.flow.judge import judge
from tests.flow.stories import Operation
from tests.flow.world import World, now, template

#: How often a start may fail before the test gives up.
STARTS = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A way in which SQLite's calls on files can fail: the call, and the code that is answered."""

    name: str
    call: str
    code: int


KINDS = (
    Kind("a write fails", "write", sqlite.IOERR_WRITE),
    Kind("a write finds no room", "write", sqlite.FULL),
    Kind("a sync fails", "sync", sqlite.IOERR_FSYNC),
    Kind("a truncation fails", "truncate", sqlite.IOERR_TRUNCATE),
    Kind("a read fails", "read", sqlite.IOERR_READ),
    Kind("a read is too short", "read", sqlite.IOERR_SHORT_READ),
    Kind("a file cannot be opened", "open", sqlite.CANTOPEN),
    Kind("a file cannot be deleted", "delete", sqlite.IOERR_DELETE),
)


class Enduring(World):
    """Everything that is no StoreError with a text for people breaks the test."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.errors: list[StoreError] = []
        super().__init__(*arguments, **named)

    def _start(self) -> None:
        for _ in range(STARTS):
            try:
                return super()._start()
            except StoreError as error:
                self._ended(error)
        raise AssertionError(f"it does not start any more: {self.errors[-1]}")

    def _run(self, step: Callable[[], Coroutine[Any, Any, int]]) -> int:
        try:
            return now(step())
        except StoreError as error:
            self._ended(error)
            self.restart()
            return 1

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the store past the disk that fails: it is the test that looks."""
        file = f"file:{self.directory / FILE}?mode=ro&vfs=unix"
        with closing(sqlite3.connect(file, uri=True)) as connection:
            return connection.execute(statement).fetchall()

    def _ended(self, error: StoreError) -> None:
        assert error.remedy, f"nobody is told what to do: {error}"
        assert error.where, f"nobody is told where: {error}"
        self.errors.append(error)
        if hasattr(self, "engine"):
            self.engine.store.close()


class Abandoned(Enduring, RecordedWorld):
    """The same, recorded. The agent is killed with the error: nothing is closed, the next start finds it all.

    The files are carried on in another directory, as every process on the machine sees them at that moment.
    """

    def _ended(self, error: StoreError) -> None:
        before, after = self.directory, place.new("world")
        for name in (path.name for path in before.iterdir() if matters(path.name)):
            shutil.copy(before / name, after / name)
        with place.folder("seen") as copy:
            shutil.copytree(after, copy, dirs_exist_ok=True)
            seen = self.recording.between.setdefault(len(self.recording.states) - 1, [])
            seen.append(oracle.look(copy / FILE)[0])
        self.directory = self.recording.tape.directory = after
        super()._ended(error)
        shutil.rmtree(before, ignore_errors=True)


def calls(script: Sequence[Operation]) -> dict[str, int]:
    """How often each call is made while a script is played."""
    template()
    counting = Errors()
    _play(script, counting)
    return counting.calls


def failed(script: Sequence[Operation], kind: Kind, at: int) -> list[StoreError]:
    """Play a script in which the n-th call of a kind fails, and judge; what the agent said."""
    errors = Errors(kind.call, at, kind.code)
    said = _play(script, errors, judged=True)
    assert errors.failed, f"there was no {at}. {kind.call}"
    return said


def _play(script: Sequence[Operation], errors: Errors, *, judged: bool = False) -> list[StoreError]:
    with patch.object(database, "CHECKPOINT_PAGES", PAGES), watched(errors, reads=True):
        world = Enduring()
        try:
            for name, arguments in script:
                getattr(world, name)(*arguments)
            if judged:
                judge(world)
                blamed = world.rows("SELECT reason FROM inbox WHERE kind = 'undecodable'")
                assert not blamed, f"a change is blamed for what the disk did: {blamed}"
        finally:
            world.close()
    return world.errors


def recorded_with_failed_sync(script: Sequence[Operation], at: int) -> Recording:
    """Record a script in which the n-th sync fails, with the restart behind it and all that follows."""
    world = Abandoned(Errors("sync", at, sqlite.IOERR_FSYNC), moments=False)
    try:
        for name, arguments in script:
            getattr(world, name)(*arguments)
    finally:
        world.close()
    return world.recording
