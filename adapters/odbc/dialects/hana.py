"""SAP HANA (2.0 or later) through its client's driver. Nothing of it was ever run against a server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.odbc.catalog import Column, blank_of
from adapters.odbc.dialect import (
    Cipher,
    Claim,
    Dialect,
    Driver,
    Fault,
    Journal,
    Lock,
    OwnTables,
    Rights,
    Scratch,
    Verdict,
    beside,
    first_sentence,
    literal,
    native_code,
    released_by,
    trigger_base,
)
from agent.core.objects import ObjectSpec

_LONGEST = 125
_TEXT = frozenset({"char", "nchar", "varchar", "nvarchar", "alphanum", "shorttext", "clob", "nclob", "text"})
_FORMATS = {
    "date": "YYYY-MM-DD",
    "time": "HH24:MI:SS",
    "seconddate": "YYYY-MM-DD HH24:MI:SS",
    "timestamp": "YYYY-MM-DD HH24:MI:SS.FF6",
}
_FRACTIONS = {"time": 0, "seconddate": 0, "timestamp": 7}

_FAULTS = {
    **dict.fromkeys((131, 132, 133, 138, 139, 146, 4, 613, 129, 1025), Fault.BUSY),
    **dict.fromkeys((-10807, -10806, -10709, -10108, -10821, -10831, 571, 572, 582), Fault.LOST),
    **dict.fromkeys((301, 349), Fault.DUPLICATE),
    **dict.fromkeys((287, 274, 266, 303, 304, 305, 306, 314, 339, 1303, 344, 12316), Fault.INVALID),
    **dict.fromkeys((461, 462, 677, 1299), Fault.BUSINESS),
    **dict.fromkeys((10, 257, 258, 259, 260, 261, 328, 332, 362, 414, 416, 591), Fault.SETUP),
}
#: SIGNAL of a trigger or a procedure.
_OWN = range(10000, 20000)
_STATES = {"08": Fault.LOST, "28": Fault.SETUP, "22": Fault.INVALID, "40": Fault.BUSY}
_VALUES = ((re.compile(r"(unique constraint violated).*", re.DOTALL), r"\1"),)


def _classify(state: str, message: str) -> Verdict:
    """By the server's number; the client's own are negative."""
    code = native_code(message)
    for pattern, kept in _VALUES:
        message = pattern.sub(kept, message)
    text = first_sentence(message)
    if code not in _FAULTS and code in _OWN:
        return Verdict(Fault.BUSINESS, str(code), text)
    fault = _FAULTS.get(code) or _STATES.get(state[:2], Fault.UNKNOWN)
    return Verdict(fault, str(code) if code else state, text)


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    """A decimal without a scale floats: it has none."""
    type_name = str(row[5]).lower()
    if type_name in {"decimal", "smalldecimal"}:
        return Column(row[3], type_name, scale=row[8])
    length = (
        row[6] if type_name in {"char", "nchar", "varchar", "nvarchar", "alphanum", "shorttext"} else None
    )
    return Column(row[3], type_name, length, fraction=_FRACTIONS.get(type_name), blank=blank_of(row))


def _as_text(expression: str, column: Column) -> str:
    if column.type_name in _TEXT:
        return expression
    if column.type_name in _FORMATS:
        return f"TO_VARCHAR({expression}, '{_FORMATS[column.type_name]}')"
    return f"TO_NVARCHAR({expression})"


def _value(column: Column) -> str:
    if column.type_name in _TEXT:
        return "?"
    if column.type_name in _FORMATS:
        return f"TO_{column.type_name.upper()}(?, '{_FORMATS[column.type_name]}')"
    if column.type_name == "decimal":
        return f"CAST(? AS DECIMAL(38, {column.scale}))" if column.scale is not None else "CAST(? AS DECIMAL)"
    return f"CAST(? AS {column.type_name.upper()})"


def _names(own: OwnTables, spec: ObjectSpec) -> list[str]:
    base = trigger_base(own, spec, _LONGEST)
    return [f"{base}_{suffix}" for suffix in ("i", "u", "d")]


def _placed(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [dialect.quote(beside(spec, name)) for name in _names(own, spec)]


def _unless(statement: str, number: int) -> str:
    """A statement that may have been run before. Quotes in it are doubled already."""
    return f"DO BEGIN DECLARE EXIT HANDLER FOR SQL_ERROR_CODE {number} BEGIN END; EXEC '{statement}'; END"


def _drop(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [_unless(f"DROP TRIGGER {name}", 328) for name in _placed(dialect, own, spec)]


def _sequence(dialect: Dialect, own: OwnTables) -> str:
    return dialect.quote(f"{own.journal}_seq")


def _triggers(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    """Numbers come from a sequence: an identity would be the CURRENT_IDENTITY_VALUE of the ERP's insert."""
    key, name = dialect.quote(spec.key), literal(spec.name)
    number = f"{_sequence(dialect, own)}.NEXTVAL"
    target = f"INSERT INTO {dialect.quote(own.journal)} (seq, object, key, op) VALUES"

    def entry(row: str, op: str) -> str:
        return f"{target} ({number}, {name}, CAST(:{row}.{key} AS NVARCHAR(255)), '{op}')"

    def trigger(label: str, event: str, rows: str, action: str) -> str:
        head = f"CREATE OR REPLACE TRIGGER {label} AFTER {event} ON {dialect.quote(spec.name)}"
        return f"{head} REFERENCING {rows} FOR EACH ROW BEGIN {action}; END"

    insert, update, delete = _placed(dialect, own, spec)
    changed = (
        f"IF :o.{key} = :n.{key} THEN {entry('n', 'U')}; ELSE {entry('o', 'D')}; {entry('n', 'I')}; END IF"
    )
    return [
        trigger(insert, "INSERT", "NEW ROW n", entry("n", "I")),
        trigger(update, "UPDATE", "OLD ROW o, NEW ROW n", changed),
        trigger(delete, "DELETE", "OLD ROW o", entry("o", "D")),
    ]


