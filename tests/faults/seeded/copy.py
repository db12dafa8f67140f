"""A copy of the source tree that a bug is put into, and test runs there. The working tree is only read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.seeded import witness
from tests.faults.seeded.bug import Bug

REPOSITORY = Path(__file__).resolve().parents[3]
PARTS = ("agent", "adapters", "tui", "tests", "pyproject.toml", "config.example.toml", "README.md")
#: Seconds after which a run is given up.
LONGEST_S = 300.0
#: Exit codes of pytest: all passed, some failed.
PASSED, FAILED = 0, 1
#: Nobody is kept waiting by seeded bugs.
NICENESS = 5
_RUNNING: set[subprocess.Popen[str]] = set()


class NoVerdict(Exception):
    """A run that says neither "caught" nor "survived": it was broken off, or ran nothing."""


@dataclass(frozen=True)
class Ran:
    """What came of a run: tests that failed, each with its first words; how many passed; seconds."""

    failed: dict[str, str]
    passed: int
    seconds: float


class Copy:
    """A copy of the tree in a folder of its own; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tree"
        self._report = folder / "report.json"
        self.folder.mkdir()
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, self.folder / part)
            else:
                shutil.copy2(source, self.folder / part)

    @contextlib.contextmanager
    def with_bug(self, bug: Bug) -> Iterator[None]:
        """The bug is in the copy for as long as the block lasts. Raises Unfit."""
        texts = bug.texts(self.folder)
        sound = {file: (self.folder / file).read_bytes() for file in texts}
        try:
            for file, text in texts.items():
                self._put(file, text.encode())
            yield
        finally:
            for file, content in sound.items():
                self._put(file, content)

    def _put(self, file: str, content: bytes) -> None:
        """Write a source file; what Python compiled of another text of the same second and size must go."""
        path = self.folder / file
        path.write_bytes(content)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def run(self, tests: Sequence[str], *options: str) -> Ran:
        """Run tests in the copy. Raises NoVerdict."""
        self._report.unlink(missing_ok=True)
        plugins = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", witness.__name__)
        command = (sys.executable, "-m", "pytest", "-q", "--no-header", *plugins, *options, *tests)
        started = time.monotonic()
        code, output = self.call(command)
        seconds = time.monotonic() - started
        if code not in (PASSED, FAILED) or not self._report.exists():
            raise NoVerdict(f"pytest ended with {code}: {' | '.join(output.strip().splitlines()[-6:])}")
        came = json.loads(self._report.read_text())
        if not came["failed"] and not came["passed"]:
            raise NoVerdict(f"no test was run: {' | '.join(output.strip().splitlines()[-3:])}")
        return Ran(came["failed"], len(came["passed"]), seconds)

    def call(self, command: Sequence[str], cwd: Path | None = None) -> tuple[int, str]:
        """Run a command that imports the copy; exit code and everything that it said. Raises NoVerdict."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "PYTHONPATH": str(self.folder),
            witness.TREE: str(self.folder),
            witness.REPORT: str(self._report),
        }
        process = subprocess.Popen(
            ("nice", "-n", str(NICENESS), *command),
            cwd=cwd or self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        _RUNNING.add(process)
        try:
            output, _ = process.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            raise NoVerdict(f"still running after {LONGEST_S:g} s") from None
        finally:
            _end(process)
            _RUNNING.discard(process)
        return process.returncode, output


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a run with all that it started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stop() -> None:
    """Kill whatever runs in a copy now; whoever waits for it gets no verdict."""
    for process in tuple(_RUNNING):
        _end(process)


@contextlib.contextmanager
def copy() -> Iterator[Copy]:
    """A copy that is taken away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-seeded-"))
    try:
        yield Copy(folder)
    finally:
        shutil.rmtree(folder)
