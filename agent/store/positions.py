"""Positions: where to resume each stream, moved only in the transaction that stores the events (I1)."""

from __future__ import annotations

from agent.store.transaction import Transaction


def get(tx: Transaction, system: str) -> dict[str, bytes]:
    """The position of each stream of a system."""
    found = tx.rows("SELECT stream, value FROM position WHERE system = ?", system)
    return {str(stream): bytes(value) for stream, value in found}


def move(tx: Transaction, system: str, stream: str, value: bytes, told: int | None) -> None:
    """Move a position to behind the events of this transaction; the last was committed at ``told`` (ms).

    Where there were none, nothing lies between the position and now.
    """
    tx.run(
        "INSERT INTO position (system, stream, value, moved, told) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (system, stream) DO UPDATE SET value = excluded.value, moved = excluded.moved,"
        " told = coalesce(excluded.told, position.told)",
        system,
        stream,
        value,
        tx.now if told is None else min(told, tx.now),
        told,
    )


def told(tx: Transaction, system: str, stream: str) -> int | None:
    """The source's commit time (ms) of the last event before the position of a stream, if one is known."""
    row = tx.one("SELECT told FROM position WHERE system = ? AND stream = ?", system, stream)
    return None if row is None or row[0] is None else int(row[0])


def forget(tx: Transaction, system: str, stream: str, why: str) -> None:
    """Drop a position that the source does not know; its scope has been marked stale before (I3)."""
    tx.run("DELETE FROM position WHERE system = ? AND stream = ?", system, stream)
    tx.journal("position", f"{system}/{stream}", "known", "lost", why)
