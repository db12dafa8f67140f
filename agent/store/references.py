"""References by keys that no entity is bound to yet."""

from __future__ import annotations

from collections.abc import Iterable

from agent.store.transaction import Transaction


def note(tx: Transaction, entity: str, placeholders: Iterable[str]) -> None:
    """Remember which placeholders an entity's values hold."""
    tx.run_many(
        "INSERT INTO reference (placeholder, entity) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(placeholder, entity) for placeholder in placeholders],
    )


def take(tx: Transaction, placeholder: str) -> list[str]:
    """Entities whose values hold a placeholder, now that it can be resolved.

    The first is the one that was seen first: those of a lane keep their order.
    """
    found = tx.rows(
        "SELECT reference.entity FROM reference JOIN entity ON entity.id = reference.entity"
        " WHERE reference.placeholder = ? ORDER BY entity.born, entity.id",
        placeholder,
    )
    if found:
        tx.run("DELETE FROM reference WHERE placeholder = ?", placeholder)
    return [str(row[0]) for row in found]
