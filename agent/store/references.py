"""References by keys that no entity is bound to yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from agent.store.transaction import Transaction, dump


def note(tx: Transaction, entity: str, placeholders: Iterable[str]) -> None:
    """Remember which placeholders an entity's values hold."""
    tx.run_many(
        "INSERT INTO reference (placeholder, entity) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(placeholder, entity) for placeholder in placeholders],
    )


def read_ahead(tx: Transaction, placeholders: Collection[str]) -> None:
    """Learn which of these placeholders nobody's values hold."""
    found = tx.rows(
        "SELECT DISTINCT placeholder FROM reference WHERE placeholder IN (SELECT value FROM json_each(?))",
        dump(list(placeholders)),
    )
    tx.known.note_nothing("reference", placeholders, {row[0] for row in found})


def take(tx: Transaction, placeholder: str) -> list[str]:
    """Entities whose values hold a placeholder, now that it can be resolved."""
    if tx.known.tells_nothing("reference", placeholder):
        return []
    found = tx.rows("SELECT entity FROM reference WHERE placeholder = ? ORDER BY entity", placeholder)
    if found:
        tx.run("DELETE FROM reference WHERE placeholder = ?", placeholder)
    return [str(row[0]) for row in found]
