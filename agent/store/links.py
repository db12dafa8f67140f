"""Links: which entity refers to which, so that dependants are found from the one that they refer to."""

from __future__ import annotations

from collections.abc import Iterable

from agent.store.transaction import Transaction


def put(tx: Transaction, entity: str, refers_to: Iterable[str]) -> None:
    """Write down everything that an entity refers to now."""
    wanted = set(refers_to)
    known = {str(row[0]) for row in tx.rows("SELECT refers_to FROM link WHERE entity = ?", entity)}
    tx.run_many(
        "DELETE FROM link WHERE refers_to = ? AND entity = ?", [(one, entity) for one in known - wanted]
    )
    tx.run_many(
        "INSERT INTO link (refers_to, entity) VALUES (?, ?)", [(one, entity) for one in wanted - known]
    )


def dependants(tx: Transaction, entity: str) -> list[str]:
    """Entities that refer to this one, in order of id."""
    found = tx.rows("SELECT entity FROM link WHERE refers_to = ? ORDER BY entity", entity)
    return [str(row[0]) for row in found]


def ended_dependant(tx: Transaction, entity: str, target: str) -> str | None:
    """A dependant that has ended and still has a live key at the target, or None."""
    row = tx.one(
        "SELECT link.entity FROM link JOIN entity ON entity.id = link.entity JOIN binding"
        " ON binding.entity = link.entity AND binding.system = ? AND binding.role = 'live'"
        " AND binding.valid_to IS NULL WHERE link.refers_to = ? AND entity.ended IS NOT NULL"
        " AND link.entity <> ? ORDER BY link.entity LIMIT 1",
        target,
        entity,
        entity,
    )
    return str(row[0]) if row else None
