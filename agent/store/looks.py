"""Looks: until when it is known, for a type at a system, that no event was missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Look:
    """The last look. ``made``: when, by our clock;  ``until``: how far it reached, by the system's (ms)."""

    made: int
    until: int


def last(tx: Transaction, system: str, type_: str) -> Look | None:
    """The last look at a type; None where there was none."""
    row = tx.one("SELECT made, until FROM look WHERE system = ? AND type = ?", system, type_)
    return None if row is None else Look(int(row[0]), int(row[1]))


def note(tx: Transaction, system: str, type_: str, until: int) -> None:
    """A look was made now, and reached until then."""
    tx.run(
        "INSERT INTO look (system, type, made, until) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (system, type) DO UPDATE SET made = excluded.made, until = excluded.until",
        system,
        type_,
        tx.now,
        until,
    )


def earliest(tx: Transaction, system: str, types: Sequence[str]) -> int | None:
    """When (ms) the oldest of the last looks at these types was made; now for a type without one."""
    made = [look.made if (look := last(tx, system, type_)) is not None else 0 for type_ in types]
    return min(made, default=None)
