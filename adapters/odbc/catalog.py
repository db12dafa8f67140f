"""Tables and columns as the ERP's own catalog names them: the only source of identifiers in our SQL."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
    charset    Python's name of the character set that it keeps; "" where it keeps all, or refuses by itself
    no_empty   an empty text is stored as null there
    collation  by which its texts are compared, where that decides whether an index can be used
    blank      what it holds instead of null: it takes no null, and its own default is this blank text
    members    the only texts that it takes, in their order; None where it takes any
    filled     a number that is read with zeros in front
    """

    name: str
    type_name: str
    length: int | None = None
    scale: int | None = None
    zoned: bool = False
    fraction: int | None = None
    charset: str = ""
    no_empty: bool = False
    blank: str | None = None
    collation: str = ""
    members: tuple[str, ...] | None = None
    filled: bool = False

    @property
    def padded(self) -> bool:
        """CHAR(n): trailing blanks mean nothing."""
        return self.type_name in {"char", "bpchar", "nchar", "character"}


#: Types that hold a point in time whatever the session's zone.
_ZONED = frozenset({"datetimeoffset", "timestamp with time zone", "timestamp with local time zone"})
#: Of Windows and of IBM.
_UNICODE = (None, 0, 1200, 65001, 1208, 13488, 61952)
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


def retyped(column: Column, row: Any) -> Column:
    """A column as the server's own catalog tells it: name, type, length, scale, fraction and code page."""
    type_name = str(row[1]).lower()
    numeric = type_name in {"decimal", "numeric", "number"} or "int" in type_name
    return replace(
        column,
        type_name=type_name,
        length=row[2] if row[2] is not None and row[2] > 0 else None,
        scale=int(row[3]) if numeric and row[3] is not None else None,
        fraction=row[4],
        zoned=type_name in _ZONED,
        charset=_codec(row[5]),
    )


_MEMBER = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def members_of(declared: str) -> tuple[str, ...]:
    """The texts in the declaration of an enumeration: ``enum('open','closed')``."""

    def plain(found: re.Match[str]) -> str:
        return _CONTROL.get(found[1], found[1]) if found[1] else "'"

    return tuple(_ESCAPED.sub(plain, member) for member in _MEMBER.findall(declared))


def _codec(page: Any) -> str:
    """Python's name of a code page or character set; "" for Unicode, and for what Python does not know."""
    if page in _UNICODE:
        return ""
    try:
        return codecs.lookup(f"cp{page:03d}" if isinstance(page, int) else str(page)).name
    except LookupError:
        return ""


def unique_columns(cursor: Any, name: str, home: Home) -> frozenset[str]:
    """Columns that alone are unique in the table."""
    place, _, bare = name.rpartition(".")
    indexes: dict[str, list[str]] = {}
    for row in cursor.statistics(bare, unique=True, **home.named(place)).fetchall():
        if row[2] == bare and row[3] == 0 and row[5] and row[8]:
            indexes.setdefault(row[5], []).append(str(row[8]).strip('"'))
    return frozenset(columns[0] for columns in indexes.values() if len(columns) == 1)
