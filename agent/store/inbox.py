"""The inbox: every observation, once, as it came, before anything is made of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from agent.clock import milliseconds
from agent.core.change import Change, ChangeKind
from agent.core.record import record
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump

_COLUMNS = (
    "system, stream, source_id, kind, object, key, operation, order_no, at, received, origin,"
    " transaction_key, fields, raw, reason, entity, targets, correlation"
)
_PLACES = ", ".join("?" * len(_COLUMNS.split(",")))


@record(frozen=True, slots=True)
class Received:
    """One row to write: a change as it concerns one key (a merged event becomes a row per key).

    ``entity``: what it is about, where that is known;  ``targets``: how many obligations it makes.
    """

    system: str
    change: Change
    key: str | None
    entity: str | None = None
    targets: int = 0

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from every other observation."""
        return self.system, self.change.stream, self.source_id

    @property
    def correlation(self) -> str:
        """The correlation id that begins with it."""
        return f"{self.system}:{self.source_id}"

    @property
    def source_id(self) -> str:
        """Its identity within (system, stream)."""
        single = len(self.change.keys) < 2
        return self.change.source_id if single else f"{self.change.source_id}#{self.key}"


def read_ahead(tx: Transaction, system: str, stream: str, source_ids: Collection[str]) -> None:
    """Learn which of these observations were already here."""
    found = tx.rows(
        "SELECT source_id FROM inbox WHERE system = ? AND stream = ?"
        " AND source_id IN (SELECT value FROM json_each(?))",
        system,
        stream,
        dump(list(source_ids)),
    )
    here = {str(row[0]) for row in found}
    tx.known.put_all("inbox", {(system, stream, one): one in here for one in source_ids})


def known(tx: Transaction, received: Received) -> bool:
    """Whether an observation was already here (I2)."""
    fact = tx.known.get("inbox", received.identity)
    if fact is not UNKNOWN:
        return bool(fact)
    statement = "SELECT 1 FROM inbox WHERE system = ? AND stream = ? AND source_id = ?"
    return tx.one(statement, received.system, received.change.stream, received.source_id) is not None


def add(tx: Transaction, received: Received) -> int | None:
    """Write an observation; None when it was already here (I2)."""
    row, identity = _row(tx, received), received.identity
    if tx.known.get("inbox", identity) is False:
        seq = tx.next_of("inbox")
        statement = f"INSERT INTO inbox (seq, {_COLUMNS}) VALUES (?, {_PLACES})"  # noqa: S608 - our own names
        tx.later(statement, seq, *row, of=identity)
        tx.known.put("inbox", identity, True)
        tx.known.put("inbox", seq, received.correlation)
        return seq
    return tx.insert_new(
        f"INSERT INTO inbox ({_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608 - our own names
        " ON CONFLICT (system, stream, source_id) DO NOTHING RETURNING seq",
        *row,
    )


def _row(tx: Transaction, received: Received) -> tuple[Any, ...]:
    change = received.change
    return (
        received.system,
        change.stream,
        received.source_id,
        change.kind,
        change.object,
        received.key,
        change.operation,
        change.order,
        milliseconds(change.at) if change.at else None,
        tx.now,
        change.origin,
        change.transaction,
        _fields(change),
        change.raw or None,
        change.reason,
        received.entity,
        received.targets,
        received.correlation,
    )


def attach(tx: Transaction, seq: int, entity: str, targets: int) -> None:
    """Say which entity an observation is about and how many obligations it made."""
    tx.run("UPDATE inbox SET entity = ?, targets = ? WHERE seq = ?", entity, targets, seq)


def correlation(tx: Transaction, seq: int) -> str:
    """The correlation id that an observation began."""
    fact = tx.known.get("inbox", seq)
    if fact is not UNKNOWN:
        return str(fact)
    row = tx.one("SELECT correlation FROM inbox WHERE seq = ?", seq)
    return str(row[0]) if row else ""


def waits(tx: Transaction, system: str, key: str) -> bool:
    """Whether anything came under a key before anything knew what it was about."""
    statement = "SELECT 1 FROM inbox WHERE system = ? AND key = ? AND entity IS NULL LIMIT 1"
    return tx.one(statement, system, key) is not None


def unattached(
    tx: Transaction, system: str, key: str, kind: ChangeKind, object_: str | None = None
) -> list[tuple[int, Kept]]:
    """Observations that came before anything knew what they were about, oldest first.

    ``object_`` is None only for answers, whose key is a number of ours.
    """
    found = tx.rows(
        "SELECT seq, operation, order_no, fields, raw FROM inbox WHERE system = ? AND key = ? AND kind = ?"
        " AND (? IS NULL OR object = ?) AND entity IS NULL ORDER BY seq",
        system,
        key,
        kind,
        object_,
        object_,
    )
    return [(int(row[0]), Kept(row[1], int(row[2]), row[3], row[4] or b"")) for row in found]


def unbound(tx: Transaction, after_ms: int, limit: int) -> list[tuple[int, str, str, str]]:
    """Observations of records that no entity is bound to: (seq, system, object, key)."""
    found = tx.rows(
        "SELECT seq, system, object, key FROM inbox WHERE entity IS NULL AND key IS NOT NULL AND reason = ''"
        " AND kind IN ('event', 'read', 'told', 'gap') AND received <= ? ORDER BY seq LIMIT ?",
        tx.now - after_ms,
        limit,
    )
    return [(int(row[0]), str(row[1]), str(row[2]), str(row[3])) for row in found]


def explain(tx: Transaction, seq: int, reason: str) -> None:
    """Say why nothing was made of an observation."""
    tx.run("UPDATE inbox SET reason = ? WHERE seq = ?", reason, seq)


@dataclass(frozen=True, slots=True)
class Kept:
    """An observation as it was kept; ``fields`` is JSON text."""

    operation: str
    order: int
    fields: str
    raw: bytes


def _fields(change: Change) -> str:
    """The fields as JSON. Whatever a driver gave is kept: what JSON cannot hold, as its Python text."""
    try:
        return orjson.dumps(dict(change.fields), default=_text).decode()
    except TypeError:
        kept = {name: repr(value) for name, value in change.fields.items()}
        return orjson.dumps(kept).decode()


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
