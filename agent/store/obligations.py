"""Obligations: what became of every observation for every target (I15)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.core.obligation import ObligationState
from agent.store.transaction import Transaction, dump

S = ObligationState


def add(tx: Transaction, seq: int, entity: str, targets: Iterable[str]) -> None:
    """Open an obligation of an observation for each target."""
    tx.run_many(
        "INSERT INTO obligation (inbox, target, entity, state) VALUES (?, ?, ?, 'open')",
        [(seq, target, entity) for target in targets],
    )


def carry(tx: Transaction, entity: str, target: str, command: int, *, coalesce: bool) -> None:
    """A command carries every open obligation; of those that it coalesces only the newest stays open.

    What an earlier, accepted command carried whole was delivered by that one.
    """
    confirm(tx, entity, target)
    open_ = tx.rows(
        "SELECT inbox FROM obligation WHERE entity = ? AND target = ? AND state = 'open' ORDER BY inbox",
        entity,
        target,
    )
    numbers = [int(row[0]) for row in open_]
    tx.run_many(
        "INSERT INTO cause (command, inbox) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(command, seq) for seq in numbers],
    )
    tx.run(
        "UPDATE obligation SET command = ? WHERE entity = ? AND target = ? AND state = 'open'",
        command,
        entity,
        target,
    )
    if coalesce and len(numbers) > 1:
        tx.run(
            "UPDATE obligation SET state = 'superseded' WHERE entity = ? AND target = ?"
            " AND state = 'open' AND inbox < ?",
            entity,
            target,
            numbers[-1],
        )


def confirm(tx: Transaction, entity: str, target: str) -> None:
    """What accepted commands carried has arrived; a partial one proves nothing for what it left out."""
    tx.run(
        "UPDATE obligation SET state = 'confirmed' WHERE entity = ? AND target = ? AND state = 'open'"
        " AND EXISTS (SELECT 1 FROM outbox WHERE number = obligation.command AND outbox.state = 'accepted'"
        " AND outbox.partial = 0)",
        entity,
        target,
    )


def because(tx: Transaction, command: int, seq: int | None) -> None:
    """Join a command to the observation that led to its plan (I28)."""
    if seq is not None:
        tx.run("INSERT INTO cause (command, inbox) VALUES (?, ?) ON CONFLICT DO NOTHING", command, seq)


def agree(tx: Transaction, entity: str, target: str) -> None:
    """The target holds what it should: nothing is left open for it, and what was sent has arrived."""
    tx.run(
        "UPDATE obligation SET state = 'confirmed' WHERE entity = ? AND target = ?"
        " AND state IN ('open', 'parked') AND EXISTS (SELECT 1 FROM outbox"
        " WHERE number = obligation.command AND outbox.state = 'accepted')",
        entity,
        target,
    )
    _settle(tx, entity, target, S.NO_DIFFERENCE, ("open", "parked"))


def park(tx: Transaction, entity: str, target: str) -> None:
    """What is open for the target waits for a person."""
    confirm(tx, entity, target)
    _settle(tx, entity, target, S.PARKED, ("open",))


def except_(tx: Transaction, entity: str, target: str) -> None:
    """An exception with owner and due date stands for what is open."""
    confirm(tx, entity, target)
    _settle(tx, entity, target, S.EXCEPTED, ("open",))


def reopen(tx: Transaction, entity: str, target: str) -> None:
    """A person asked for another try."""
    tx.run(
        "UPDATE obligation SET state = 'open', command = NULL WHERE entity = ? AND target = ?"
        " AND state IN ('parked', 'excepted')",
        entity,
        target,
    )


def correlation(tx: Transaction, entity: str, target: str) -> str | None:
    """The correlation id of the newest observation that is open for a target."""
    row = tx.one(
        "SELECT inbox.correlation FROM obligation JOIN inbox ON inbox.seq = obligation.inbox"
        " WHERE obligation.entity = ? AND obligation.target = ? AND obligation.state = 'open'"
        " ORDER BY inbox.seq DESC LIMIT 1",
        entity,
        target,
    )
    return str(row[0]) if row else None


def unsettled(tx: Transaction, after: str, limit: int) -> list[str]:
    """Entities behind ``after`` with something open and no command that stands for it, in order of id."""
    found = tx.rows(
        "SELECT DISTINCT entity FROM obligation AS o WHERE state = 'open' AND entity > ? AND NOT EXISTS"
        " (SELECT 1 FROM outbox WHERE outbox.entity = o.entity AND outbox.target = o.target"
        " AND outbox.state IN ('ready', 'sent', 'stored', 'uncertain')) ORDER BY entity LIMIT ?",
        after,
        limit,
    )
    return [str(row[0]) for row in found]


def open_of(tx: Transaction, entities: Sequence[str]) -> list[str]:
    """Those of these entities that have something open."""
    found = tx.rows(
        "SELECT DISTINCT entity FROM obligation WHERE state = 'open'"
        " AND entity IN (SELECT value FROM json_each(?)) ORDER BY entity",
        dump(list(entities)),
    )
    return [str(row[0]) for row in found]


def types_open(tx: Transaction) -> list[tuple[str, int]]:
    """Entity types with something open, and how much."""
    found = tx.rows(
        "SELECT entity.type, count(*) FROM obligation JOIN entity ON entity.id = obligation.entity"
        " WHERE obligation.state = 'open' GROUP BY entity.type"
    )
    return [(str(type_), int(count)) for type_, count in found]


def _settle(
    tx: Transaction, entity: str, target: str, state: ObligationState, among: tuple[str, ...]
) -> None:
    marks = ", ".join("?" for _ in among)
    tx.run(
        f"UPDATE obligation SET state = ? WHERE entity = ? AND target = ? AND state IN ({marks})",  # noqa: S608
        state,
        entity,
        target,
        *among,
    )
