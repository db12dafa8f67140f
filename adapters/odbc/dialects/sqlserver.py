"""SQL Server (2016 or later) through FreeTDS or Microsoft's driver. Its SQL was never run against a server.

What its driver does with time limits, errors and lost replies is tried against a scripted server. The numbers
of errors are the server's and the same for every driver; FreeTDS adds its own from 20000 on.
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
    Settled,
    Verdict,
    beside,
    first_sentence,
    native_code,
    released_by,
    trigger_base,
)
from adapters.odbc.dialects.sqlserver_tracking import TRACKING
from agent.core.objects import ObjectSpec

_LONGEST = 128
_PLAIN = frozenset({"char", "varchar", "nchar", "nvarchar", "sysname"})
_WORDS = _PLAIN | {"text", "ntext", "xml"}
_TIMES = frozenset({"date", "time", "datetime", "datetime2", "smalldatetime"})

_FAULTS = {
    # deadlock, lock time-out, snapshot conflict, no locks or memory left, throttling
    **dict.fromkeys((1205, 1222, 3960, 3961, 1204, 701, 8645, 40501, 10928, 10929), Fault.BUSY),
    **dict.fromkeys((49918, 49919, 49920, 41302, 41305, 41325, 41301), Fault.BUSY),
    # the transaction is doomed, or disk or log are full, or the database is being restored: not our command
    # a snapshot that began too early, met a change of the table, or lost its versions
    **dict.fromkeys((3956, 3957, 3958, 3966, 3967), Fault.BUSY),
    **dict.fromkeys((3930, 3989, 3998, 1101, 1105, 9002, 3906, 922, 927), Fault.BUSY),
    **dict.fromkeys((596, 64, 233, 10053, 10054, 10060, 10061, 121, 976, 983, 6005, 18401), Fault.LOST),
    **dict.fromkeys((40197, 40613, 20003, 20004, 20005, 20006, 20009, 20017, 20047), Fault.LOST),
    # a transaction that the driver counts on is not there: the server ended it, and nothing is safe any more
    **dict.fromkeys((3902, 3903, 3971, 3980), Fault.LOST),
    **dict.fromkeys((2627, 2601), Fault.DUPLICATE),
    **dict.fromkeys((515, 8152, 2628, 8115, 8114, 245, 220, 232, 235, 241, 242, 244, 248), Fault.INVALID),
    **dict.fromkeys((206, 257, 295, 296, 1007, 8169, 9803, 8023, 1934), Fault.INVALID),
    **dict.fromkeys((547, 3609, 3616, 550), Fault.BUSINESS),
    **dict.fromkeys((208, 207, 209, 213, 229, 230, 262, 297, 300, 102, 156, 201, 334, 544), Fault.SETUP),
    # no change tracking, or no snapshot isolation
    **dict.fromkeys((22105, 3952), Fault.SETUP),
    **dict.fromkeys((911, 916, 2812, 4060, 18452, 18456, 18470, 18486, 18487, 18488), Fault.SETUP),
}
#: From here on numbers are those of RAISERROR and THROW: a trigger or a procedure says no.
_OWN = 50000
_STATES = {"08": Fault.LOST, "28": Fault.SETUP, "22": Fault.INVALID}
_EXACT = {
    "HYT00": Fault.BUSY,
    "HYT01": Fault.LOST,
    "HY008": Fault.BUSY,
    "IMC06": Fault.LOST,
    "24000": Fault.LOST,
}
_VALUES = (
    (re.compile(r"(\. The duplicate key value is) \(.*", re.DOTALL), ""),
    (re.compile(r" Truncated value: '.*", re.DOTALL), ""),
    (re.compile(r"( converting the \w+ value) '.*'( to data type )", re.DOTALL), r"\1\2"),
    (re.compile(r", value = .*", re.DOTALL), ""),
)


def _classify(state: str, message: str) -> Verdict:
    """By the number first: FreeTDS tells a deadlock as 42000, and a lost link as 23000."""
    code = native_code(message)
    for pattern, kept in _VALUES:
        message = pattern.sub(kept, message)
    text = first_sentence(message)
    if code >= _OWN:
        return Verdict(Fault.BUSINESS, str(code), text)
    fault = _FAULTS.get(code) or _EXACT.get(state) or _STATES.get(state[:2], Fault.UNKNOWN)
    return Verdict(fault, str(code) if code else state, text)


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    """What FreeTDS tells of newer types is wrong: the server's own catalog is asked for them."""
    type_name = str(row[5]).lower().removesuffix(" identity").removesuffix("() identity")
    return Column(row[3], type_name, blank=blank_of(row))


