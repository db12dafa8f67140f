"""Catalogue procedures as SQL Server answers them: what drivers ask about types and tables.

`sp_columns` is the procedure for old clients, and the one that FreeTDS calls: it tells of date, time,
datetime2 and datetimeoffset as nvarchar and of (max) types as text, ntext and image. `sp_columns_100` tells
the truth. So says Microsoft of "down-level" clients; no real server was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.odbc.tds.datatypes import INT, NVARCHAR, SMALLINT, TINYINT, DataType
from tests.odbc.tds.request import Statement
from tests.odbc.tds.script import Rows, Script
from tests.odbc.tds.tokens import Column

_NAME = NVARCHAR(128)


def _columns(**types: DataType) -> list[Column]:
    return [Column(name, of) for name, of in types.items()]


_COLUMNS = _columns(
    TABLE_QUALIFIER=_NAME,
    TABLE_OWNER=_NAME,
    TABLE_NAME=_NAME,
    COLUMN_NAME=_NAME,
    DATA_TYPE=SMALLINT,
    TYPE_NAME=_NAME,
    PRECISION=INT,
    LENGTH=INT,
    SCALE=SMALLINT,
    RADIX=SMALLINT,
    NULLABLE=SMALLINT,
    REMARKS=NVARCHAR(254),
    COLUMN_DEF=NVARCHAR(4000),
    SQL_DATA_TYPE=SMALLINT,
    SQL_DATETIME_SUB=SMALLINT,
    CHAR_OCTET_LENGTH=INT,
    ORDINAL_POSITION=INT,
    IS_NULLABLE=NVARCHAR(254),
    SS_DATA_TYPE=TINYINT,
)
_TABLES = _columns(
    TABLE_QUALIFIER=_NAME,
    TABLE_OWNER=_NAME,
    TABLE_NAME=_NAME,
    TABLE_TYPE=NVARCHAR(32),
    REMARKS=NVARCHAR(254),
)
_KEYS = _columns(
    TABLE_QUALIFIER=_NAME,
    TABLE_OWNER=_NAME,
    TABLE_NAME=_NAME,
    COLUMN_NAME=_NAME,
    KEY_SEQ=SMALLINT,
    PK_NAME=_NAME,
)
_STATISTICS = _columns(
    TABLE_QUALIFIER=_NAME,
    TABLE_OWNER=_NAME,
    TABLE_NAME=_NAME,
    NON_UNIQUE=SMALLINT,
    INDEX_QUALIFIER=_NAME,
    INDEX_NAME=_NAME,
    TYPE=SMALLINT,
    SEQ_IN_INDEX=SMALLINT,
    COLUMN_NAME=_NAME,
    COLLATION=NVARCHAR(1),
    CARDINALITY=INT,
    PAGES=INT,
    FILTER_CONDITION=NVARCHAR(128),
)
_TYPES = _columns(TYPE_NAME=_NAME, DATA_TYPE=SMALLINT, PRECISION=INT)

#: ODBC's number for a type, and the name and number that old clients get instead.
_NUMBERS = {
    "bit": -7,
    "tinyint": -6,
    "smallint": 5,
    "int": 4,
    "bigint": -5,
    "decimal": 3,
    "numeric": 2,
    "real": 7,
    "float": 6,
    "money": 3,
    "datetime": 93,
    "smalldatetime": 93,
    "date": 91,
    "time": -154,
    "datetime2": 93,
    "datetimeoffset": -155,
    "char": 1,
    "varchar": 12,
    "text": -1,
    "nchar": -8,
    "nvarchar": -9,
    "ntext": -10,
    "binary": -2,
    "varbinary": -3,
    "image": -4,
    "uniqueidentifier": -11,
    "timestamp": -2,
}
_FOR_OLD_CLIENTS = {"date": 10, "time": 16, "datetime2": 27, "datetimeoffset": 34}
_LONG = {"varchar": "text", "nvarchar": "ntext", "varbinary": "image"}
_DIGITS = {
    "bit": 1,
    "tinyint": 3,
    "smallint": 5,
    "int": 10,
    "bigint": 19,
    "real": 24,
    "float": 53,
    "money": 19,
}
_DATES = {"datetime": (23, 3), "smalldatetime": (16, 0)}
#: The greatest size of the types that drivers ask about as they connect.
_GREATEST: dict[object, tuple[str, int]] = {
    12: ("varchar", 8000),
    -9: ("nvarchar", 4000),
    -3: ("varbinary", 8000),
    93: ("datetime2", 27),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table that catalogue procedures know. ``unique`` names columns with a unique index of their own."""

    name: str
    columns: Sequence[Column]
    primary_key: Sequence[str] = ()
    unique: Sequence[str] = ()
    database: str = "erp"
    schema: str = "dbo"


def _procedure(name: str) -> str:
    """A pattern for a procedure's name, with or without a database and a schema in front."""
    return rf"^([\w\[\]]*\.)*{name}$"


#: What about_types answers, called by name or as a batch.
OF_TYPES = r"^([\w\[\]]*\.)*sp_datatype_info"


