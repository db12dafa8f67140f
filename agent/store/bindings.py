"""Bindings: canonical id ↔ a system's key. At most one live one per entity and system (I20)."""

from __future__ import annotations

from agent.core.contract import Role
from agent.store.transaction import Transaction


def entity_of(tx: Transaction, type_: str, system: str, key: str) -> str | None:
    """The entity that has this key at a system now."""
    row = tx.one(
        "SELECT entity FROM binding WHERE system = ? AND type = ? AND key = ? AND valid_to IS NULL",
        system,
        type_,
        key,
    )
    return str(row[0]) if row else None


def keys(tx: Transaction, entity: str) -> dict[str, str]:
    """The live keys of an entity, by system."""
    found = tx.rows(
        "SELECT system, key FROM binding WHERE entity = ? AND valid_to IS NULL AND role = 'live'", entity
    )
    return {str(system): str(key) for system, key in found}


def key_of(tx: Transaction, entity: str, system: str) -> str | None:
    """The live key of an entity at a system."""
    return keys(tx, entity).get(system)


def bind(tx: Transaction, entity: str, type_: str, system: str, key: str) -> None:
    """Give an entity its key at a system, live from now."""
    tx.run(
        "INSERT INTO binding (entity, type, system, key, role, valid_from, valid_to)"
        " VALUES (?, ?, ?, ?, ?, ?, NULL)",
        entity,
        type_,
        system,
        key,
        Role.LIVE,
        tx.now,
    )
    tx.journal("binding", f"{entity}@{system}", "", Role.LIVE, "bound")


def generations(tx: Transaction, type_: str, system: str, key: str) -> int:
    """How many earlier records had this key there."""
    row = tx.one("SELECT count(*) FROM binding WHERE system = ? AND type = ? AND key = ?", system, type_, key)
    return int(row[0]) if row else 0
