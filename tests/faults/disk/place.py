"""Where the folders of these tests lie: in memory where that is possible, for they are written to a lot."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")


def new(purpose: str) -> Path:
    """A new folder."""
    return Path(tempfile.mkdtemp(prefix=f"isthmus-{purpose}-", dir=_MEMORY if _MEMORY.is_dir() else None))


@contextmanager
def folder(purpose: str) -> Iterator[Path]:
    """A new folder, gone afterwards."""
    made = new(purpose)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
