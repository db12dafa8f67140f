"""The bare reference: the same records upserted by the same driver, without what makes it exactly once."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

Texts = tuple[str, ...]

TABLE = "bench_customer"
COLUMNS = ("id", "ref", "name", "street", "city", "country", "phone", "terms", "credit", "discount", "since")
_TYPES = (
    "BIGINT NOT NULL PRIMARY KEY",
    "VARCHAR(40) UNIQUE",
    *["VARCHAR(80)"] * 6,
    *["DECIMAL(15,2)"] * 2,
    "DATE",
)
_JSON = {
    "postgresql": "json_to_recordset(CAST(? AS json)) AS j({columns})",
    "mariadb": "JSON_TABLE(?, '$[*]' COLUMNS ({columns})) j",
}


def create_table(kind: str) -> str:
    """The table of eleven columns."""
    columns = ", ".join(f"{name} {type_}" for name, type_ in zip(COLUMNS, _TYPES, strict=True))
    return f"CREATE TABLE {TABLE} ({columns})" + (" ENGINE = InnoDB" if kind == "mariadb" else "")


def customer(number: int, city: str) -> Texts:
    """A row of it."""
    return (
        str(number),
        f"ref-{number}",
        f"Customer {number}",
        f"Street {number % 97}",
        city,
        "DE",
        f"+49 431 {number}",
        "Z030",
        f"{number % 9000}.50",
        "0.25",
        "2026-01-31",
    )


class BareLoop:
    """A user's connection that writes."""

    def __init__(self, odbc: Any, kind: str, connection: str) -> None:
        self._kind = kind
        self._connection = odbc.connect(connection, autocommit=False)
        self._connection.maxwrite = 1 << 30

    def close(self) -> None:
        """Hangs up."""
        self._connection.close()

    def each(self, rows: Sequence[Texts]) -> float:
        """A commit for each row. Returns the seconds."""
        cursor, statement = self._connection.cursor(), self._upsert()
        began = time.perf_counter()
        for row in rows:
            cursor.execute(statement, row)
            self._connection.commit()
        return time.perf_counter() - began

    def many(self, rows: Sequence[Texts], size: int) -> float:
        """``executemany``, a commit for so many rows. Returns the seconds."""
        cursor, statement = self._connection.cursor(), self._upsert()
        began = time.perf_counter()
        for start in range(0, len(rows), size):
            cursor.executemany(statement, list(rows[start : start + size]))
            self._connection.commit()
        return time.perf_counter() - began

    def sets(self, rows: Sequence[Texts], size: int) -> float:
        """One statement and one commit for so many rows. Returns the seconds."""
        cursor, statement = self._connection.cursor(), self._upsert_from_json()
        began = time.perf_counter()
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            plain = (
                some if self._kind == "mariadb" else [dict(zip(COLUMNS, row, strict=True)) for row in some]
            )
            cursor.execute(statement, json.dumps(plain, ensure_ascii=False))
            self._connection.commit()
        return time.perf_counter() - began

    def _upsert(self) -> str:
        marks = ", ".join("?" * len(COLUMNS))
        return f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({marks}) {self._or_update()}"

    def _upsert_from_json(self) -> str:
        if self._kind == "mariadb":
            columns = ", ".join(f"{name} TEXT PATH '$[{place}]'" for place, name in enumerate(COLUMNS))
            values = ", ".join(f"j.{name}" for name in COLUMNS)
        else:
            columns = ", ".join(f"{name} text" for name in COLUMNS)
            values = ", ".join(
                f"CAST(j.{name} AS {type_.split()[0]})" for name, type_ in zip(COLUMNS, _TYPES, strict=True)
            )
        rows = _JSON[self._kind].format(columns=columns)
        return (
            f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) SELECT {values} FROM {rows} WHERE 1 = 1"
            f" {self._or_update()}"
        )

    def _or_update(self) -> str:
        if self._kind == "mariadb":
            setters = ", ".join(f"{name} = VALUES({name})" for name in COLUMNS[1:])
            return f"ON DUPLICATE KEY UPDATE {setters}"
        setters = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
        return f"ON CONFLICT (id) DO UPDATE SET {setters}"
