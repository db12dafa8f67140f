"""Tables and columns as the ERP's own catalog names them: the only source of identifiers in our SQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SIZES = re.compile(r"^\s*([a-z0-9_ ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``length`` in characters, ``scale`` in decimal places, None where unlimited or unknown."""

    name: str
    type_name: str
    length: int | None = None
    scale: int | None = None

    @property
    def padded(self) -> bool:
        """CHAR(n): trailing blanks mean nothing."""
        return self.type_name in {"char", "bpchar", "nchar", "character"}


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its columns by exact name and the names of its primary key columns."""

    name: str
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...]

    def column(self, name: str) -> Column:
        """The column of that exact name; KeyError if there is none."""
        return self.columns[name]


def reflect(cursor: Any, name: str) -> Table | None:
    """Read a table's shape from the driver's catalog; None when the ERP has no such table for this user."""
    schema, _, bare = name.rpartition(".")
    # catalog functions take patterns, in which "_" stands for any character: compare exactly afterwards
    found = [
        row
        for row in cursor.columns(table=bare, schema=schema or None).fetchall()
        if row[2] == bare and (not schema or row[1] == schema)
    ]
    if not found:
        return None
    home = found[0][1]
    found = [row for row in found if row[1] == home]
    extra = {description[0]: index for index, description in enumerate(cursor.description or ())}
    columns = {row[3]: _column(row, extra) for row in found}
    keys = cursor.primaryKeys(table=bare, schema=schema or home or None).fetchall()
    ordered = sorted((row for row in keys if row[2] == bare), key=lambda row: row[4])
    return Table(name=name, columns=columns, primary_key=tuple(row[3] for row in ordered))


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    """psqlodbc tells limits by ``typmod`` (-1: none), libsqliteodbc only in the declared type's text."""
    declared = _SIZES.match(row[5] or "")
    type_name = (declared.group(1) if declared else row[5] or "text").lower()
    first = int(declared.group(2)) if declared and declared.group(2) else None
    second = int(declared.group(3)) if declared and declared.group(3) else None
    if "typmod" in extra:
        typmod = row[extra["typmod"]]
        limited = typmod is not None and typmod >= 0
        first = row[6] if limited else None
        second = row[8] if limited and type_name == "numeric" else None
    numeric = type_name in {"numeric", "decimal"}
    if numeric:
        return Column(row[3], type_name, None, (second or 0) if first is not None else None)
    textual = type_name in {"text", "varchar", "bpchar", "char", "nchar", "nvarchar", "character"}
    return Column(row[3], type_name, first if textual else None, None)


def unique_columns(cursor: Any, name: str) -> frozenset[str]:
    """Columns that alone are unique in the table."""
    schema, _, bare = name.rpartition(".")
    indexes: dict[str, list[str]] = {}
    for row in cursor.statistics(bare, schema=schema or None, unique=True).fetchall():
        if row[2] == bare and row[3] == 0 and row[5] and row[8]:
            indexes.setdefault(row[5], []).append(str(row[8]).strip('"'))
    return frozenset(columns[0] for columns in indexes.values() if len(columns) == 1)
