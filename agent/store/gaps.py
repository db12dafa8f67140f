"""Gaps: stretches of a stream that are missing, for a type at a system, until they have been read."""

from __future__ import annotations

from dataclasses import dataclass

from agent.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap. Columns as in the table."""

    type: str
    token: int
    behind: int | None
    begun: int | None
    resume: str
    taken: int


def open_(tx: Transaction, system: str, type_: str, why: str, behind: int | None) -> None:
    """A stretch is missing. A snapshot that has begun before now does not close it.

    ``behind``: nothing is missing that was committed up to then (ms, by the source's clock), if known.
    """
    tx.run(
        "INSERT INTO gap (system, type, since, token, why, behind, resume, taken, paced)"
        " VALUES (?, ?, ?, ?, ?, ?, '', 0, 0)"
        " ON CONFLICT (system, type) DO UPDATE SET token = excluded.token, why = excluded.why,"
        " behind = min(gap.behind, excluded.behind)",
        system,
        type_,
        tx.now,
        tx.token,
        why,
        behind,
    )
    tx.journal("scope", f"{type_}@{system}", "fresh", "stale", why)


def standing(tx: Transaction, system: str, why: str | None = None) -> list[Gap]:
    """What is missing at a system, for any reason or for this one, oldest first."""
    found = tx.rows(
        "SELECT type, token, behind, begun, resume, taken FROM gap WHERE system = ?"
        " AND (? IS NULL OR why = ?) ORDER BY since",
        system,
        why,
        why,
    )
    return [Gap(str(row[0]), int(row[1]), row[2], row[3], str(row[4]), int(row[5])) for row in found]


def begin(tx: Transaction, system: str, type_: str, begun: int, total: int | None) -> None:
    """A snapshot was begun at token ``begun``; nothing of an earlier one counts."""
    tx.run(
        "UPDATE gap SET begun = ?, resume = '', taken = 0, total = ?, going = ?, paced = 0"
        " WHERE system = ? AND type = ?",
        begun,
        total,
        tx.now,
        system,
        type_,
    )


def go_on(tx: Transaction, system: str, type_: str) -> None:
    """A snapshot goes on where it stopped."""
    tx.run("UPDATE gap SET going = ?, paced = taken WHERE system = ? AND type = ?", tx.now, system, type_)


def advance(
    tx: Transaction, system: str, type_: str, rows: int, resume: str | None, total: int | None
) -> None:
    """So many more rows were taken; from ``resume`` on it could go on, None: from where it could before."""
    tx.run(
        "UPDATE gap SET taken = taken + ?, resume = coalesce(?, resume), total = coalesce(?, total)"
        " WHERE system = ? AND type = ?",
        rows,
        resume,
        total,
        system,
        type_,
    )


def close(tx: Transaction, system: str, type_: str, issued: int, how: str) -> bool:
    """What was begun at token ``issued`` has seen everything; whether that closes the gap."""
    closed = tx.run("DELETE FROM gap WHERE system = ? AND type = ? AND token <= ?", system, type_, issued)
    if closed:
        tx.journal("scope", f"{type_}@{system}", "stale", "fresh", how)
    return closed == 1
