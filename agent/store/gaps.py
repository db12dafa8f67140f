"""Gaps: stretches of a stream that are missing, for a type at a system, until a snapshot has closed them."""

from __future__ import annotations

from agent.store.transaction import Transaction


def open_(tx: Transaction, system: str, type_: str, why: str) -> None:
    """A stretch is missing. A snapshot that has begun before now does not close it."""
    tx.run(
        "INSERT INTO gap (system, type, since, token, why) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (system, type) DO UPDATE SET token = excluded.token, why = excluded.why",
        system,
        type_,
        tx.now,
        tx.token,
        why,
    )
    tx.journal("scope", f"{type_}@{system}", "fresh", "stale", why)


def standing(tx: Transaction, system: str, why: str | None = None) -> list[str]:
    """Types of which a stretch is missing at a system, for any reason or for this one."""
    found = tx.rows(
        "SELECT type FROM gap WHERE system = ? AND (? IS NULL OR why = ?) ORDER BY since", system, why, why
    )
    return [str(row[0]) for row in found]


def close(tx: Transaction, system: str, type_: str, issued: int) -> bool:
    """A snapshot that was begun at token ``issued`` has seen everything; whether that closes the gap."""
    closed = tx.run("DELETE FROM gap WHERE system = ? AND type = ? AND token <= ?", system, type_, issued)
    if closed:
        tx.journal("scope", f"{type_}@{system}", "stale", "fresh", "a snapshot has seen every record")
    return closed == 1
