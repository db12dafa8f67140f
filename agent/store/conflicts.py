"""Conflicts: decisions about two values, with the loser's."""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.entity import Agreed
from agent.core.survivorship import Conflict
from agent.core.value import Canonical
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


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded conflict."""

    id: int
    entity: str
    field: str
    rule: str
    winner_system: str
    loser_system: str
    state: str


def get(tx: Transaction, number: int) -> Recorded | None:
    """One conflict."""
    row = tx.one(
        "SELECT id, entity, field, rule, winner_system, loser_system, state FROM conflict WHERE id = ?",
        number,
    )
    return Recorded(*row) if row else None


def waiting(tx: Transaction, entity: str, mark: str) -> int | None:
    """The open conflict behind a mark ``system.field`` of an entity."""
    row = tx.one(
        "SELECT max(id) FROM conflict WHERE entity = ? AND loser_system || '.' || field = ?"
        " AND state = 'open'",
        entity,
        mark,
    )
    return int(row[0]) if row and row[0] is not None else None


def known(tx: Transaction, entity: str, conflict: Conflict) -> bool:
    """Whether this very decision about this loser is written down."""
    return (
        tx.one(
            "SELECT 1 FROM conflict WHERE entity = ? AND field = ? AND rule = ? AND loser_system = ?"
            " AND loser = ?",
            entity,
            conflict.field,
            conflict.rule,
            conflict.loser_system,
            dump(conflict.loser),
        )
        is not None
    )


def between(tx: Transaction, entity: str, winner: str, loser: str) -> list[int]:
    """Open conflicts of an entity between these two values."""
    found = tx.rows(
        "SELECT id FROM conflict WHERE entity = ? AND winner = ? AND loser = ? AND state = 'open'",
        entity,
        dump(winner),
        dump(loser),
    )
    return [int(row[0]) for row in found]


def drop(tx: Transaction, entity: str, why: str) -> None:
    """Nobody has to rule any more: the record has ended. Both values stay in the rows."""
    for row in tx.rows("SELECT id FROM conflict WHERE entity = ? AND state = 'open'", entity):
        tx.run("UPDATE conflict SET state = 'decided' WHERE id = ?", row[0])
        tx.journal("conflict", str(row[0]), "open", "decided", why)


def refresh(tx: Transaction, number: int, winner: Agreed, loser: Canonical) -> None:
    """Show an open conflict with the values of today; another system may have said the winner's since."""
    tx.run(
        "UPDATE conflict SET winner = ?, winner_system = ?, loser = ? WHERE id = ?",
        dump(winner.value),
        winner.system,
        dump(loser),
        number,
    )


def decide(tx: Transaction, number: int, kept: str, reason: str) -> None:
    """Close a conflict by a person's ruling; the losing value stays in the row."""
    if kept == "loser":
        tx.run(
            "UPDATE conflict SET winner = loser, loser = winner, winner_system = loser_system,"
            " loser_system = winner_system WHERE id = ?",
            number,
        )
    tx.run("UPDATE conflict SET state = 'decided' WHERE id = ?", number)
    tx.journal("conflict", str(number), "open", "decided", reason)
