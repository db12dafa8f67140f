"""Plans that sent nothing, and what they wait for."""

from __future__ import annotations

from collections.abc import Collection

from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump


def read_ahead(tx: Transaction, entities: Collection[str]) -> None:
    """Learn what these entities wait for."""
    waiting: dict[str, dict[str, tuple[str, str]]] = {entity: {} for entity in entities}
    found = tx.rows(
        "SELECT entity, target, reason, waits_on FROM waiting"
        " WHERE entity IN (SELECT value FROM json_each(?))",
        dump(list(entities)),
    )
    for entity, target, reason, on_ in found:
        waiting[entity][target] = (reason, on_)
    tx.known.put_all("waiting", waiting)


def note(tx: Transaction, entity: str, target: str, reason: str, on: str) -> None:
    """Write down why nothing was sent."""
    known = tx.known.get("waiting", entity)
    if known is not UNKNOWN and known.get(target) == (reason, on):
        return
    tx.later(
        "INSERT INTO waiting (entity, target, reason, waits_on, since) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (entity, target) DO UPDATE SET reason = excluded.reason, waits_on = excluded.waits_on",
        entity,
        target,
        reason,
        on,
        tx.now,
        of=entity,
    )
    if known is not UNKNOWN:
        tx.known.put("waiting", entity, {**known, target: (str(reason), on)})


def clear(tx: Transaction, entity: str, target: str) -> None:
    """Nothing is waited for any more."""
    known = tx.known.get("waiting", entity)
    if known is not UNKNOWN and target not in known:
        return
    tx.later("DELETE FROM waiting WHERE entity = ? AND target = ?", entity, target, of=entity)
    if known is not UNKNOWN:
        left = dict(known)
        del left[target]
        tx.known.put("waiting", entity, left)


def leads_to(tx: Transaction, entity: str, target: str, goal: str) -> bool:
    """Whether an entity waits at a target, over any number of others, for ``goal``: a cycle."""
    row = tx.one(
        "WITH RECURSIVE chain (entity) AS (VALUES (?) UNION SELECT waiting.waits_on FROM waiting"
        " JOIN chain ON waiting.entity = chain.entity WHERE waiting.target = ?"
        " AND waiting.reason IN ('parent', 'child')) SELECT 1 FROM chain WHERE entity = ?",
        entity,
        target,
        goal,
    )
    return row is not None


def on(tx: Transaction, what: str) -> list[tuple[str, str]]:
    """(entity, target) pairs that wait for an entity or a placeholder."""
    found = tx.rows("SELECT entity, target FROM waiting WHERE waits_on = ?", what)
    return [(str(entity), str(target)) for entity, target in found]


def withheld(tx: Transaction, target: str, type_: str, skip: int = 0, limit: int = -1) -> list[str]:
    """Records of a type that wait at a target for any of its fields, from the ``skip``-th of them around."""
    first = f"{target}.{type_}."
    found = tx.rows(
        "SELECT entity FROM waiting WHERE waits_on >= ? AND waits_on < ? AND reason = 'withheld'"
        " ORDER BY entity",
        first,
        f"{first[:-1]}/",
    )
    around = [str(row[0]) for row in found]
    start = skip % len(around) if around else 0
    around = around[start:] + around[:start]
    return around if limit < 0 else around[:limit]
