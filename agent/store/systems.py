"""How each system does, kept for people and for the time when the service is down."""

from __future__ import annotations

from agent.store.transaction import Transaction


def declare(tx: Transaction, name: str, kind: str) -> None:
    """A configured system starts."""
    tx.run(
        "INSERT INTO system (name, kind, state, since, reason) VALUES (?, ?, 'starting', ?, '')"
        " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, state = 'starting', since = excluded.since,"
        " reason = ''",
        name,
        kind,
        tx.now,
    )


def down(tx: Transaction) -> set[str]:
    """Systems that were down when that was last written."""
    return {str(name) for (name,) in tx.rows("SELECT name FROM system WHERE state = 'down'")}


def keep_only(tx: Transaction, names: list[str]) -> None:
    """Forget systems that are configured no more."""
    marks = ", ".join("?" for _ in names)
    tx.run(f"DELETE FROM system WHERE name NOT IN ({marks})", *names)  # noqa: S608 - only marks


def change(tx: Transaction, name: str, state: str, reason: str) -> None:
    """A system went up, down or in between."""
    row = tx.one("SELECT state FROM system WHERE name = ?", name)
    before = str(row[0]) if row else ""
    tx.run(
        "UPDATE system SET state = ?, since = CASE WHEN state = ? THEN since ELSE ? END, reason = ?"
        " WHERE name = ?",
        state,
        state,
        tx.now,
        reason,
        name,
    )
    if before != state:
        tx.journal("system", name, before, state, reason or "it answers")


def contact(tx: Transaction, name: str) -> None:
    """The system was heard of just now."""
    tx.run("UPDATE system SET contact = ? WHERE name = ?", tx.now, name)
