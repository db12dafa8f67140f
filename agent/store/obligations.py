"""Obligations: what became of every observation for every target (I15)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from agent.core.obligation import ObligationState
from agent.core.record import record
from agent.store import inbox
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump

S = ObligationState


class Standing(NamedTuple):
    """An obligation of an entity that is open or parked, and what carries it."""

    inbox: int
    target: str
    state: str
    command: int | None


def read_ahead(tx: Transaction, entities: Collection[str], targets: Collection[str]) -> None:
    """Learn what stands open or parked of these entities; ``targets``: all that they may be owed to."""
    standing: dict[str, list[Standing]] = {entity: [] for entity in entities}
    found = tx.rows(
        "SELECT one.value, inbox, target, state, command FROM json_each(?) AS one CROSS JOIN obligation"
        " ON obligation.entity = one.value AND target IN (SELECT value FROM json_each(?))"
        " AND state IN ('open', 'parked') ORDER BY inbox",
        dump(list(entities)),
        dump(list(targets)),
    )
    for entity, *row in found:
        standing[entity].append(Standing(*row))
    tx.known.put_all("obligation", standing)


def add(tx: Transaction, seq: int, entity: str, targets: Iterable[str]) -> None:
    """Open an obligation of an observation for each target."""
    known, added = tx.known.get("obligation", entity), tuple(targets)
    for target in added:
        tx.later(
            "INSERT INTO obligation (inbox, target, entity, state) VALUES (?, ?, ?, 'open')",
            seq,
            target,
            entity,
            of=entity,
        )
    if known is not UNKNOWN:
        new = [Standing(seq, target, "open", None) for target in added]
        tx.known.put("obligation", entity, [*known, *new])


@record(frozen=True, slots=True)
class Load:
    """What stands open for a target, oldest first; ``correlation``: of the newest observation, if any.

    ``because``: the observation that led to the plan, which is a cause of its command too (I28).
    """

    numbers: tuple[int, ...]
    correlation: str | None
    because: int | None = None


def standing(tx: Transaction, entity: str, target: str) -> Load:
    """What a command would carry: what an earlier, accepted one carried whole was delivered by that one."""
    known = tx.known.get("obligation", entity)
    if known is not UNKNOWN:
        open_ = [one for one in known if one.target == target and one.state == S.OPEN]
        if all(one.command is None for one in open_):
            last = inbox.correlation(tx, open_[-1].inbox) if open_ else None
            return Load(tuple(one.inbox for one in open_), last)
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
    known = tx.known.get("obligation", entity)
    for seq in causes:
        tx.later(
            "INSERT INTO cause (command, inbox) VALUES (?, ?) ON CONFLICT DO NOTHING",
            command,
            seq,
            of=command,
        )
    tx.later(
        "UPDATE obligation SET command = ? WHERE entity = ? AND target = ? AND state = 'open'",
        command,
        entity,
        target,
        of=entity,
    )
    if coalesce and len(numbers) > 1:
        tx.run(
            "UPDATE obligation SET state = 'superseded' WHERE entity = ? AND target = ?"
            " AND state = 'open' AND inbox < ?",
            entity,
            target,
            numbers[-1],
            of=entity,
        )
    elif known is not UNKNOWN:
        carried = [
            one._replace(command=command) if one.target == target and one.state == S.OPEN else one
            for one in known
        ]
        tx.known.put("obligation", entity, carried)


def confirm(tx: Transaction, entity: str, target: str) -> None:
    """What accepted commands carried has arrived; a partial one proves nothing for what it left out."""
    tx.run(
        "UPDATE obligation SET state = 'confirmed' WHERE entity = ? AND target = ? AND state = 'open'"
        " AND EXISTS (SELECT 1 FROM outbox WHERE number = obligation.command AND outbox.state = 'accepted'"
        " AND outbox.partial = 0)",
        entity,
        target,
        of=entity,
    )


def agree(tx: Transaction, entity: str, target: str) -> None:
    """The target holds what it should: nothing is left open for it, and what was sent has arrived."""
    known = tx.known.get("obligation", entity)
    if known is not UNKNOWN and all(one.target != target for one in known):
        return
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
        of=entity,
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
        of=entity,
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
        of=entity,
    )
