"""DB2 for i (7.2 or later) through IBM i Access. Nothing of it was ever run against a server.

Files must be journaled (STRJRNPF): without that DB2 takes no part in transactions and refuses with SQL7008.
Programs that write without commitment control fire the triggers all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.odbc.catalog import Column, blank_of
from adapters.odbc.dialect import (
    Cipher,
    Claim,
    Dialect,
    Dictionary,
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

_LONGEST = 128
_TEXT = frozenset({"char", "varchar", "graphic", "vargraphic", "nchar", "nvarchar", "varg"})
_LONG = frozenset({"clob", "dbclob", "nclob"})

_FAULTS = {
    **dict.fromkeys((-911, -913, -904, -952, -7958), Fault.BUSY),
    **dict.fromkeys((-30080, -30081, -30082, -900, -1224), Fault.LOST),
    -803: Fault.DUPLICATE,
    **dict.fromkeys(
        (-407, -404, -433, -302, -304, -305, -406, -413, -420, -180, -181, -183, -330), Fault.INVALID
    ),
    **dict.fromkeys((-530, -531, -532, -545, -438, -443, -723, -161), Fault.BUSINESS),
    **dict.fromkeys((-204, -205, -206, -551, -552, -7008, -7048, -104, -199, -440, -805, -501), Fault.SETUP),
}
_STATES = {"08": Fault.LOST, "28": Fault.SETUP, "22": Fault.INVALID, "40": Fault.BUSY, "57": Fault.BUSY}
_VALUES = ((re.compile(r"(Duplicate key value specified).*", re.DOTALL), r"\1"),)


def _classify(state: str, message: str) -> Verdict:
    """By SQLCODE, negative for errors; a class of states where a driver tells another number."""
    code = native_code(message)
    for pattern, kept in _VALUES:
        message = pattern.sub(kept, message)
    fault = _FAULTS.get(code) or _STATES.get(state[:2], Fault.UNKNOWN)
    return Verdict(fault, str(code) if code else state, first_sentence(message))


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    return Column(row[3], str(row[5]).lower().partition("(")[0].strip(), blank=blank_of(row))


def _as_text(expression: str, column: Column) -> str:
    """With a point whatever the job's decimal separator is, and dates as ISO whatever its date format."""
    match column.type_name:
        case name if name in _TEXT or name in _LONG:
            return expression
        case "date":
            return f"CHAR({expression}, ISO)"
        case "time":
            return f"CHAR({expression}, JIS)"
        case "timestamp":
            return f"VARCHAR_FORMAT({expression}, 'YYYY-MM-DD HH24:MI:SS.FF6')"
        case "decimal" | "numeric":
            return f"VARCHAR({expression}, '.')"
    return f"VARCHAR({expression})"


def _value(column: Column) -> str:
    """DB2 wants to know the type of each placeholder."""
    match column.type_name:
        case name if name in _LONG:
            return "CAST(? AS CLOB(16M) CCSID 1208)"
        case name if name in _TEXT:
            return f"CAST(? AS VARCHAR({column.length or 255}) CCSID 1208)"
        case "decimal" | "numeric":
            return f"CAST(CAST(? AS VARCHAR(64)) AS DECIMAL(63, {column.scale or 0}))"
    return f"CAST(CAST(? AS VARCHAR(64)) AS {column.type_name.upper()})"


