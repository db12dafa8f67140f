"""Which triggers are there and enabled, and on which table.

One that moved away with its table, when another one took the table's name, is none of the table that has
it now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.odbc.dialect import Dialect, OwnTables
from adapters.odbc.session import Session
from agent.core.objects import ObjectSpec


@dataclass(frozen=True, slots=True)
class Trigger:
    """One as the database tells it.

    ``table``: None where it does not tell; ``identity``: which of that name.
    """

    name: str
    table: str | None
    identity: str


class Enabled:
    """All enabled triggers that this user can see."""

    def __init__(self, dialect: Dialect, own: OwnTables, found: Sequence[Trigger]) -> None:
        self._names = dialect.journal.names
        self._own = own
        self._found = found

    @classmethod
    def ask(cls, session: Session) -> Enabled:
        """As they are now. Raises SqlFault."""
        dialect = session.dialect
        found = []
        for row in session.rows(dialect.journal.present):
            name, *rest = map(str, row)
            table = rest.pop(0) if dialect.journal.tells_table else None
            found.append(Trigger(name, table, ".".join(rest)))
        return cls(dialect, session.erp.own, found)

    def of(self, spec: ObjectSpec) -> dict[str, list[str]]:
        """The identities of each trigger of an object, by its name; those that are not there are left out."""
        there: dict[str, list[str]] = {}
        for name in self._names(self._own, spec):
            identities = [one.identity for one in self._found if one.name == name and _on(one, spec)]
            if identities:
                there[name] = sorted(identities)
        return there

    def missing(self, spec: ObjectSpec) -> list[str]:
        """Names of those that are not there."""
        there = self.of(spec)
        return [name for name in self._names(self._own, spec) if name not in there]

    def elsewhere(self, spec: ObjectSpec) -> bool:
        """Whether a trigger of this object's names stands on another table."""
        names = self._names(self._own, spec)
        return any(one.name in names and not _on(one, spec) for one in self._found)


def _on(trigger: Trigger, spec: ObjectSpec) -> bool:
    return trigger.table is None or trigger.table == spec.name
