"""Where the folders of these tests lie: in memory where that is possible, for they are written to a lot."""

from __future__ import annotations

import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")


def new(purpose: str) -> Path:
    """A new folder."""
    return Path(tempfile.mkdtemp(prefix=f"isthmus-{purpose}-", dir=_MEMORY if _MEMORY.is_dir() else None))
