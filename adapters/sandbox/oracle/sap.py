"""Reads SAP from its own store, without writing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from .mapping import meanings
from .world import Holding, UnreachableError

_TWICE = (
    "SELECT arckey FROM idoc WHERE direction = 2 AND status = '53' AND arckey <> ''"
    " GROUP BY arckey HAVING COUNT(*) > 1 ORDER BY arckey"
)


def read(folder: Path) -> tuple[list[Holding], list[str]]:
    """Customers, and the message names of which more than one IDoc was posted. Raises UnreachableError."""
    store = folder / "sap.db"
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            db.execute("BEGIN")
            rows = [dict(row) for row in db.execute("SELECT * FROM customer ORDER BY kunnr")]
            twice = [str(row["arckey"]) for row in db.execute(_TWICE)]
    except sqlite3.Error as error:
        raise UnreachableError(f"SAP's store cannot be read: {error}") from None
    return [Holding(str(row["kunnr"]), meanings("customer", "sap", row)) for row in rows], twice
