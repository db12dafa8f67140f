"""Bindings: canonical id ↔ a system's key. At most one live one per entity and system (I20)."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from agent.core.contract import Role
from agent.core.record import record
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump


@record(frozen=True, slots=True)
class Holder:
    """The entity that a key stands for now, and in which role."""

    entity: str
    role: Role


class Bound(NamedTuple):
    """The keys of an entity by system: the live ones, and the last retired ones."""

    live: dict[str, str]
    retired: dict[str, str]


def read_holders_ahead(tx: Transaction, type_: str, system: str, keys: Collection[str]) -> set[str]:
    """Learn whose keys these are. Returns the entities that have them."""
    found = tx.rows(
        "SELECT key, entity, role FROM binding WHERE system = ? AND type = ?"
        " AND key IN (SELECT value FROM json_each(?)) AND valid_to IS NULL",
        system,
        type_,
        dump(list(keys)),
    )
    holders = {str(key): Holder(str(entity), Role(role)) for key, entity, role in found}
    for key in keys:
        tx.known.holders[type_, system, key] = holders.get(key)
    return {one.entity for one in holders.values()}


def read_ahead(tx: Transaction, entities: Collection[str]) -> None:
    """Learn the keys of these entities."""
    bound: dict[str, Bound] = {entity: Bound({}, {}) for entity in entities}
    found = tx.rows(
        "SELECT entity, system, key, role FROM binding WHERE entity IN (SELECT value FROM json_each(?))"
        " AND valid_to IS NULL AND role IN ('live', 'retired') ORDER BY id",
        dump(list(entities)),
    )
    for entity, system, key, role in found:
        of = bound[entity].live if role == Role.LIVE else bound[entity].retired
        of[str(system)] = str(key)
    facts = {
        entity: Bound(dict(sorted(known.live.items())), known.retired) for entity, known in bound.items()
    }
    tx.known.put_all("binding", facts)


def holder(tx: Transaction, type_: str, system: str, key: str) -> Holder | None:
    """Whose key this is at a system now. A retired one still answers for late news and references."""
    if (type_, system, key) in tx.known.holders:
        known: Holder | None = tx.known.holders[type_, system, key]
        return known
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
    known = tx.known.get("binding", entity)
    if known is not UNKNOWN:
        return dict(known.live)
    found = tx.rows(
        "SELECT system, key FROM binding WHERE entity = ? AND valid_to IS NULL AND role = 'live'", entity
    )
    return {str(system): str(key) for system, key in found}


def last_key_of(tx: Transaction, entity: str, system: str) -> str | None:
    """The live key of an entity, or the one that it had last: what was sent once may be sent again so."""
    return key_of(tx, entity, system) or retired(tx, entity).get(system)


def retired(tx: Transaction, entity: str) -> dict[str, str]:
    """The last retired key of an entity at each system where it has one."""
    known = tx.known.get("binding", entity)
    if known is not UNKNOWN:
        return dict(known.retired)
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
    known = tx.known.get("binding", entity)
    holders, tx.known.holders = tx.known.holders, {}  # of every other key this says nothing
    tx.later(
        "INSERT INTO binding (entity, type, system, key, role, valid_from, valid_to)"
        " VALUES (?, ?, ?, ?, ?, ?, NULL)",
        entity,
        type_,
        system,
        key,
        role,
        tx.now,
        of=entity,
    )
    holders[type_, system, key] = Holder(entity, role)
    tx.known.holders = holders
    if known is not UNKNOWN and role is Role.LIVE:
        live = dict(sorted({**known.live, system: key}.items()))
        tx.known.put("binding", entity, Bound(live, known.retired))
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
    tx.run("UPDATE binding SET role = ? WHERE id = ?", role, row[0], of=entity)
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
        of=entity,
    )
    for _, role in found:
        tx.journal("binding", f"{entity}@{system}", str(role), "", why)
    return [(str(key), Role(role)) for key, role in found]


def generations(tx: Transaction, type_: str, system: str, key: str) -> int:
    """How many earlier records had this key there."""
    row = tx.one("SELECT count(*) FROM binding WHERE system = ? AND type = ? AND key = ?", system, type_, key)
    return int(row[0]) if row else 0
