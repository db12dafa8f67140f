"""Links: which entity refers to which, so that dependants are found from the one that they refer to."""

from __future__ import annotations

from collections.abc import Iterable

from agent.store.transaction import Transaction


def put(tx: Transaction, entity: str, refers_to: Iterable[str]) -> bool:
    """Write down everything that an entity refers to now; whether it referred to more than that."""
    wanted = set(refers_to)
    known = {str(row[0]) for row in tx.rows("SELECT refers_to FROM link WHERE entity = ?", entity)}
    gone, new = [(one, entity) for one in known - wanted], [(one, entity) for one in wanted - known]
    tx.run_many("DELETE FROM link WHERE refers_to = ? AND entity = ?", gone)
    tx.run_many("INSERT INTO link (refers_to, entity) VALUES (?, ?)", new)
    return bool(gone)


def dependants(tx: Transaction, entity: str) -> list[str]:
    """Entities that refer to this one, the first that was seen first: lanes that follow keep their order."""
    found = tx.rows(
        "SELECT link.entity FROM link JOIN entity ON entity.id = link.entity WHERE link.refers_to = ?"
        " ORDER BY entity.born, entity.id",
        entity,
    )
    return [str(row[0]) for row in found]


def dependant_at(tx: Transaction, entity: str, target: str) -> tuple[str, bool] | None:
    """Another entity that refers to this one and has a live key at the target, and whether it has ended.

    One that has not comes first.
    """
    row = tx.one(
        "SELECT link.entity, entity.ended IS NOT NULL FROM link JOIN entity ON entity.id = link.entity"
        " JOIN binding ON binding.entity = link.entity AND binding.system = ? AND binding.role = 'live'"
        " AND binding.valid_to IS NULL WHERE link.refers_to = ? AND link.entity <> ?"
        " ORDER BY entity.ended IS NOT NULL, link.entity LIMIT 1",
        target,
        entity,
        entity,
    )
    return (str(row[0]), bool(row[1])) if row else None
