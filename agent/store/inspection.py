"""Inspection: is the database whole? A small one is read before it is used, a large one while it is."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from agent.errors import StoreError
from agent.store import fault

#: Up to this size (bytes) a start waits for the inspection, which reads the whole file: well under a second.
AT_ONCE = 48 << 20


def inspect(connection: sqlite3.Connection, file: Path) -> None:
    """Read every page (sqlite.org/pragma.html, quick_check). Raises StoreError for a damaged database."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found == "ok":
        return
    code = re.search(r"error code=(\d+)", str(found))
    raise (fault.of_code(int(code[1]), str(found), file) if code else None) or damaged(file, str(found))


def damaged(file: Path, how: str) -> StoreError:
    """The error for a file that cannot be trusted."""
    return StoreError(
        f"it is no database, or it is damaged: {how}",
        where=str(file),
        remedy="keep the file aside and restore the last backup",
    )