def _names(own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [trigger_base(own, spec, _LONGEST)]


def _trigger(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> str:
    return dialect.quote(beside(spec, _names(own, spec)[0]))


def _unless_gone(statement: str) -> str:
    return f"BEGIN DECLARE CONTINUE HANDLER FOR SQLSTATE '42704' BEGIN END; {statement}; END"


def _drop(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [_unless_gone(f"DROP TRIGGER {_trigger(dialect, own, spec)}")]


def _triggers(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    key, name = dialect.quote(spec.key), literal(spec.name)
    target = f"INSERT INTO {dialect.quote(own.journal)} (object, key, op) VALUES"

    def entry(row: str, op: str) -> str:
        return f"{target} ({name}, VARCHAR({row}.{key}), '{op}')"

    return [
        f"CREATE OR REPLACE TRIGGER {_trigger(dialect, own, spec)} AFTER INSERT OR UPDATE OR DELETE"
        f" ON {dialect.quote(spec.name)} REFERENCING OLD ROW AS o NEW ROW AS n FOR EACH ROW MODE DB2ROW"
        f" BEGIN IF INSERTING THEN {entry('n', 'I')}; ELSEIF DELETING THEN {entry('o', 'D')};"
        f" ELSEIF o.{key} = n.{key} THEN {entry('n', 'U')};"
        f" ELSE {entry('o', 'D')}; {entry('n', 'I')}; END IF; END",
    ]


def _types(columns: str) -> str:
    return re.sub(r"VARCHAR\((\d+)\)", r"VARCHAR(\1) CCSID 1208", columns)


DB2I = Dialect(
    name="db2i",
    driver=Driver(
        packages="ibm-iaccess",
        files=("libcwbodbc.so",),
        words=("cwbodbc", "iaccess", "ibm i access", "iseries access"),
        # NAM 0: names of SQL, with a point between schema and table. CMT 1: what others have not committed is
        # not read. TRUEAUTOCOMMIT: a query of a session that only reads leaves nothing locked.
        options={"NAM": "0", "CMT": "1", "TRUEAUTOCOMMIT": "1", "DFT": "5", "TFT": "0"},
        limits=True,
    ),
    session=(),
    classify=_classify,
    column=_column,
    as_text=_as_text,
    comparand=_value,
    value=_value,
    release=released_by("CAST(? AS BIGINT)"),
    journal=Journal(
        create="CREATE OR REPLACE TABLE {table} ({columns}) ON REPLACE PRESERVE ROWS",
        sequence="seq BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY (ORDER NO CACHE) PRIMARY KEY",
        moment="TIMESTAMP",
        instance="VARCHAR(HEX(GENERATE_UNIQUE()))",
        add="",
        present="SELECT TRIGGER_NAME FROM QSYS2.SYSTRIGGERS WHERE ENABLED = 'Y'",
        names=_names,
        triggers=_triggers,
        drop=_drop,
        types=_types,
        past=Lock(suffix=" SKIP LOCKED DATA"),
        remove=_unless_gone("DROP TABLE {table}"),
    ),
    dictionary=Dictionary(
        types="SELECT COLUMN_NAME, CASE DATA_TYPE WHEN 'TIMESTMP' THEN 'TIMESTAMP' ELSE DATA_TYPE END,"
        " CASE WHEN CHARACTER_MAXIMUM_LENGTH > 0 THEN CHARACTER_MAXIMUM_LENGTH END, NUMERIC_SCALE,"
        " CASE DATA_TYPE WHEN 'TIMESTMP' THEN 6 WHEN 'TIME' THEN 0 END, CCSID FROM QSYS2.SYSCOLUMNS"
        " WHERE TABLE_SCHEMA = COALESCE(CAST(? AS VARCHAR(128)), CURRENT SCHEMA)"
        " AND TABLE_NAME = CAST(? AS VARCHAR(128))",
    ),
    minimum=("DB2", (7, 2)),
    now="CURRENT_TIMESTAMP - CURRENT TIMEZONE",
    insert="SELECT {key} FROM FINAL TABLE (INSERT INTO {table} ({columns}) VALUES ({values}))",
    returns_key=True,
    row_lock=Lock(suffix=" WITH RS USE AND KEEP EXCLUSIVE LOCKS"),
    share_lock=Lock(suffix=" WITH RS"),
    claim=Claim.DUPLICATE,
    scratch=Scratch(
        "DECLARE GLOBAL TEMPORARY TABLE {name} AS (SELECT {column} FROM {table}) WITH NO DATA WITH REPLACE",
        name="SESSION.{name}",
    ),
    cipher=Cipher(("ssl",), frozenset({"1"}), "SSL=1", "SSL=0"),
    rights=Rights(
        account=lambda user: '"' + user.upper().replace('"', '""') + '"',
        by_column=frozenset({"UPDATE"}),
        notes=("the user also needs *USE on the libraries", "an INSERT cannot be limited to columns"),
    ),
    limit=" FETCH FIRST {count} ROWS ONLY",
    nothing=" FROM SYSIBM.SYSDUMMY1",
    untried=True,
)
