"""Tables and columns as the ERP's own catalog names them: the only source of identifiers in our SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Home(Enum):
    """What the first half of a dotted table name is to the driver's catalog functions."""

    CATALOG = 0
    SCHEMA = 1

    def named(self, name: str) -> dict[str, str]:
        """The argument of a catalog function; none for a table of no named home."""
        return {self.name.lower(): name} if name else {}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``length`` in characters, ``scale`` in decimal places, None where unlimited or unknown.

    zoned      a point in time whatever the session's zone, told and taken in UTC (or with its offset)
    fraction   decimal places of a second that a time or date-time keeps; None for other columns, and unknown
    blank      what it holds instead of null: it takes no null, and its own default is this blank text
    """

    name: str
    type_name: str
    length: int | None = None
    scale: int | None = None
    zoned: bool = False
    fraction: int | None = None
    blank: str | None = None

    @property
    def padded(self) -> bool:
        """CHAR(n): trailing blanks mean nothing."""
        return self.type_name in {"char", "bpchar", "nchar", "character"}


_BLANK = re.compile(r"^[\s(]*N?'( *)'(::[\w ]+(\(\d+\))?)?[\s)]*$")


def blank_of(row: Any, *, quoted: bool = True) -> str | None:
    """What a row of the driver's catalog says that a column without null holds instead of it.

    Only where its own default says so: a mandatory column without one stays mandatory. ``quoted``: the
    driver tells a default as it is written in SQL.
    """
    default = row[12]
    if row[10] != 0 or default is None:
        return None
    if not quoted:
        return str(default) if not str(default).strip(" ") else None
    found = _BLANK.match(default)
    return found.group(1) if found else None


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its columns by exact name and the names of its primary key columns.

    ``rolls_back``: whether its storage engine takes part in transactions.
    """

    name: str
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...]
    rolls_back: bool = True

    def column(self, name: str) -> Column:
        """The column of that exact name; KeyError if there is none."""
        return self.columns[name]


def reflect(
    cursor: Any, name: str, home: Home, column: Callable[[Any, Mapping[str, int]], Column]
) -> Table | None:
    """Read a table's shape from the driver's catalog; None when the ERP has no such table for this user."""
    place, _, bare = name.rpartition(".")
    # catalog functions take patterns, in which "_" stands for any character: compare exactly afterwards
    found = [
        row
        for row in cursor.columns(table=bare, **home.named(place)).fetchall()
        if row[2] == bare and (not place or row[home.value] == place)
    ]
    if not found:
        return None
    first = found[0][home.value]
    found = [row for row in found if row[home.value] == first]
    extra = {description[0]: index for index, description in enumerate(cursor.description or ())}
    columns = {row[3]: column(row, extra) for row in found}
    keys = cursor.primaryKeys(table=bare, **home.named(place or first or "")).fetchall()
    ordered = sorted((row for row in keys if row[2] == bare), key=lambda row: row[4])
    return Table(name=name, columns=columns, primary_key=tuple(row[3] for row in ordered))


def unique_columns(cursor: Any, name: str, home: Home) -> frozenset[str]:
    """Columns that alone are unique in the table."""
    place, _, bare = name.rpartition(".")
    indexes: dict[str, list[str]] = {}
    for row in cursor.statistics(bare, unique=True, **home.named(place)).fetchall():
        if row[2] == bare and row[3] == 0 and row[5] and row[8]:
            indexes.setdefault(row[5], []).append(str(row[8]).strip('"'))
    return frozenset(columns[0] for columns in indexes.values() if len(columns) == 1)
