"""Oracle (12.2 or later) through its own driver. Nothing of it was ever run against a server.

An empty text is null there: what is blank in the contract is null in the column, and a column without null
holds the blank that its own default says. A key that the database makes by itself cannot be told: an INSERT
answers through an output parameter, which pyodbc has not. The agent gives the keys there, or creates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.odbc.catalog import Column, blank_of
from adapters.odbc.dialect import (
    Claim,
    Dialect,
    Dictionary,
    Driver,
    Fault,
    Journal,
    Lock,
    OwnTables,
    Rights,
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
_TEXT = frozenset({"char", "nchar", "varchar2", "nvarchar2", "varchar", "clob", "nclob"})
_DAY, _MOMENT = "YYYY-MM-DD HH24:MI:SS", "YYYY-MM-DD HH24:MI:SS.FF6"
_LISTENER = range(12150, 12175)

_FAULTS = {
    **dict.fromkeys((54, 60, 8177, 30006, 4020, 4021, 1013, 1555, 51, 18, 20, 2049), Fault.BUSY),
    **dict.fromkeys((257, 1536, 1652, 1653, 1654, 1658, 1688, 1691, 16000), Fault.BUSY),
    **dict.fromkeys((28, 1012, 1033, 1034, 1041, 1089, 1090, 1092, 2396, 2399, 3113, 3114, 3135), Fault.LOST),
    **dict.fromkeys((*_LISTENER, 12514, 12516, 12518, 12519, 12520, 12528, 12537, 12541, 12571), Fault.LOST),
    **dict.fromkeys((25402, 25408, 25409), Fault.LOST),
    1: Fault.DUPLICATE,
    **dict.fromkeys((1400, 1407, 1401, 12899, 1438, 1722, 1426, 1461, 6502, 932, 2359), Fault.INVALID),
    **dict.fromkeys((1830, 1839, 1840, 1841, 1843, 1847, 1850, 1858, 1861), Fault.INVALID),
    **dict.fromkeys((2290, 2291, 2292, 1402), Fault.BUSINESS),
    **dict.fromkeys((942, 904, 900, 911, 917, 923, 936, 1031, 1017, 1005, 1045, 1950, 4043), Fault.SETUP),
    **dict.fromkeys((28000, 28001, 28002, 12154, 12505, 12545, 4098), Fault.SETUP),
}
#: RAISE_APPLICATION_ERROR of a trigger or a procedure.
_OWN = range(20000, 21000)
_STATES = {"08": Fault.LOST, "28": Fault.SETUP, "22": Fault.INVALID, "40": Fault.BUSY}


def _classify(state: str, message: str) -> Verdict:
    """By the ORA number; of what a trigger says only its own line counts, not the lines behind it."""
    code = native_code(message)
    text = re.sub(r"^ORA-\d+: ", "", first_sentence(message))
    if code in _OWN:
        return Verdict(Fault.BUSINESS, str(code), text)
    fault = _FAULTS.get(code) or _STATES.get(state[:2], Fault.UNKNOWN)
    return Verdict(fault, str(code) if code else state, text)


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    return Column(row[3], str(row[5]).lower(), no_empty=True, blank=blank_of(row))


def _as_text(expression: str, column: Column) -> str:
    """With its sign in front, a year before Christ is none of ours."""
    name = column.type_name
    if name in _TEXT:
        return expression
    if column.zoned:
        return f"LTRIM(TO_CHAR(SYS_EXTRACT_UTC({expression}), 'S{_MOMENT}'))"
    if name == "date":
        return f"LTRIM(TO_CHAR({expression}, 'S{_DAY}'))"
    if name.startswith("timestamp"):
        return f"LTRIM(TO_CHAR({expression}, 'S{_MOMENT}'))"
    if name in {"raw", "long raw"}:
        return f"RAWTOHEX({expression})"
    return f"TO_CHAR({expression}, 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')"


def _value(column: Column) -> str:
    name = column.type_name
    if name in _TEXT:
        return "?"
    if column.zoned:
        return f"FROM_TZ(TO_TIMESTAMP(?, '{_MOMENT}'), 'UTC')"
    if name == "date":
        return f"TO_DATE(?, '{_DAY}')"
    if name.startswith("timestamp"):
        return f"TO_TIMESTAMP(?, '{_MOMENT}')"
    if name in {"raw", "long raw"}:
        return "HEXTORAW(?)"
    return "CAST(? AS NUMBER)"


def _names(own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [trigger_base(own, spec, _LONGEST)]


def _trigger(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> str:
    return dialect.quote(beside(spec, _names(own, spec)[0]))


def _unless(statement: str, number: int) -> str:
    """A statement that may have been run before, ended as PL/SQL is."""
    handler = f"EXCEPTION WHEN OTHERS THEN IF SQLCODE <> -{number} THEN RAISE; END IF; END;"
    return f"BEGIN EXECUTE IMMEDIATE q'[{statement}]'; {handler}"


def _drop(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [_unless(f"DROP TRIGGER {_trigger(dialect, own, spec)}", 4080)]


def _triggers(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    """They run with the rights of their owner: users of the ERP need none on the journal."""
    key, name = dialect.quote(spec.key), literal(spec.name)
    target = f"INSERT INTO {dialect.quote(own.journal)} (object, key, op) VALUES"

    def entry(row: str, op: str) -> str:
        return f"{target} ({name}, CAST(:{row}.{key} AS VARCHAR2(255)), '{op}')"

    return [
        f"CREATE OR REPLACE TRIGGER {_trigger(dialect, own, spec)} AFTER INSERT OR UPDATE OR DELETE"
        f" ON {dialect.quote(spec.name)} FOR EACH ROW BEGIN IF INSERTING THEN {entry('NEW', 'I')};"
        f" ELSIF DELETING THEN {entry('OLD', 'D')}; ELSIF :OLD.{key} = :NEW.{key} THEN {entry('NEW', 'U')};"
        f" ELSE {entry('OLD', 'D')}; {entry('NEW', 'I')}; END IF; END;",
    ]


def _types(columns: str) -> str:
    """A default stands before NOT NULL; an empty default is none, and the column takes null."""
    text = re.sub(r" NOT NULL DEFAULT ''", "", columns)
    text = re.sub(r"NOT NULL DEFAULT (\w+)", r"DEFAULT \1 NOT NULL", text)
    text = re.sub(r"VARCHAR\((\d+)\)", r"VARCHAR2(\1 CHAR)", text)
    return text.replace("BIGINT", "NUMBER(19)")


ORACLE = Dialect(
    name="oracle",
    driver=Driver(
        packages="oracle-instantclient-odbc",
        files=("libsqora.so",),
        words=("sqora", "oracle"),
        options={},
        limits=True,
    ),
    session=(
        "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,' NLS_LENGTH_SEMANTICS = 'CHAR'"
        " NLS_SORT = 'BINARY' NLS_COMP = 'BINARY'",
    ),
    zone="ALTER SESSION SET TIME_ZONE = '{name}'",
    classify=_classify,
    column=_column,
    as_text=_as_text,
    comparand=_value,
    value=_value,
    release=released_by("CAST(? AS NUMBER)"),
    journal=Journal(
        create=_unless("CREATE TABLE {table} ({columns})", 955),
        sequence="seq NUMBER(19) GENERATED ALWAYS AS IDENTITY (ORDER) PRIMARY KEY",
        moment="TIMESTAMP(6)",
        instance="RAWTOHEX(SYS_GUID())",
        add="",
        present="SELECT trigger_name FROM all_triggers WHERE status = 'ENABLED'",
        names=_names,
        triggers=_triggers,
        drop=_drop,
        alter="ALTER TABLE {table} ADD ({column})",
        types=_types,
        remove=_unless("DROP TABLE {table}", 942),
    ),
    dictionary=Dictionary(
        types="SELECT c.column_name, REGEXP_REPLACE(c.data_type, '\\([0-9]+\\)'),"
        " CASE WHEN c.char_length > 0 THEN c.char_length END,"
        " CASE WHEN c.data_type = 'NUMBER' THEN c.data_scale END,"
        " CASE WHEN c.data_type = 'DATE' THEN 0 WHEN c.data_type LIKE 'TIMESTAMP%' THEN c.data_scale END,"
        " CASE WHEN c.data_type IN ('CHAR', 'VARCHAR2', 'CLOB') THEN DECODE(p.value,"
        " 'WE8MSWIN1252', 'cp1252', 'EE8MSWIN1250', 'cp1250', 'CL8MSWIN1251', 'cp1251',"
        " 'WE8ISO8859P1', 'iso8859-1',"
        " 'WE8ISO8859P15', 'iso8859-15', 'EE8ISO8859P2', 'iso8859-2', 'US7ASCII', 'ascii') END"
        " FROM all_tab_columns c JOIN nls_database_parameters p ON p.parameter = 'NLS_CHARACTERSET'"
        " WHERE c.owner = COALESCE(?, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND c.table_name = ?",
    ),
    minimum=("Oracle", (12, 2)),
    now="SYS_EXTRACT_UTC(SYSTIMESTAMP)",
    last_row="1 = 0",
    row_lock=Lock(suffix=" FOR UPDATE WAIT 3"),
    share_lock=Lock(suffix=" FOR UPDATE WAIT 3"),
    claim=Claim.DUPLICATE,
    equal="DECODE({column}, {value}, 1, 0) = 1",
    rights=Rights(
        account=lambda user: '"' + user.upper().replace('"', '""') + '"',
        notes=("the user also needs CREATE SESSION",),
    ),
    limit=" FETCH FIRST {count} ROWS ONLY",
    nothing=" FROM DUAL",
    untried=True,
)