def _as_text(expression: str, column: Column) -> str:
    match column.type_name:
        case name if name in _PLAIN:
            return expression
        case "datetimeoffset":
            moment = f"CAST(SWITCHOFFSET({expression}, '+00:00') AS DATETIME2(7))"
            return f"CONVERT(VARCHAR(33), {moment}, 121)"
        case name if name in _TIMES:
            return f"CONVERT(VARCHAR(33), {expression}, 121)"
        case "float" | "real":
            return f"CONVERT(VARCHAR(40), {expression}, 3)"
        case "money" | "smallmoney":
            return f"CONVERT(VARCHAR(40), {expression}, 2)"
        case "uniqueidentifier":
            return f"LOWER(CONVERT(CHAR(36), {expression}))"
        case "timestamp" | "rowversion":
            return f"CONVERT(VARCHAR(18), CAST({expression} AS BINARY(8)), 1)"
        case "binary" | "varbinary" | "image":
            return f"CONVERT(VARCHAR(MAX), CAST({expression} AS VARBINARY(MAX)), 1)"
    return f"CAST({expression} AS NVARCHAR(MAX))"


def _comparand(column: Column) -> str:
    """A text of another type than the column's would turn its index into a scan."""
    if column.type_name in {"char", "varchar"} and column.length:
        return f"CAST(? AS VARCHAR({column.length}))"
    return _value(column)


def _value(column: Column) -> str:
    """By a style that no language setting changes. A date-time column rounds: hundredths are exact."""
    match column.type_name:
        case name if name in _WORDS:
            return "?"
        case "decimal" | "numeric":
            return f"CAST(? AS DECIMAL(38, {column.scale or 0}))"
        case "datetimeoffset":
            return "TODATETIMEOFFSET(CONVERT(DATETIME2(7), ?, 121), '+00:00')"
        case "datetime" | "smalldatetime":
            return f"CAST(CONVERT(DATETIME2(7), ?, 121) AS {column.type_name.upper()})"
        case "date" | "time" | "datetime2":
            return f"CONVERT({column.type_name.upper()}, ?, 121)"
        case "binary" | "varbinary" | "timestamp" | "rowversion":
            return "CONVERT(VARBINARY(8000), ?, 1)"
    return f"CAST(? AS {column.type_name.upper()})"


def _settled(column: Column) -> Settled | None:
    """Asked before the rows: what was open then may commit below them. @@DBTS would not tell what is open."""
    if column.type_name not in {"timestamp", "rowversion"}:
        return None
    return Settled(
        before="DECLARE @below BINARY(8) = MIN_ACTIVE_ROWVERSION(); ",
        below="@below",
        state="SELECT CONVERT(VARCHAR(18), MIN_ACTIVE_ROWVERSION(), 1),"
        " CONVERT(VARCHAR(18), CAST(CAST(@@DBTS AS BIGINT) + 1 AS BINARY(8)), 1)",
    )


def _proves(options: Mapping[str, str]) -> bool:
    """Microsoft's driver checks the certificate unless it trusts any; FreeTDS never does by itself."""
    trusting = options.get("trustservercertificate", "no") in {"yes", "true", "1"}
    return not trusting and "tds" not in options.get("driver", "")


