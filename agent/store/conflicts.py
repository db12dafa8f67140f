"""Conflicts: decisions about two values, with the loser's."""

from __future__ import annotations

from agent.core.survivorship import Conflict
from agent.store.transaction import Transaction, dump


def add(tx: Transaction, entity: str, conflict: Conflict, rules_version: str) -> int:
    """Write down a decision, or a conflict that waits for one."""
    number = tx.insert(
        "INSERT INTO conflict (entity, field, rule, rules_version, winner_system, winner, loser_system,"
        " loser, base, at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        entity,
        conflict.field,
        conflict.rule,
        rules_version,
        conflict.winner_system,
        dump(conflict.winner),
        conflict.loser_system,
        dump(conflict.loser),
        dump(conflict.base),
        tx.now,
        "decided" if conflict.decided else "open",
    )
    state = "decided" if conflict.decided else "open"
    tx.journal("conflict", str(number), "", state, f"{conflict.rule} on {conflict.field}")
    return number
