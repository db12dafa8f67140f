"""SQLite through libsqliteodbc: the demo's ERP, and small installations.

A limit of the driver: of a text that holds a NUL character it tells what stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.odbc.catalog import Column, blank_of
from adapters.odbc.dialect import (
    Dialect,
    Driver,
    Fault,
    Journal,
    OwnTables,
    Scratch,
    Verdict,
    first_sentence,
    literal,
    native_code,
    trigger_base,
)
from adapters.odbc.forms import Packing, Sets
from agent.core.objects import ObjectSpec

_TEXT = frozenset({"text", "varchar", "char", "nchar", "nvarchar", "clob", "character"})
_SIZES = re.compile(r"^\s*([a-z0-9_ ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$", re.IGNORECASE)
_FAULTS = {
    5: Fault.BUSY,
    6: Fault.BUSY,
    10: Fault.LOST,
    13: Fault.BUSY,
    1: Fault.SETUP,
    3: Fault.SETUP,
    8: Fault.SETUP,
    14: Fault.SETUP,
    18: Fault.INVALID,
    20: Fault.INVALID,
    26: Fault.SETUP,
}


def _classify(state: str, message: str) -> Verdict:
    """libsqliteodbc reports everything as HY000; the native code and the text tell the difference."""
    code = native_code(message)
    text = first_sentence(message)
    if code == 19:
        if "UNIQUE constraint failed" in text:
            return Verdict(Fault.DUPLICATE, "19-unique", text)
        if "NOT NULL constraint failed" in text:
            return Verdict(Fault.INVALID, "19-not-null", text)
        return Verdict(Fault.BUSINESS, "19", text)
    if "connect failed (14)" in message:
        return Verdict(Fault.SETUP, "14", "the database file does not exist or cannot be opened")
    if state.startswith("08"):
        return Verdict(Fault.LOST, state, text)
    return Verdict(_FAULTS.get(code, Fault.UNKNOWN), str(code) if code else state, text)


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    """Limits stand only in the declared type's text."""
    declared = _SIZES.match(row[5] or "")
    type_name = (declared.group(1) if declared else row[5] or "text").lower()
    first = int(declared.group(2)) if declared and declared.group(2) else None
    second = int(declared.group(3)) if declared and declared.group(3) else None
    if type_name in {"numeric", "decimal"}:
        return Column(row[3], type_name, None, (second or 0) if first is not None else None)
    return Column(row[3], type_name, first if type_name in _TEXT else None, blank=blank_of(row, quoted=False))


def _as_text(expression: str, column: Column) -> str:
    return expression if column.type_name in _TEXT else f"CAST({expression} AS TEXT)"


def _plain(column: Column) -> str:
    return "?"


def _rows(count: int) -> str:
    columns = ", ".join(f"json_extract(value, '$[{place}]') AS c{place}" for place in range(count))
    return f"(SELECT {columns} FROM json_each(?)) j"  # noqa: S608


def _match(expression: str, column: Column) -> str:
    return expression


def _release(table: str, count: int) -> str:
    return f"DELETE FROM {table} WHERE seq IN ({', '.join(['?'] * count)})"  # noqa: S608


def _earlier(column: Column, seconds: float) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', ?, '-{seconds:.3f} seconds')"


def _names(own: OwnTables, spec: ObjectSpec) -> list[str]:
    base = trigger_base(own, spec, 255)
    return [f"{base}_{suffix}" for suffix in ("i", "u", "k", "d")]


def _drop(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {dialect.quote(name)}" for name in _names(own, spec)]


def _triggers(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    quote = dialect.quote
    table, key, name = quote(spec.name), quote(spec.key), literal(spec.name)
    target = f"INSERT INTO {quote(own.journal)} (object, key, op) VALUES"

    def entry(row: str, op: str) -> str:
        return f"({name}, CAST({row}.{key} AS TEXT), '{op}')"

    insert, update, rekey, delete = (quote(trigger) for trigger in _names(own, spec))
    same = f"OLD.{key} IS NEW.{key}"
    return [
        *_drop(dialect, own, spec),
        f"CREATE TRIGGER {insert} AFTER INSERT ON {table} BEGIN {target} {entry('NEW', 'I')}; END",
        f"CREATE TRIGGER {update} AFTER UPDATE ON {table} WHEN {same}"
        f" BEGIN {target} {entry('NEW', 'U')}; END",
        f"CREATE TRIGGER {rekey} AFTER UPDATE ON {table} WHEN NOT ({same})"
        f" BEGIN {target} {entry('OLD', 'D')}, {entry('NEW', 'I')}; END",
        f"CREATE TRIGGER {delete} AFTER DELETE ON {table} BEGIN {target} {entry('OLD', 'D')}; END",
    ]


SQLITE = Dialect(
    name="sqlite",
    driver=Driver(
        packages="libsqliteodbc",
        files=("libsqlite3odbc.so",),
        words=("sqlite",),
        # BigInt: without it 2^53+1 in an integer column is read as 1. NoCreat: a wrong path makes no file.
        options={"BigInt": "1", "FKSupport": "1", "NoCreat": "1", "Timeout": "{lock_ms}"},
    ),
    session=(),
    classify=_classify,
    column=_column,
    as_text=_as_text,
    comparand=_plain,
    value=_plain,
    release=_release,
    journal=Journal(
        create="CREATE TABLE IF NOT EXISTS {table} ({columns})",
        # AUTOINCREMENT: plain row ids are used again after a delete
        sequence="seq INTEGER PRIMARY KEY AUTOINCREMENT",
        moment="TEXT",
        instance="lower(hex(randomblob(16)))",
        add="",
        present="SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
        tells_table=True,
        names=_names,
        triggers=_triggers,
        drop=_drop,
    ),
    minimum=("SQLite", (3, 24)),
    # a column of the same affinity, which is what decides how a value is stored
    scratch=Scratch("CREATE TEMP TABLE {name} AS SELECT {column} FROM {table} WHERE 0"),
    last_row="rowid = last_insert_rowid()",
    change_probe="PRAGMA data_version",
    lossy_numbers=True,
    earlier=_earlier,
    sets=Sets(
        minimum=(3, 33),
        rows=_rows,
        packing=Packing.ARRAYS,
        match=_match,
        join="CROSS JOIN",
        lock="",
        update="UPDATE {table} AS r SET {setters} FROM {rows} WHERE {match}",
        setter="{name} = {value}",
        delete="DELETE FROM {table} AS r WHERE r.{key} IN (SELECT {match} FROM {rows})",
    ),
)
