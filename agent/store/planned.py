"""How much was planned lately: per scope and minute, the records whose last command was planned then.

A record counts once, in the minute of its newest command that was not withdrawn before it was sent. The
counters say what a count over the outbox would say, at the price of a few rows read per command.
"""

from __future__ import annotations

from typing import NamedTuple

from agent.core.guard import Scope
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction

#: Width of a counter, in milliseconds: a window begins and ends on it.
MINUTE_MS = 60_000
#: A command that was withdrawn or refused before it was sent counts for nothing.
COUNTED = "(sent IS NOT NULL OR state NOT IN ('rejected', 'superseded'))"


class Window(NamedTuple):
    """The counters of a scope from a minute on."""

    begins: int
    counts: dict[int, int]

    def moved(self, at: int, by: int) -> Window:
        """One record more or less in a minute; there are never less than none."""
        if at < self.begins:
            return self
        self.counts[at] = max(self.counts.get(at, 0) + by, 0)
        return self


def minute(ms: int) -> int:
    """The minute in which a moment lies."""
    return ms // MINUTE_MS


def count(tx: Transaction, scope: Scope, entity: str, number: int) -> None:
    """A command was planned now: its record moves to this minute."""
    before, now = _last(tx, scope, entity, number), minute(tx.now)
    if before == now:
        return
    if before is not None:
        _less(tx, scope, before)
    _more(tx, scope, now)


def withdraw(tx: Transaction, scope: Scope, entity: str, number: int) -> None:
    """A command was withdrawn before it was sent: its record counts where it did before, if at all.

    It stood open until now, so that none of the same record and kind can be newer.
    """
    row = tx.one("SELECT planned FROM outbox WHERE number = ?", number)
    before, was = _before(tx, scope, entity, number), minute(int(row[0]) if row else tx.now)
    if before == was:
        return
    _less(tx, scope, was)
    if before is not None:
        _more(tx, scope, before)


def within(tx: Transaction, scope: Scope, window_ms: int) -> int:
    """How many records of a scope had a command planned within the window."""
    begins, known = minute(tx.now - window_ms), tx.known.get("planned", scope.name)
    if known is UNKNOWN or known.begins > begins:
        found = tx.rows(
            "SELECT minute, count FROM planned WHERE scope = ? AND minute >= ?", scope.name, begins
        )
        known = Window(begins, {int(at): int(count) for at, count in found})
        tx.known.put("planned", scope.name, known)
    return sum(count for at, count in known.counts.items() if at >= begins)


def forget(tx: Transaction, window_ms: int) -> None:
    """Drop the counters that no window reaches any more."""
    tx.run("DELETE FROM planned WHERE minute < ?", minute(tx.now - window_ms))


def _last(tx: Transaction, scope: Scope, entity: str, number: int) -> int | None:
    """The minute of the newest counted command of the same record and kind, before the one just added."""
    known = tx.known.get("outbox", entity)
    if known is not UNKNOWN and (known.all or (scope.target, scope.kind) in known.planned):
        before: int | None = known.planned.get((scope.target, scope.kind))
        return None if before is None else minute(before)
    return _before(tx, scope, entity, number)


def _before(tx: Transaction, scope: Scope, entity: str, number: int) -> int | None:
    """The minute of the newest counted command of the same record and kind before this one."""
    row = tx.one(
        "SELECT planned FROM outbox WHERE entity = ? AND target = ? AND kind = ? AND number < ?"  # noqa: S608 - ours
        f" AND {COUNTED} ORDER BY number DESC LIMIT 1",
        entity,
        scope.target,
        scope.kind,
        number,
    )
    return None if row is None else minute(int(row[0]))


def _more(tx: Transaction, scope: Scope, at: int) -> None:
    known = tx.known.get("planned", scope.name)
    tx.later(
        "INSERT INTO planned (scope, minute, count) VALUES (?, ?, 1)"
        " ON CONFLICT (scope, minute) DO UPDATE SET count = count + 1",
        scope.name,
        at,
        of=scope.name,
    )
    if known is not UNKNOWN:
        tx.known.put("planned", scope.name, known.moved(at, 1))


def _less(tx: Transaction, scope: Scope, at: int) -> None:
    known = tx.known.get("planned", scope.name)
    tx.later(
        "UPDATE planned SET count = count - 1 WHERE scope = ? AND minute = ? AND count > 0",
        scope.name,
        at,
        of=scope.name,
    )
    if known is not UNKNOWN:
        tx.known.put("planned", scope.name, known.moved(at, -1))
