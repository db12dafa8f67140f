"""Positions: where to resume each stream, moved only in the transaction that stores the events (I1)."""

from __future__ import annotations

from agent.store.transaction import Transaction


def get(tx: Transaction, system: str) -> dict[str, bytes]:
    """The position of each stream of a system."""
    found = tx.rows("SELECT stream, value FROM position WHERE system = ?", system)
    return {str(stream): bytes(value) for stream, value in found}


def move(tx: Transaction, system: str, stream: str, value: bytes) -> None:
    """Move a position to behind the events of this transaction."""
    tx.run(
        "INSERT INTO position (system, stream, value, moved) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (system, stream) DO UPDATE SET value = excluded.value, moved = excluded.moved",
        system,
        stream,
        value,
        tx.now,
    )


def forget(tx: Transaction, system: str, stream: str, why: str) -> None:
    """Drop a position that the source does not know; its scope has been marked stale before (I3)."""
    tx.run("DELETE FROM position WHERE system = ? AND stream = ?", system, stream)
    tx.journal("position", f"{system}/{stream}", "known", "lost", why)
