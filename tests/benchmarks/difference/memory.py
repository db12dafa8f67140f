"""The most memory that a process has held, as Linux tells it; 0 where that cannot be known."""

from __future__ import annotations

import re
from pathlib import Path


def forget(pid: int | str) -> None:
    """Let the peak begin anew at what is held now."""
    file = Path(f"/proc/{pid}/clear_refs")
    if file.exists():
        file.write_text("5")


def peak_mb(pid: int | str) -> float:
    """The most that was held since, in megabytes."""
    file = Path(f"/proc/{pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", file.read_text()) if file.exists() else None
    return int(found[1]) / 1024 if found else 0.0
