"""A table whose changes the scripted server tracks, as Change Tracking does: net, in order of commits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.odbc.tds.catalog import Table, describe
from tests.odbc.tds.datatypes import INT, NVARCHAR
from tests.odbc.tds.request import Statement
from tests.odbc.tds.script import Effect, Rows, Script
from tests.odbc.tds.tokens import Column

_TEXT = NVARCHAR(255)
_COUNT = re.compile(r"FETCH NEXT (\d+)")
#: What asks for the changes, and what for the state.
CHANGES = r"FROM CHANGETABLE\(CHANGES \[customer\]"
STATE = r"CHANGE_TRACKING_CURRENT_VERSION"


def rows_of(*values: tuple[object, ...]) -> Rows:
    """Rows of texts."""
    width = len(values[0]) if values else 1
    return Rows([Column(f"c{place}", _TEXT) for place in range(width)], values)


@dataclass
class Tracked:
    """Table ``customer`` (customer_id, name). Keys of ``log`` have version, operation and context."""

    current: int | None = 100
    oldest: int | None = 40
    begun: int = 40
    number: int = 7
    fork: str = "f0"
    viewed: int = 1
    rows: dict[int, str] = field(default_factory=dict)
    log: dict[int, tuple[int, str, str | None]] = field(default_factory=dict)

    def describe(self, script: Script, primary_key: str = "customer_id") -> None:
        """Let the server know the table."""
        columns = [Column("customer_id", INT), Column("name", NVARCHAR(40))]
        describe(script, Table("customer", columns, primary_key=[primary_key]))
        types = [Column(f"c{place}", _TEXT if place < 2 else INT) for place in range(6)]
        known = [("customer_id", "int", None, 0, None, None), ("name", "nvarchar", 40, None, None, None)]
        script.on(r"FROM INFORMATION_SCHEMA.COLUMNS", Rows(types, known))
        script.on(r"^SELECT 1$", rows_of(("1",)))
        script.on(r"^EXEC sys.sp_set_session_context", Effect())
        script.on(STATE, self.state)
        script.on(CHANGES, self.changes)
        script.on(r"FROM \[customer\] WHERE", self.read)

    def write(self, names: dict[int, str | None], mark: str | None = None) -> None:
        """One transaction: what rows are to be called; None deletes."""
        assert self.current is not None
        self.current += 1
        for key, name in names.items():
            op = "D" if name is None else "U" if key in self.rows else "I"
            self.log[key] = (self.current, op, mark)
            if name is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = name

    def truncate(self) -> None:
        """All rows go, and none of them is tracked."""
        self.rows.clear()
        self.log.clear()
        assert self.current is not None
        self.begun = self.oldest = self.current

    def state(self, asked: Statement) -> list[Rows]:
        """The version of now, the oldest one kept, the identity, and whether snapshots are allowed."""
        identity = f"{self.number}.{self.begun}.{self.fork}"
        return [rows_of((_text(self.current), _text(self.oldest), identity, str(self.viewed)))]

    def changes(self, asked: Statement) -> list[Rows]:
        """What a page of them holds."""
        since, upto, *behind = (int(str(parameter.value)) for parameter in asked.parameters)
        found = sorted(
            (version, key, op, mark)
            for key, (version, op, mark) in self.log.items()
            if since < version <= upto and (not behind or (version, key) > (behind[0], behind[1]))
        )
        match = _COUNT.search(asked.sql)
        assert match is not None
        page = [(str(version), op, str(key), mark) for version, key, op, mark in found[: int(match[1])]]
        return [Rows([Column(f"c{place}", _TEXT) for place in range(4)], page)]

    def read(self, asked: Statement) -> list[Rows]:
        """Records by key."""
        keys = [int(str(parameter.value)) for parameter in asked.parameters]
        found = [(str(key), self.rows[key]) for key in keys if key in self.rows]
        return [Rows([Column(f"c{place}", _TEXT) for place in range(2)], found)]


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
