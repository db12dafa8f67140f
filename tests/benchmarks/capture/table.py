"""The captured table, its writers, and the statements of the bare reader."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import POSTGRESQL
from agent.core.objects import FieldSpec, FieldType, ObjectSpec

TABLE = "bench_account"
COLUMNS = ("name", "street", "city", "country", "phone", "terms", "credit")
#: Grows with every write.
RISING = "changed"
ACCOUNT = ObjectSpec(
    TABLE,
    "id",
    tuple(FieldSpec(name, FieldType.DECIMAL if name == "credit" else FieldType.TEXT) for name in COLUMNS),
)
#: Rows of one statement that fills or changes the table.
_SOME = 10_000
_WORDS = {
    "postgresql": {
        "moment": "timestamptz",
        "now": "clock_timestamp()",
        "engine": "",
        "numbers": "generate_series({first}, {last}) AS n(n)",
        "text": "CAST({} AS text)",
        "key": "CAST(a.id AS text) = j.key",
    },
    "mariadb": {
        "moment": "datetime(6)",
        "now": "sysdate(6)",
        "engine": " ENGINE = InnoDB",
        "numbers": "(SELECT seq AS n FROM seq_{first}_to_{last}) n",
        "text": "CAST({} AS CHAR)",
        "key": "a.id = CAST(j.`key` AS SIGNED)",
    },
}


def stamp(word: str, number: int) -> str:
    """What a change is known by."""
    return f"{word} {number}"


@dataclass
class Account:
    """The table on a server, seen by its users. One connection, for one thread."""

    odbc: Any
    dialect: Dialect
    connection: str

    def __post_init__(self) -> None:
        self._own = self.odbc.connect(self.connection, autocommit=True)
        self._words = _WORDS[self.dialect.name]

    def close(self) -> None:
        """Hang up."""
        self._own.close()

    def fill(self, rows: int) -> None:
        """Make the table with so many rows, numbered from one."""
        words = self._words
        texts = ", ".join(f"{name} VARCHAR(80)" for name in COLUMNS[:-1])
        self._own.execute(
            f"CREATE TABLE {TABLE} (id BIGINT NOT NULL PRIMARY KEY, {texts}, credit DECIMAL(15,2),"
            f" {RISING} {words['moment']} NOT NULL){words['engine']}"
        )
        number = words["text"].format("n.n")
        several = (
            [f"'{name} of ' || {number}" for name in COLUMNS[:-1]]
            if self.dialect is POSTGRESQL
            else [f"CONCAT('{name} of ', {number})" for name in COLUMNS[:-1]]
        )
        for first in range(1, rows + 1, _SOME):
            numbers = words["numbers"].format(first=first, last=min(first + _SOME - 1, rows))
            values = f"n.n, {', '.join(several)}, n.n / 4, {words['now']}"
            self._own.execute(f"INSERT INTO {TABLE} SELECT {values} FROM {numbers}")
        self._own.execute(f"CREATE INDEX {TABLE}_{RISING} ON {TABLE} ({RISING}, id)")
        self._own.execute("ANALYZE" if self.dialect is POSTGRESQL else f"ANALYZE TABLE {TABLE}")

    def touch(self, first: int, count: int, word: str) -> None:
        """Change so many rows, each of which is known by its stamp then; a commit for some thousands."""
        number = self._words["text"].format("id")
        name = f"'{word} ' || {number}" if self.dialect is POSTGRESQL else f"CONCAT('{word} ', {number})"
        for start in range(first, first + count, _SOME):
            self._own.execute(
                f"UPDATE {TABLE} SET name = {name}, {RISING} = {self._words['now']} WHERE id BETWEEN ? AND ?",
                start,
                min(start + _SOME, first + count) - 1,
            )

    def stamp_one(self, word: str, number: int) -> None:
        """Change the row of a number, and commit."""
        statement = f"UPDATE {TABLE} SET name = ?, {RISING} = {self._words['now']} WHERE id = ?"
        self._own.execute(statement, stamp(word, number), number)

    def journal(self, limit: int) -> str:
        """The bare reader's statement: rows of the journal behind a number, with the record of each."""
        names = ", ".join(f"a.{name}" for name in COLUMNS)
        return (
            f"SELECT j.seq, a.id, {names} FROM isthmus_journal j JOIN {TABLE} a ON {self._words['key']}"
            f" WHERE j.seq > ? ORDER BY j.seq LIMIT {limit}"
        )

    def rising(self, limit: int) -> str:
        """The same by the column that grows. It loses what commits late: it is only as fast as can be."""
        names = ", ".join(COLUMNS)
        return (
            f"SELECT {RISING}, id, {names} FROM {TABLE} WHERE {RISING} > ?"
            f" ORDER BY {RISING}, id LIMIT {limit}"
        )

    def newest(self, *, rising: bool) -> Any:
        """Where a bare reader begins so that it sees nothing of what is there."""
        column, table = (RISING, TABLE) if rising else ("seq", "isthmus_journal")
        found = self._own.execute(f"SELECT max({column}) FROM {table}").fetchone()[0]
        return 0 if found is None else found

    def rows(self, statement: str, behind: Any) -> Sequence[Any]:
        """What the bare reader gets."""
        if isinstance(behind, datetime) and self.dialect is not POSTGRESQL:
            behind = behind.isoformat(" ")  # MariaDB's driver binds a moment without its microseconds
        with closing(self._own.cursor()) as cursor:
            found: list[Any] = cursor.execute(statement, behind).fetchall()
            return found
