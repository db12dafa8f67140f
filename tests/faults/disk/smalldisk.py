"""Small disks that can be filled up: counted ones everywhere, real ones where this user may mount them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.faults.disk import place
from tests.faults.disk.budget import limited

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A folder on a disk of so many bytes; ``fill`` takes all that is left, ``clear`` gives it back."""

    directory: Path
    fill: Callable[[], None]
    clear: Callable[[], None]


@contextmanager
def counted(size: int) -> Iterator[SmallDisk]:
    """A disk whose bytes are counted between SQLite and the real one."""
    with place.folder("small") as directory, limited(directory, size) as budget:

        def clear() -> None:
            budget.others = 0

        yield SmallDisk(directory, budget.fill, clear)


@contextmanager
def mounted(size: int) -> Iterator[SmallDisk]:
    """A file system in memory."""
    with place.folder("small") as top:
        _mount(top, size)
        try:
            directory, others = top / "state", top / "somebody else's"
            directory.mkdir()

            def fill() -> None:
                with others.open("ab", buffering=0) as file:
                    for piece in (MB, 4096):
                        while shutil.disk_usage(top).free >= piece:
                            file.write(bytes(piece))

            yield SmallDisk(directory, fill, lambda: others.unlink(missing_ok=True))
        finally:
            subprocess.run(["umount", str(top)], check=True)


def _mount(directory: Path, size: int) -> None:
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    subprocess.run(["mount", *options], check=True, capture_output=True)


@cache
def may_mount() -> bool:
    """Whether this user may mount a file system here."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with place.folder("mount") as directory:
        try:
            _mount(directory, MB)
        except subprocess.CalledProcessError:
            return False
        subprocess.run(["umount", str(directory)], check=True)
        return True


#: The disks that there are here.
DISKS: dict[str, Callable[[int], AbstractContextManager[SmallDisk]]] = {"counted": counted}
if may_mount():
    DISKS["mounted"] = mounted