def describe(script: Script, *tables: Table) -> None:
    """Let the catalogue procedures of a server tell of these tables and of no others."""

    def chosen(statement: Statement) -> list[Table]:
        return [table for table in tables if _is_asked(statement, table)]

    def rows(columns: list[Column], lines: Iterator[list[object]]) -> list[Rows]:
        return [Rows(columns, list(lines))]

    script.on(_procedure("sp_tables"), lambda asked: rows(_TABLES, _table_lines(chosen(asked))))
    script.on(_procedure("sp_columns"), lambda asked: rows(_COLUMNS, _column_lines(chosen(asked), old=True)))
    script.on(
        _procedure("sp_columns_100"), lambda asked: rows(_COLUMNS, _column_lines(chosen(asked), old=False))
    )
    script.on(_procedure("sp_pkeys"), lambda asked: rows(_KEYS, _key_lines(chosen(asked))))
    script.on(_procedure("sp_statistics"), lambda asked: rows(_STATISTICS, _index_lines(chosen(asked))))


def about_types(asked: Statement) -> list[Rows]:
    """How long a text, a binary or a date may be. Drivers ask by the type's number, once per server."""
    words = re.findall(r"-?\d+", asked.sql.partition("info")[2].removeprefix("_100"))
    number = asked.parameters[0].value if asked.parameters else int(words[0])
    name, size = _GREATEST[number]
    return [Rows(_TYPES, [(name, number, size)])]


def _is_asked(statement: Statement, table: Table) -> bool:
    given = {parameter.name: parameter.value for parameter in statement.parameters}
    return all(
        _like(str(given[name]), actual)
        for name, actual in (("@table_name", table.name), ("@table_owner", table.schema))
        if given.get(name) is not None
    )


def _like(pattern: str, text: str) -> bool:
    """T-SQL's LIKE, case aside as its collation has it."""
    parts = re.findall(r"\[.\]|.", pattern, re.DOTALL)
    signs = {"%": ".*", "_": "."}
    expression = "".join(signs.get(part) or re.escape(part.strip("[]") or part) for part in parts)
    return re.fullmatch(expression, text, re.IGNORECASE | re.DOTALL) is not None


def _home(table: Table) -> list[object]:
    return [table.database, table.schema, table.name]


def _table_lines(tables: Sequence[Table]) -> Iterator[list[object]]:
    for table in tables:
        yield [*_home(table), "TABLE", None]


def _column_lines(tables: Sequence[Table], *, old: bool) -> Iterator[list[object]]:
    for table in tables:
        for position, column in enumerate(table.columns, 1):
            number, name, precision, length, scale = _told(column.type, old=old)
            nullable = column.name not in table.primary_key
            radix = 10 if scale is not None else None
            octets = length if number in (1, 12, -1, -8, -9, -10) else None
            yield [
                *(*_home(table), column.name, number, name, precision, length, scale, radix),
                *(int(nullable), None, None, number, None, octets, position),
                *("YES" if nullable else "NO", None),
            ]


def _told(of: DataType, *, old: bool) -> tuple[int, str, int, int, int | None]:
    """A type's number, name, precision, length in bytes and scale, as a client of that age is told."""
    name = str(of).partition("(")[0]
    if of.user_type:
        name = "timestamp"
    if old and name in _FOR_OLD_CLIENTS:
        width = _FOR_OLD_CLIENTS[name]
        return _NUMBERS["nvarchar"], "nvarchar", width, 2 * width, None
    if str(of).endswith("(max)"):
        greatest = 2**30 - 1 if name == "nvarchar" else 2**31 - 1
        told = _LONG[name] if old else name
        return _NUMBERS[told], told, greatest if old else 0, 2**31 - 2 if old else 0, None
    if name in ("decimal", "numeric"):
        return _NUMBERS[name], name, of.precision, of.precision + 2, of.scale
    if name in _DIGITS:
        scale = None if name in ("real", "float") else 4 if name == "money" else 0
        return _NUMBERS[name], name, _DIGITS[name], of.size, scale
    if name in _DATES:
        return _NUMBERS[name], name, _DATES[name][0], 16, _DATES[name][1]
    characters = of.size // 2 if name in ("nchar", "nvarchar") else of.size
    return _NUMBERS[name], name, characters, of.size, None


def _key_lines(tables: Sequence[Table]) -> Iterator[list[object]]:
    for table in tables:
        for position, column in enumerate(table.primary_key, 1):
            yield [*_home(table), column, position, f"PK_{table.name}"]


def _index_lines(tables: Sequence[Table]) -> Iterator[list[object]]:
    for table in tables:
        yield [*_home(table), None, None, None, 0, None, None, None, 0, 0, None]
        indexes = {f"PK_{table.name}": table.primary_key}
        indexes |= {f"UQ_{table.name}_{column}": [column] for column in table.unique}
        for index, columns in indexes.items():
            for position, column in enumerate(columns, 1):
                yield [*_home(table), 0, table.name, index, 3, position, column, "A", 0, 0, None]
