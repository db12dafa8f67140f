"""Rows of a transaction that wait to be written together, and which statements must not pass them by.

A statement for a hundred rows costs a third of a hundred statements. Whoever hands a row over need not know
what follows: it is written before the first statement that names its table.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Row = tuple[Any, ...]
#: Rows of one statement that wait at most: a transaction may write any number.
MOST = 1_000

_NAMED = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)")
_WRITTEN = re.compile(r"^(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")


@cache
def named(statement: str) -> frozenset[str]:
    """The tables that a statement reads or writes, and perhaps a word that is none."""
    return frozenset(_NAMED.findall(statement))


@cache
def written(statement: str) -> str:
    """The table that a statement writes. Raises ValueError for one of another form."""
    found = _WRITTEN.match(statement)
    if found is None:
        raise ValueError(f"it does not begin with the table that it writes: {statement[:60]}")
    return found.group(1)


@dataclass(slots=True)
class _Group:
    """Rows for one statement; ``subjects``: what they are about."""

    statement: str
    rows: list[Row] = field(default_factory=list)
    subjects: set[Hashable] = field(default_factory=set)


class Pending:
    """The rows that wait, by table. Rows of one subject are written in the order in which they came."""

    def __init__(self) -> None:
        self._groups: dict[str, list[_Group]] = {}

    def add(self, table: str, statement: str, row: Row, subject: Hashable) -> bool:
        """Let a row wait, beside others of its statement unless something later about its subject waits.

        Whether so many wait now that they should be written.
        """
        groups = self._groups.get(table)
        if groups is None:
            groups = self._groups[table] = [_Group(statement)]
        group = groups[-1] if groups[-1].statement == statement else _joined(groups, statement, subject)
        group.rows.append(row)
        group.subjects.add(subject)
        return len(group.rows) >= MOST

    def due(self, statement: str) -> bool:
        """Whether rows wait that have to be written before this statement."""
        return bool(self._groups) and not self._groups.keys().isdisjoint(named(statement))

    def take(self, statement: str | None = None) -> Iterator[tuple[str, list[Row]]]:
        """Statements with their rows, in order; only those of tables that ``statement`` names, if given.

        They wait no longer, whether or not the writing succeeds.
        """
        tables = tuple(self._groups) if statement is None else named(statement) & self._groups.keys()
        for table in tables:
            for group in self._groups.pop(table):
                yield group.statement, group.rows

    def clear(self) -> None:
        """Nothing waits any more: it was taken back."""
        self._groups.clear()


def _joined(groups: list[_Group], statement: str, subject: Hashable) -> _Group:
    """The last group of a statement that no later row about the subject stands behind; a new one else."""
    for group in reversed(groups):
        if group.statement == statement:
            return group
        if subject in group.subjects:
            break
    groups.append(_Group(statement))
    return groups[-1]
