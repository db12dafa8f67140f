"""Obligations: what became of every observation for every target (I15)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.core.obligation import ObligationState
from agent.store.transaction import Transaction, dump

S = ObligationState


def add(tx: Transaction, seq: int, entity: str, targets: Iterable[str]) -> None:
    """Open an obligation of an observation for each target."""
    tx.run_many(
        "INSERT INTO obligation (inbox, target, entity, state) VALUES (?, ?, ?, 'open')",
        [(seq, target, entity) for target in targets],
    )


@dataclass(frozen=True, slots=True)
class Load:
    """What stands open for a target, oldest first; ``correlation``: of the newest observation, if any.

    ``because``: the observation that led to the plan, which is a cause of its command too (I28).
    """

    numbers: tuple[int, ...]
    correlation: str | None
    because: int | None = None


def standing(tx: Transaction, entity: str, target: str) -> Load:
    """What a command would carry: what an earlier, accepted one carried whole was delivered by that one."""
    rows = _open(tx, entity, target)
    if any(row[1] is not None for row in rows):
        confirm(tx, entity, target)
        rows = _open(tx, entity, target)
    return Load(tuple(int(row[0]) for row in rows), str(rows[-1][2]) if rows else None)


def _open(tx: Transaction, entity: str, target: str) -> list[tuple[Any, ...]]:
    return tx.rows(
        "SELECT obligation.inbox, obligation.command, inbox.correlation FROM obligation"
        " JOIN inbox ON inbox.seq = obligation.inbox WHERE obligation.entity = ? AND obligation.target = ?"
        " AND obligation.state = 'open' ORDER BY obligation.inbox",
        entity,
        target,
    )


def carry(tx: Transaction, entity: str, target: str, command: int, load: Load, *, coalesce: bool) -> None:
    """A command carries every open obligation; of those that it coalesces only the newest stays open."""
    numbers, because = load.numbers, load.because
    causes = numbers if because is None or because in numbers else (*numbers, because)
    tx.run_many(
        "INSERT INTO cause (command, inbox) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(command, seq) for seq in causes],
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


def agree(tx: Transaction, entity: str, target: str) -> None:
    """The target holds what it should: nothing is left open for it, and what was sent has arrived."""
    if not tx.one(
        "SELECT 1 FROM obligation WHERE entity = ? AND target = ? AND state IN ('open', 'parked')",
        entity,
        target,
    ):
        return
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