def _names(own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [trigger_base(own, spec, _LONGEST)]


def _trigger(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> str:
    """A trigger lives in the schema of its table."""
    return dialect.quote(beside(spec, _names(own, spec)[0]))


def _drop(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {_trigger(dialect, own, spec)}"]


def _triggers(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    """One row per changed record; a changed key is a delete and an insert, also where only its case changed.

    NOCOUNT, or the counts of the ERP's own statements would be the journal's. TRUNCATE fires no trigger.
    """
    key, name = dialect.quote(spec.key), "N'" + spec.name.replace("'", "''") + "'"

    def text(row: str) -> str:
        return f"CAST({row}.{key} AS NVARCHAR(255))"

    exact = "COLLATE Latin1_General_100_BIN2"
    return [
        f"CREATE OR ALTER TRIGGER {_trigger(dialect, own, spec)} ON {dialect.quote(spec.name)}"  # noqa: S608
        " WITH EXECUTE AS OWNER AFTER INSERT, UPDATE, DELETE AS BEGIN SET NOCOUNT ON"
        f" INSERT INTO {dialect.quote(own.journal)} (object, [key], op, message_id)"
        f" SELECT {name}, COALESCE({text('i')}, {text('d')}),"
        f" CASE WHEN d.{key} IS NULL THEN 'I' WHEN i.{key} IS NULL THEN 'D' ELSE 'U' END,"
        " CAST(SESSION_CONTEXT(N'isthmus_message_id') AS NVARCHAR(255))"
        f" FROM inserted i FULL JOIN deleted d ON {text('i')} {exact} = {text('d')} {exact} END",
    ]


def _sequence(own: OwnTables) -> str:
    return f"{own.journal}_seq"


def _before(dialect: Dialect, own: OwnTables) -> list[str]:
    """A sequence, not an identity: that of a trigger would be the @@IDENTITY of the ERP's statement."""
    name = dialect.quote(_sequence(own))
    return [f"IF OBJECT_ID(N'{name}', N'SO') IS NULL CREATE SEQUENCE {name} AS BIGINT START WITH 1"]


def _behind(dialect: Dialect, own: OwnTables) -> list[str]:
    return [f"DROP SEQUENCE IF EXISTS {dialect.quote(_sequence(own))}"]


def _types(columns: str) -> str:
    return re.sub(r"VARCHAR\((\d+)\)", r"NVARCHAR(\1) COLLATE Latin1_General_100_BIN2", columns)


SQLSERVER = Dialect(
    name="sqlserver",
    driver=Driver(
        packages="tdsodbc",
        files=("libtdsodbc.so",),
        words=("tdsodbc", "freetds", "msodbcsql", "mssqlodbc", "sql server", "sqlserver"),
        options={"APP": "isthmus"},
        limits=True,
        drains=True,
    ),
    session=(
        # ANSI_WARNINGS: without it a text that is too long is cut and a number that is too large is null
        "SET ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL,"
        " QUOTED_IDENTIFIER ON",
        "SET NUMERIC_ROUNDABORT OFF",
        "SET XACT_ABORT OFF",
        "SET IMPLICIT_TRANSACTIONS OFF",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET LOCK_TIMEOUT {lock_ms}",
    ),
    classify=_classify,
    column=_column,
    as_text=_as_text,
    comparand=_comparand,
    value=_value,
    release=released_by("CAST(? AS BIGINT)", " WITH (ROWLOCK, READPAST)"),
    journal=Journal(
        create="IF OBJECT_ID(N'{table}', N'U') IS NULL CREATE TABLE {table} ({columns})",
        sequence="seq BIGINT NOT NULL DEFAULT NEXT VALUE FOR {name} PRIMARY KEY",
        moment="DATETIME2(6)",
        instance="LOWER(CONVERT(CHAR(36), NEWID()))",
        add="",
        present="SELECT name, CONCAT(object_id, '.', CONVERT(VARCHAR(23), modify_date, 126))"
        " FROM sys.triggers WHERE is_disabled = 0",
        names=_names,
        triggers=_triggers,
        drop=_drop,
        alter="ALTER TABLE {table} ADD {column}",
        types=_types,
        past=Lock(hint=" WITH (READPAST)"),
        before=_before,
        behind=_behind,
    ),
    dictionary=Dictionary(
        types="SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_SCALE,"
        # a DATETIME counts in 1/300 of a second: only hundredths are exact
        " CASE WHEN DATA_TYPE = 'datetime' THEN 2 ELSE DATETIME_PRECISION END,"
        " CASE WHEN DATA_TYPE IN ('char', 'varchar', 'text')"
        " THEN CAST(COLLATIONPROPERTY(COLLATION_NAME, 'CodePage') AS INT) END"
        " FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = COALESCE(?, SCHEMA_NAME()) AND TABLE_NAME = ?",
        equating="SELECT COLLATION_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA ="
        " COALESCE(?, SCHEMA_NAME()) AND TABLE_NAME = ? AND COLUMN_NAME = ?"
        " AND COLLATION_NAME NOT LIKE '%BIN%'",
    ),
    tracking=TRACKING,
    settled=_settled,
    # a trigger takes a right on its table that has another name here
    allowed="SELECT 1 WHERE HAS_PERMS_BY_NAME(?, 'OBJECT', REPLACE('{right}', 'TRIGGER', 'ALTER')) = 1",
    minimum=("SQL Server", (13,)),
    now="SYSUTCDATETIME()",
    # OUTPUT alone is refused where the table has triggers, such as ours
    insert="SET NOCOUNT ON; DECLARE @made TABLE (made NVARCHAR(255)); {context}INSERT INTO {table}"
    " ({columns}) OUTPUT {inserted} INTO @made VALUES ({values}); SELECT made FROM @made",
    returns_key=True,
    row_lock=Lock(hint=" WITH (UPDLOCK, HOLDLOCK, ROWLOCK)"),
    share_lock=Lock(hint=" WITH (HOLDLOCK, ROWLOCK)"),
    claim=Claim.DUPLICATE,
    claiming="DECLARE @message_id NVARCHAR(255) = ?;"
    " EXEC sys.sp_set_session_context N'isthmus_message_id', @message_id; ",
    mark="@message_id",
    unmark="EXEC sys.sp_set_session_context N'isthmus_message_id', NULL",
    scratch=Scratch("SELECT TOP (0) {column} INTO {name} FROM {table}", name="#{name}"),
    cipher=Cipher(
        ("encrypt", "encryption"),
        frozenset({"yes", "mandatory", "strict", "true", "require", "required"}),
        "Encrypt=yes (FreeTDS: Encryption=require)",
        "Encrypt=no (FreeTDS: Encryption=off)",
        by_default=("msodbcsql-18", "msodbcsql18", "driver 18", "mssqlodbc"),
        proves=_proves,
        proof="TrustServerCertificate=no (FreeTDS proves nothing but with a ca file in freetds.conf)",
    ),
    rights=Rights(
        account=lambda user: "[" + user.replace("]", "]]") + "]",
        by_column=frozenset({"UPDATE"}),
        notes=("an INSERT cannot be limited to columns",),
    ),
    limit=" OFFSET 0 ROWS FETCH NEXT {count} ROWS ONLY",
    reserved=frozenset({"key"}),
    quotes=("[", "]"),
    untried=True,
)
