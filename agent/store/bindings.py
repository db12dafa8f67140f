"""Bindings: canonical id ↔ a system's key. At most one live one per entity and system (I20)."""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.contract import Role
from agent.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Holder:
    """The entity that a key stands for now, and in which role."""

    entity: str
    role: Role


def holder(tx: Transaction, type_: str, system: str, key: str) -> Holder | None:
    """Whose key this is at a system now. A retired one still answers for late news and references."""
    row = tx.one(
        "SELECT entity, role FROM binding WHERE system = ? AND type = ? AND key = ? AND valid_to IS NULL",
        system,
        type_,
        key,
    )
    return Holder(str(row[0]), Role(row[1])) if row else None


def entity_of(tx: Transaction, type_: str, system: str, key: str) -> str | None:
    """The entity that has this key at a system now, in any role."""
    found = holder(tx, type_, system, key)
    return found.entity if found is not None else None


def keys(tx: Transaction, entity: str) -> dict[str, str]:
    """The live keys of an entity, by system."""
    found = tx.rows(
        "SELECT system, key FROM binding WHERE entity = ? AND valid_to IS NULL AND role = 'live'", entity
    )
    return {str(system): str(key) for system, key in found}


def last_key_of(tx: Transaction, entity: str, system: str) -> str | None:
    """The live key of an entity, or the one that it had last: what was sent once may be sent again so."""
    return key_of(tx, entity, system) or retired(tx, entity).get(system)


def retired(tx: Transaction, entity: str) -> dict[str, str]:
    """The last retired key of an entity at each system where it has one."""
    found = tx.rows(
        "SELECT system, key FROM binding WHERE entity = ? AND valid_to IS NULL AND role = 'retired'"
        " ORDER BY id",
        entity,
    )
    return {str(system): str(key) for system, key in found}


def any_at(tx: Transaction, type_: str, system: str) -> str | None:
    """Some entity of a type that has a live key at a system and was seen there; None where there is none."""
    row = tx.one(
        "SELECT binding.entity FROM binding JOIN image ON image.entity = binding.entity"
        " AND image.system = binding.system WHERE binding.system = ? AND binding.type = ?"
        " AND binding.role = 'live' AND binding.valid_to IS NULL AND image.present = 1 LIMIT 1",
        system,
        type_,
    )
    return str(row[0]) if row else None


def key_of(tx: Transaction, entity: str, system: str) -> str | None:
    """The live key of an entity at a system."""
    return keys(tx, entity).get(system)


def bind(tx: Transaction, entity: str, type_: str, system: str, key: str, role: Role = Role.LIVE) -> None:
    """Give an entity a key at a system from now."""
    tx.run(
        "INSERT INTO binding (entity, type, system, key, role, valid_from, valid_to)"
        " VALUES (?, ?, ?, ?, ?, ?, NULL)",
        entity,
        type_,
        system,
        key,
        role,
        tx.now,
    )
    tx.journal("binding", f"{entity}@{system}", "", role, "bound")


def change_role(tx: Transaction, entity: str, system: str, key: str, role: Role, why: str) -> None:
    """Let a key stand for its entity in another role."""
    row = tx.one(
        "SELECT id, role FROM binding WHERE entity = ? AND system = ? AND key = ? AND valid_to IS NULL",
        entity,
        system,
        key,
    )
    if row is None:
        raise KeyError(f"{entity} has no such key at {system}")
    tx.run("UPDATE binding SET role = ? WHERE id = ?", role, row[0])
    tx.journal("binding", f"{entity}@{system}", str(row[1]), role, why)


def close(tx: Transaction, entity: str, system: str, why: str) -> list[tuple[str, Role]]:
    """End everything that binds an entity at a system. Returns its (key, role) pairs."""
    found = tx.rows(
        "SELECT key, role FROM binding WHERE entity = ? AND system = ? AND valid_to IS NULL ORDER BY id",
        entity,
        system,
    )
    tx.run(
        "UPDATE binding SET valid_to = ? WHERE entity = ? AND system = ? AND valid_to IS NULL",
        tx.now,
        entity,
        system,
    )
    for _, role in found:
        tx.journal("binding", f"{entity}@{system}", str(role), "", why)
    return [(str(key), Role(role)) for key, role in found]


def generations(tx: Transaction, type_: str, system: str, key: str) -> int:
    """How many earlier records had this key there."""
    row = tx.one("SELECT count(*) FROM binding WHERE system = ? AND type = ? AND key = ?", system, type_, key)
    return int(row[0]) if row else 0