def _before(dialect: Dialect, own: OwnTables) -> list[str]:
    return [_unless(f"CREATE SEQUENCE {_sequence(dialect, own)} NO CACHE", 325)]


def _behind(dialect: Dialect, own: OwnTables) -> list[str]:
    return [_unless(f"DROP SEQUENCE {_sequence(dialect, own)}", 313)]


def _types(columns: str) -> str:
    return columns.replace(" VARCHAR(", " NVARCHAR(").replace("'", "''")


HANA = Dialect(
    name="hana",
    driver=Driver(
        packages="the SAP HANA client",
        files=("libodbcHDB.so",),
        words=("odbchdb", "hdbodbc", "hana"),
        options={},
        limits=True,
    ),
    session=(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET TRANSACTION LOCK WAIT TIMEOUT {lock_ms}",
    ),
    classify=_classify,
    column=_column,
    as_text=_as_text,
    comparand=_value,
    value=_value,
    release=released_by("CAST(? AS BIGINT)"),
    journal=Journal(
        create=_unless("CREATE TABLE {table} ({columns})", 288),
        sequence="seq BIGINT NOT NULL PRIMARY KEY",
        moment="TIMESTAMP",
        instance="CAST(SYSUUID AS NVARCHAR(64))",
        add="",
        present="SELECT trigger_name FROM triggers WHERE is_enabled = 'TRUE'",
        names=_names,
        triggers=_triggers,
        drop=_drop,
        alter="ALTER TABLE {table} ADD ({column})",
        types=_types,
        before=_before,
        behind=_behind,
        remove=_unless("DROP TABLE {table}", 259),
    ),
    minimum=("HDB", (2,)),
    now="CURRENT_UTCTIMESTAMP",
    last_row="{key} = CURRENT_IDENTITY_VALUE()",
    row_lock=Lock(suffix=" FOR UPDATE WAIT 3"),
    share_lock=Lock(suffix=" FOR SHARE LOCK"),
    claim=Claim.DUPLICATE,
    scratch=Scratch(
        "CREATE LOCAL TEMPORARY TABLE {name} AS (SELECT {column} FROM {table}) WITH NO DATA", name="#{name}"
    ),
    cipher=Cipher(("encrypt",), frozenset({"true", "1", "yes"}), "encrypt=TRUE", "encrypt=FALSE"),
    rights=Rights(
        account=lambda user: '"' + user.replace('"', '""') + '"',
        by_column=frozenset(),
        notes=("rights are for whole tables: for columns, grant on a view of them and map the view",),
    ),
    nothing=" FROM DUMMY",
    untried=True,
)
