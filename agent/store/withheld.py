"""Fields that a system does not take, or does not show: one row for all records of a type."""

from __future__ import annotations

from dataclasses import dataclass

from agent.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Withheld:
    """A field of a type at a system. ``probe``: the record that may try to write it, or ""; ``due`` in ms."""

    target: str
    type: str
    field: str
    refused: bool
    unseen: bool
    tries: int
    due: int
    probe: str


def all_(tx: Transaction) -> list[Withheld]:
    """Every one."""
    found = tx.rows(
        "SELECT target, type, field, refused, unseen, tries, due, probe FROM withheld"
        " ORDER BY target, type, field"
    )
    return [
        Withheld(target, type_, field, bool(refused), bool(unseen), *rest)
        for target, type_, field, refused, unseen, *rest in found
    ]


def refuse(tx: Transaction, target: str, type_: str, field: str, due: int) -> None:
    """The target did not take a field: it is not sent any more; one record tries it again at ``due``."""
    tx.run(
        "INSERT INTO withheld (target, type, field, since, refused, unseen, tries, due, probe)"
        " VALUES (?, ?, ?, ?, 1, 0, 0, ?, '') ON CONFLICT (target, type, field)"
        " DO UPDATE SET refused = 1, probe = '', due = max(due, excluded.due)",
        target,
        type_,
        field,
        tx.now,
        due,
    )
    tx.journal("field", f"{target}.{type_}.{field}", "sent", "withheld", "the target does not take it")


def hide(tx: Transaction, target: str, type_: str, field: str) -> None:
    """Reads say nothing of a field any more."""
    tx.run(
        "INSERT INTO withheld (target, type, field, since, refused, unseen, tries, due, probe)"
        " VALUES (?, ?, ?, ?, 0, 1, 0, 0, '') ON CONFLICT (target, type, field) DO UPDATE SET unseen = 1",
        target,
        type_,
        field,
        tx.now,
    )
    tx.journal("field", f"{target}.{type_}.{field}", "read", "unseen", "reads say nothing of it")


def lifted_since(tx: Transaction, target: str, type_: str, field: str, why: str, since: int) -> bool:
    """Whether a field was sent again for this reason since a time (ms)."""
    row = tx.one(
        "SELECT 1 FROM journal WHERE subject = 'field' AND subject_id = ? AND after = 'sent' AND why = ?"
        " AND at >= ? LIMIT 1",
        f"{target}.{type_}.{field}",
        why,
        since,
    )
    return row is not None


def probe(tx: Transaction, one: Withheld, entity: str, due: int) -> None:
    """Let one record try, and the next one not before ``due`` (ms)."""
    tx.run(
        "UPDATE withheld SET tries = tries + 1, due = ?, probe = ?"
        " WHERE target = ? AND type = ? AND field = ?",
        due,
        entity,
        one.target,
        one.type,
        one.field,
    )


def lift(tx: Transaction, one: Withheld, why: str, *, refused: bool, unseen: bool) -> bool:
    """The field is taken, or seen, again. Whether nothing is left that stands in its way.

    What is left is tried at once: one of both is back, so that the other may be.
    """
    where = (one.target, one.type, one.field)
    left = (one.refused and not refused, one.unseen and not unseen)
    if any(left):
        tx.run(
            "UPDATE withheld SET refused = ?, unseen = ?, probe = '', due = min(due, ?) WHERE target = ?"
            " AND type = ? AND field = ?",
            int(left[0]),
            int(left[1]),
            tx.now,
            *where,
        )
    else:
        tx.run("DELETE FROM withheld WHERE target = ? AND type = ? AND field = ?", *where)
    tx.journal("field", ".".join(where), "withheld" if refused else "unseen", "sent", why)
    return not any(left)
