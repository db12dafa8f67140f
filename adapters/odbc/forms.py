"""How a database family spells statements for many records, whose rows arrive as one JSON parameter."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import orjson

from adapters.odbc.catalog import Column

_TEXT = Column("", "varchar")
#: The values of one row, as they are bound.
Texts = Sequence[str | None]


class Packing(Enum):
    """How the rows stand in the JSON text."""

    ARRAYS = "arrays"
    OBJECTS = "objects"


@dataclass(frozen=True, slots=True)
class Sets:
    """How a database family spells them.

    minimum    version of the server from which on it knows them
    rows       a FROM item ``j`` of so many text columns, out of one parameter
    packing    how the parameter holds the rows
    match      a column of ``j`` as what is compared with a column of the table, so that its index is used
    join       between ``j`` and the table, where it is to be looked up row by row
    lock       end of the query that locks; {key} is the key column
    update     the statement: {table}, {rows}, {match}, {setters}
    setter     one of its setters: {name}, {value}
    delete     the statement: {table}, {rows}, {key}, {match}
    mark       marks all writes of the transaction with one text; "" where nothing can be marked
    own_text   the collation of text columns of the agent's own tables, for ``match``
    held       codes of the error that a statement took too long, or waited so for somebody else's lock
    """

    minimum: tuple[int, int]
    rows: Callable[[int], str]
    packing: Packing
    match: Callable[[str, Column], str]
    join: str
    lock: str
    update: str
    setter: str
    delete: str
    mark: str = ""
    own_text: Column = _TEXT
    held: frozenset[str] = frozenset()


def pack(sets: Sets, rows: Sequence[Texts]) -> str:
    """The parameter that holds the rows."""
    plain: list[object] = [list(row) for row in rows]
    if sets.packing is Packing.OBJECTS and rows:
        names = [f"c{place}" for place in range(len(rows[0]))]
        plain = [dict(zip(names, row, strict=True)) for row in rows]
    try:
        return orjson.dumps(plain).decode()
    except orjson.JSONEncodeError:  # a lone surrogate: the driver refuses it as it does in every parameter
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
