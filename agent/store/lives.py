"""The lives of a store: every start of an agent on it, on which machine, and what became of it (I22)."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.fence import Shown
from agent.errors import Fenced
from agent.store.transaction import Transaction

#: The meta row that names the life which may write; and the one that says what a new epoch left to do.
LIFE, RENEWAL = "life", "renewal"
#: Why every scope has a gap then.
RENEWED = "the store was put back from an older copy"


@dataclass(frozen=True, slots=True)
class Life:
    """A life that has begun.

    token     the store's counter when it began
    renewed   its epoch was begun because the store was older than what had been done with it
    lived     each earlier life of the store, in order → the store's counter when it began
    """

    id: str
    host: str
    token: int
    renewed: bool
    lived: Mapping[str, int]


def check(connection: sqlite3.Connection, where: str) -> None:
    """Raise Fenced when another life has taken over from the last one of this store."""
    row = connection.execute(
        "SELECT host, fenced_by FROM life WHERE fenced IS NOT NULL"
        " AND number = (SELECT max(number) FROM life)"
    ).fetchone()
    if row is not None:
        raise Fenced(
            f"this store ({row[0]}) was taken over from by {row[1]}",
            where=where,
            remedy="keep one of the two and remove the other; if this one is to go on, stop the other and"
            " run once: isthmus run --take-over",
        )


def begin(tx: Transaction, host: str, *, renewed: bool) -> Life:
    """Begin a life in the transaction's epoch; from now on no other one may write to this store."""
    lived = tx.rows("SELECT id, token, epoch, renewed FROM life ORDER BY number")
    renewed = renewed or any(bool(row[3]) and row[2] == tx.epoch for row in lived)
    life = Life(
        id=secrets.token_hex(8),
        host=host,
        token=tx.token,
        renewed=renewed,
        lived={str(row[0]): int(row[1]) for row in lived},
    )
    tx.run(
        "INSERT INTO life (id, epoch, token, renewed, host, begun, fenced_by) VALUES (?, ?, ?, ?, ?, ?, '')",
        life.id,
        tx.epoch,
        tx.token,
        int(renewed),
        host,
        tx.now,
    )
    _keep(tx, LIFE, life.id)
    tx.journal("life", life.id, "", "begun", f"epoch {tx.epoch} on {host}")
    return life


def fence(tx: Transaction, life: str, by: str) -> None:
    """Another life has taken over: this one is over, and nothing is written to this store after this."""
    tx.run("UPDATE life SET fenced = ?, fenced_by = ? WHERE id = ?", tx.now, by, life)
    _keep(tx, LIFE, "")
    tx.journal("life", life, "running", "fenced", by)


def shown(tx: Transaction, system: str) -> list[Shown]:
    """The marks that a system was shown, in order."""
    rows = tx.rows("SELECT life, token, stamp, held FROM shown WHERE system = ? ORDER BY number", system)
    return [Shown(str(row[0]), int(row[1]), str(row[2]), held=bool(row[3])) for row in rows]


def hold(tx: Transaction, system: str, stamp: str) -> None:
    """A system certainly had this mark."""
    tx.run("UPDATE shown SET held = 1 WHERE system = ? AND stamp = ? AND held = 0", system, stamp)


def show(tx: Transaction, system: str, mark: Shown, held: str) -> None:
    """Keep a mark before the system is shown it.

    ``held``: the stamp of the last one that it certainly had, "" where none is known. What this one makes
    worthless is forgotten: earlier tries, and earlier marks of its own life.
    """
    if held:
        hold(tx, system, held)
        tx.run(
            "DELETE FROM shown WHERE system = ?1 AND EXISTS (SELECT 1 FROM shown AS last WHERE"
            " last.system = ?1 AND last.stamp = ?2 AND shown.number < last.number"
            " AND (shown.held = 0 OR shown.life = last.life))",
            system,
            held,
        )
    tx.run(
        "INSERT INTO shown (system, life, token, stamp, held) VALUES (?, ?, ?, ?, 0)",
        system,
        mark.life,
        mark.token,
        mark.stamp,
    )


def leave_renewal(tx: Transaction, why: str) -> None:
    """A new epoch has begun because of ``why``: whoever knows the rules has to see to all scopes."""
    _keep(tx, RENEWAL, why)


def take_renewal(tx: Transaction) -> str | None:
    """Why all scopes have to be seen to, if they have; it is settled with this transaction."""
    row = tx.one("SELECT value FROM meta WHERE key = ?", RENEWAL)
    if row is None:
        return None
    tx.run("DELETE FROM meta WHERE key = ?", RENEWAL)
    return str(row[0])


def _keep(tx: Transaction, key: str, value: str) -> None:
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key,
        value,
    )
