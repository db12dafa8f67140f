"""A disk with so many bytes and no more under one directory, for SQLite and for our own code."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tests.faults.disk import library as sqlite
from tests.faults.disk.calls import led
from tests.faults.disk.shim import Call, watched
from tests.faults.disk.tape import matters

_Usage = namedtuple("_Usage", "total used free")
_WRITES = {"write", "allocate"}


@dataclass
class Budget:
    """The disk. ``others``: bytes that somebody else has on it, to be changed at any time.

    code  what a write without room is answered
    """

    directory: Path
    capacity: int
    others: int = 0
    code: int = sqlite.FULL
    refused: int = 0

    def free(self) -> int:
        """Bytes that are left."""
        files = [path for path in self.directory.iterdir() if matters(path.name)]
        used = sum(path.stat().st_size for path in files if path.is_file())
        return max(self.capacity - self.others - used, 0)

    def fill(self) -> None:
        """Somebody else takes all that is left now."""
        self.others += self.free()

    def before(self, call: Call) -> int:
        """Refuse what makes a file larger than there is room for."""
        path = Path(call.path)
        if call.kind not in _WRITES or path.parent != self.directory:
            return 0
        there = path.stat().st_size if path.exists() else 0
        grows = call.offset + max(len(call.data), call.size) - there
        if grows <= 0 or grows <= self.free():
            return 0
        self.refused += 1
        return self.code

    def after(self, call: Call) -> None:
        """It was written."""


@dataclass
class _System:
    """The same disk for the system's own calls."""

    budget: Budget

    def before(self, call: Call) -> int:
        return errno.ENOSPC if self.budget.before(call) else 0

    def after(self, call: Call) -> None:
        pass


@contextmanager
def limited(directory: Path, capacity: int) -> Iterator[Budget]:
    """The disk under a directory has so many bytes while the block runs."""
    budget = Budget(directory, capacity)
    real = shutil.disk_usage

    def usage(path: Path) -> _Usage:
        if Path(path) != directory:
            return _Usage(*real(path))
        free = budget.free()
        return _Usage(capacity, capacity - free, free)

    with (
        patch.object(shutil, "disk_usage", usage),
        watched(budget),
        led(lambda: directory, _System(budget)),
    ):
        yield budget
