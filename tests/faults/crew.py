"""Plays scenarios, each in a process of its own, a few at a time, and tells how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.played import Played

#: A scenario that has not ended by itself after so many seconds is ended.
LONGEST_S = 240.0
_LOOK_S = 0.2
#: What it says: its result as JSON, and words.
OUT, WORDS = "out", "words"


@dataclass(frozen=True, slots=True)
class Task:
    """A scenario to be played, by its name."""

    name: str


@dataclass(slots=True)
class _Running:
    task: Task
    process: subprocess.Popen[bytes]
    began: float
    folder: Path


class Crew:
    """``base``: folder for all of them;  ``keep``: where the folders of those go that fell short."""

    def __init__(self, base: Path, seed: int, keep: Path | None = None) -> None:
        self._base = base
        self._seed = seed
        self._keep = keep
        self._running: list[_Running] = []

    def play(self, tasks: Sequence[Task], jobs: int) -> Iterator[Played]:
        """What came of each, as they end."""
        waiting, began, done = list(tasks), time.monotonic(), 0
        try:
            while waiting or self._running:
                while waiting and len(self._running) < jobs:
                    self._running.append(self._start(waiting.pop(0)))
                time.sleep(_LOOK_S)
                for one in [each for each in self._running if _over(each)]:
                    self._running.remove(one)
                    played = self._end(one)
                    done += 1
                    self._tell(played, done, len(tasks), time.monotonic() - began)
                    yield played
        finally:
            for one in self._running:
                _kill(one.process)

    def _start(self, task: Task) -> _Running:
        folder = self._base / task.name
        folder.mkdir()
        command = [sys.executable, "-m", "tests.faults", "--seed", str(self._seed)]
        # Files, not pipes: something that a scenario started and left behind would hold a pipe open for ever.
        with (folder / OUT).open("w") as out, (folder / WORDS).open("w") as words:
            process = subprocess.Popen(
                [*command, "--play", task.name, str(folder)],
                stdout=out,
                stderr=words,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return _Running(task, process, time.monotonic(), folder)

    def _end(self, one: _Running) -> Played:
        late = one.process.poll() is None
        _kill(one.process)
        seconds = time.monotonic() - one.began
        if late:
            played = Played(one.task.name, seconds, wrong=f"not over after {LONGEST_S:.0f} s")
        else:
            try:
                played = Played(**json.loads((one.folder / OUT).read_text().splitlines()[-1]))
            except (ValueError, IndexError, TypeError):
                words = (one.folder / WORDS).read_text(errors="replace")
                played = Played(one.task.name, seconds, wrong=f"no result: {words[-2000:]}")
        if played.wrong and self._keep is not None:
            shutil.copytree(one.folder, self._keep / one.task.name, dirs_exist_ok=True, ignore=_sockets)
        shutil.rmtree(one.folder, ignore_errors=True)
        return played

    def _tell(self, played: Played, done: int, total: int, seconds: float) -> None:
        left = (total - done) * seconds / done
        word = "FALLS SHORT" if played.wrong else "holds"
        print(
            f"{done:3}/{total} {played.name:<44} {word:<12}{played.seconds:5.1f} s;"
            f" {done / seconds * 60:.1f} a minute, {int(left // 60)}:{int(left % 60):02d} left",
            file=sys.stderr,
            flush=True,
        )
        if played.wrong:
            print(f"        {' '.join(played.wrong.split())[:300]}", file=sys.stderr, flush=True)


def _over(one: _Running) -> bool:
    return one.process.poll() is not None or time.monotonic() - one.began > LONGEST_S


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The scenario and everything that it started: they are one session."""
    with contextlib.suppress(ProcessLookupError):  # it may end at this moment
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _sockets(folder: str, names: list[str]) -> set[str]:
    """What cannot be copied."""
    return {name for name in names if (Path(folder) / name).is_socket()}
