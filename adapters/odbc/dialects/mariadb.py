"""MariaDB (10.5 or later) through odbc-mariadb.

Backticks quote identifiers in every sql_mode; ANSI_QUOTES would be needed for the session and, as a trigger
keeps the mode it was made in, for whoever runs the printed script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.odbc.catalog import Column, Home, blank_of
from adapters.odbc.dialect import (
    Cipher,
    Claim,
    Dialect,
    Dictionary,
    Digest,
    Driver,
    Fault,
    Journal,
    Lock,
    OwnTables,
    Rights,
    Scratch,
    Verdict,
    first_sentence,
    literal,
    native_code,
    trigger_base,
)
from adapters.odbc.forms import Packing, Sets
from agent.core.objects import ObjectSpec
from agent.errors import Refused

_LONGEST = 64
_TEXT = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"})
_WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year"})
#: Character sets that have every letter.
_UNICODE = frozenset({"utf8mb4", "utf16", "utf16le", "utf32"})
_NUMBERS = _WHOLE | {"decimal", "numeric", "bit"}
#: ODBC's number of the type that the driver gives a FLOAT(7,2) or DOUBLE(10,2): the server rounds to that.
_SCALED = 3
#: A TIMESTAMP column takes the session's time. CONVERT_TZ would leave what is out of its range as it was.
_MOMENT = "? + INTERVAL TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(), NOW()) MINUTE"

_FAULTS = {
    **dict.fromkeys((1205, 1213, 1020, 1412, 1969, 1317, 1637, 1206), Fault.BUSY),
    # no connection left, disk or table full, read-only standby: no verdict on the command
    **dict.fromkeys((1040, 1203, 1226, 1021, 1114, 1290, 1792, 1836), Fault.BUSY),
    **dict.fromkeys((1053, 1152, 1158, 1159, 1160, 1161, 1184, 1615, 1927), Fault.LOST),
    # 5013, 5014: of the connector itself, where it cannot read or write any more
    **dict.fromkeys((2002, 2003, 2006, 2013, 2014, 2055, 5013, 5014), Fault.LOST),
    **dict.fromkeys((1062, 1022, 1586, 1859), Fault.DUPLICATE),
    **dict.fromkeys(
        (1048, 1264, 1265, 1267, 1270, 1271, 1292, 1364, 1366, 1406, 1411, 1441, 1690), Fault.INVALID
    ),
    **dict.fromkeys((1153, 2020), Fault.INVALID),  # larger than a packet may be: sent again it is no smaller
    **dict.fromkeys((1216, 1217, 1451, 1452, 4025, 1644), Fault.BUSINESS),
    **dict.fromkeys((1044, 1045, 1046, 1049, 1129, 1130, 1142, 1143, 1227, 1251, 1370, 4151), Fault.SETUP),
    **dict.fromkeys((1054, 1064, 1146, 1298, 1305, 1449, 1524, 1698, 1820, 1862, 1932), Fault.SETUP),
    **dict.fromkeys((2005, 2026, 2058, 2059), Fault.SETUP),
}
_VALUES = (
    (re.compile(r"(Duplicate entry) '.*'( for key )", re.DOTALL), r"\1\2"),
    (re.compile(r"( value): '.*'( for column |(?=\s*(?:\(-?\d+\) \(SQL|$)))", re.DOTALL), r"\1\2"),
    (re.compile(r"( value is out of range) in '.*'", re.DOTALL), r"\1"),
)


#: By grants to the user itself; what a role adds is not seen. The parameter is the table in backticks.
_ALLOWED = """
SELECT 1 FROM (SELECT REPLACE(?, '`', '') AS name,
  CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''') AS me) t
WHERE EXISTS (
  SELECT 1 FROM information_schema.user_privileges WHERE grantee = t.me AND privilege_type = '{right}'
  UNION ALL SELECT 1 FROM information_schema.schema_privileges
  WHERE grantee = t.me AND privilege_type = '{right}'
  AND IF(t.name LIKE '%.%', SUBSTRING_INDEX(t.name, '.', 1), DATABASE()) LIKE table_schema
  UNION ALL SELECT 1 FROM information_schema.table_privileges
  WHERE grantee = t.me AND privilege_type = '{right}'
  AND table_schema = IF(t.name LIKE '%.%', SUBSTRING_INDEX(t.name, '.', 1), DATABASE())
  AND table_name = SUBSTRING_INDEX(t.name, '.', -1))
"""


def _classify(state: str, message: str) -> Verdict:
    """The native number tells: a lock time-out is a plain HY000, a refused constraint always 23000."""
    code = native_code(message)
    for pattern, kept in _VALUES:
        message = pattern.sub(kept, message)
    text = first_sentence(message)
    fault = _FAULTS.get(code)
    if fault is None:
        fault = {"08": Fault.LOST, "45": Fault.BUSINESS, "22": Fault.INVALID, "28": Fault.SETUP}.get(
            state[:2]
        )
    return Verdict(fault or Fault.UNKNOWN, str(code) if code else state, text)


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    """A whole number has no decimal places: the server would round a fraction without a word."""
    declared = str(row[5]).lower()
    type_name = declared.removesuffix(" zerofill").removesuffix(" unsigned")
    filled = declared.endswith(" zerofill")
    if type_name in _WHOLE:
        return Column(row[3], type_name, None, 0, filled=filled)
    if type_name in {"decimal", "numeric"}:
        return Column(row[3], type_name, None, row[8] or 0, filled=filled)
    if type_name in {"float", "double"}:  # float: four bytes, which other databases call so too
        scale = row[8] if row[4] == _SCALED else None
        return Column(row[3], "real" if type_name == "float" else type_name, None, scale, filled=filled)
    length = row[6] if type_name in {"char", "varchar"} else None
    return Column(row[3], type_name, length, zoned=type_name == "timestamp", blank=blank_of(row))


def _as_text(expression: str, column: Column) -> str:
    if column.type_name in _TEXT:
        return expression
    if column.type_name == "bit":
        return f"CAST({expression} + 0 AS CHAR)"
    if column.zoned:  # in UTC whatever the session's zone; a zero date has no moment
        moment = f"TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL UNIX_TIMESTAMP({expression}) SECOND"
        return f"IF({expression} = 0, CAST({expression} AS CHAR), CAST({moment} AS CHAR))"
    return f"CAST({expression} AS CHAR)"


def _comparand(column: Column) -> str:
    """A number as text would be compared in binary floating point, where decimals of a list meet others."""
    if column.zoned:
        return _MOMENT
    return "CAST(? AS DECIMAL(65, 30))" if column.type_name in _NUMBERS else "?"


def _value(column: Column) -> str:
    """The text itself: the column's own conversion refuses what does not fit. A bit takes it for bytes."""
    if column.zoned:
        return _MOMENT
    return "CAST(? AS UNSIGNED)" if column.type_name == "bit" else "?"


def _rows(count: int) -> str:
    """In a character set of its own: else it is the database's, and what that lacks becomes "?"."""
    columns = ", ".join(
        f"c{place} LONGTEXT CHARACTER SET utf8mb4 PATH '$[{place}]'" for place in range(count)
    )
    return f"JSON_TABLE(?, '$[*]' COLUMNS ({columns})) j"


def _match(expression: str, column: Column) -> str:
    """In the column's own collation: else it is the column that is converted, past its index, row by row.

    A scan would lock every record of the table. What the column's character set lacks would become "?", which
    may be another record's key: it matches nothing.
    """
    if not column.collation:
        return _comparand(column).replace("?", expression)
    charset = column.collation.partition("_")[0]
    match = f"CONVERT({expression} USING {charset}) COLLATE {column.collation}"
    if charset in _UNICODE:
        return match
    whole = f"CONVERT(CONVERT({expression} USING {charset}) USING utf8mb4) COLLATE utf8mb4_nopad_bin"
    return f"IF({expression} = {whole}, {match}, NULL)"


def _release(table: str, count: int) -> str:
    """By one look-up per number: a list in WHERE may be read as a range, and wait for open rows in it."""
    numbers = " UNION ALL ".join(["SELECT CAST(? AS SIGNED) AS seq", *["SELECT ?"] * (count - 1)])
    return f"DELETE r FROM ({numbers}) n STRAIGHT_JOIN {table} r ON r.seq = n.seq"


def _row_hash(columns: Sequence[tuple[str, Column]]) -> str:
    """Each value as bytes, its length before them: texts of several collations cannot be put together.

    One without a small limit is hashed for itself first: what is longer than a packet may be would be NULL.
    """
    parts = []
    for expression, column in columns:
        long = column.type_name in _TEXT and (column.length is None or column.length > 1000)
        text = f"MD5({expression})" if long or "blob" in column.type_name else expression
        text = f"CAST({text} AS BINARY)"
        parts.append(f"COALESCE(CONCAT(LENGTH({text}), ':', {text}), '-')")
    return f"MD5(CONCAT({', '.join(parts)}))"


def _halves(digest: str) -> tuple[str, str]:
    def half(side: str) -> str:
        return f"CAST(CONV({side}({digest}, 16), 16, 10) AS UNSIGNED)"

    return half("LEFT"), half("RIGHT")


def _earlier(column: Column, seconds: float) -> str:
    return f"CAST(? AS DATETIME(6)) - INTERVAL {int(seconds * 1_000_000)} MICROSECOND"


def _names(own: OwnTables, spec: ObjectSpec) -> list[str]:
    place, dot, _ = spec.name.rpartition(".")
    base = trigger_base(own, spec, _LONGEST)
    return [f"{place}{dot}{base}_{suffix}" for suffix in ("i", "k", "u", "d")]


def _drop(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {dialect.quote(name)}" for name in _names(own, spec)]


def _triggers(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    """OR REPLACE: each statement is a transaction of its own, and between a drop and a create rows are lost.

    They run with the rights of the user who installs: users of the ERP need none on the journal. A changed
    key is told by bytes, as the column's collation may take two spellings for one. Its first row comes from
    a SELECT, which serialises writers by the journal's number, and only then: else VALUES, which does not.
    """
    if "." in spec.name and "." not in own.journal:
        raise Refused(
            f"the triggers of '{spec.name}' would look for '{own.journal}' in that database",
            where=spec.name,
            remedy="name journal_table, ledger_table and epoch_table with their database",
        )
    quote = dialect.quote
    table, key, name = quote(spec.name), quote(spec.key), literal(spec.name)
    target = f"INSERT INTO {quote(own.journal)} (object, `key`, op, message_id)"
    same = f"BINARY OLD.{key} <=> BINARY NEW.{key}"

    def entry(row: str, op: str) -> str:
        return f"{name}, CAST({row}.{key} AS CHAR CHARACTER SET utf8mb4), {op}, @isthmus_message_id"

    def trigger(place: int, event: str, action: str, order: str = "") -> str:
        label = quote(_names(own, spec)[place])
        head = f"CREATE OR REPLACE TRIGGER {label} AFTER {event} ON {table} FOR EACH ROW{order}"
        return f"{head} {target} {action}"

    first = quote(_names(own, spec)[1].rpartition(".")[2])
    came, went = entry("NEW", "'I'"), entry("OLD", "'D'")
    kept = entry("NEW", f"IF({same}, 'U', 'I')")
    return [
        trigger(0, "INSERT", f"VALUES ({came})"),
        trigger(1, "UPDATE", f"SELECT {went} FROM DUAL WHERE NOT ({same})"),  # noqa: S608
        trigger(2, "UPDATE", f"VALUES ({kept})", f" FOLLOWS {first}"),
        trigger(3, "DELETE", f"VALUES ({went})"),
    ]


MARIADB = Dialect(
    name="mariadb",
    driver=Driver(
        packages="odbc-mariadb",
        files=("libmaodbc.so",),
        words=("maodbc", "mariadb"),
        # OPTION 2: an update counts the rows it found, not those it altered. The time-outs are in seconds; of
        # those that ODBC knows the driver heeds none.
        options={
            "OPTION": "2",
            "CHARSET": "utf8mb4",
            "CONN_TIMEOUT": "{connect_s}",
            "READ_TIMEOUT": "{deadline_s}",
            "WRITE_TIMEOUT": "{deadline_s}",
        },
        needs=("libmariadb.so.3",),
        # what is bound in pieces arrives with pieces missing
        max_write=1 << 30,
        narrow="utf-8",
    ),
    session=(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
        "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = {lock_s}, lock_wait_timeout = {lock_s},"
        " max_statement_time = {statement_s}, idle_transaction_timeout = {deadline_s}, wait_timeout = 86400",
        # the least that locks; a server that logs statements refuses writes at that level
        "SET SESSION tx_isolation = IF(@@global.log_bin AND @@session.binlog_format = 'STATEMENT',"
        " 'REPEATABLE-READ', 'READ-COMMITTED')",
    ),
    classify=_classify,
    column=_column,
    as_text=_as_text,
    comparand=_comparand,
    value=_value,
    release=_release,
    journal=Journal(
        # InnoDB by name: the server's default may know no transactions. Ids are compared by bytes.
        create="CREATE TABLE IF NOT EXISTS {table} ({columns})"
        " ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        sequence="seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
        moment="DATETIME(6)",
        instance="UUID()",
        longest_key=768,
        add="ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}",
        present="SELECT trigger_name, event_object_table, CAST(created AS CHAR)"
        " FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
        " UNION SELECT CONCAT(trigger_schema, '.', trigger_name),"
        " CONCAT(event_object_schema, '.', event_object_table), CAST(created AS CHAR)"
        " FROM information_schema.triggers",
        tells_table=True,
        names=_names,
        triggers=_triggers,
        drop=_drop,
    ),
    # By its offset, not by name, even where the zone tables are loaded: in a zone with a name the hour in
    # which clocks are put back has one TIMESTAMP for two moments, and the later one could not be written.
    zone="SET SESSION time_zone = '{offset}'",
    minimum=("MariaDB", (10, 5)),
    dictionary=Dictionary(
        fractions="SELECT column_name, datetime_precision FROM information_schema.columns"
        " WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND datetime_precision IS NOT NULL",
        collations="SELECT column_name, collation_name FROM information_schema.columns WHERE table_schema ="
        " COALESCE(?, DATABASE()) AND table_name = ? AND collation_name IS NOT NULL",
        equating="SELECT collation_name FROM information_schema.columns WHERE table_schema ="
        " COALESCE(?, DATABASE()) AND table_name = ? AND column_name = ? AND collation_name NOT LIKE '%bin'",
        members="SELECT column_name, column_type FROM information_schema.columns WHERE table_schema ="
        " COALESCE(?, DATABASE()) AND table_name = ? AND data_type IN ('enum', 'set')",
        unsafe="SELECT engine FROM information_schema.tables JOIN information_schema.engines USING (engine)"
        " WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND NOT transactions <=> 'YES'",
        orphans="SELECT trigger_name, definer FROM information_schema.triggers WHERE NOT EXISTS"
        " (SELECT 1 FROM mysql.user WHERE CONCAT(user, '@', host) = definer)",
        hidden="SELECT 1 FROM DUAL WHERE 'TRIGGER' NOT IN"
        " (SELECT privilege_type FROM information_schema.user_privileges UNION"
        " SELECT privilege_type FROM information_schema.schema_privileges UNION"
        " SELECT privilege_type FROM information_schema.table_privileges)",
    ),
    now="UTC_TIMESTAMP(6)",
    cipher=Cipher(
        ("forcetls", "sslverify", "sslca"),
        frozenset({"1", "true", "yes"}),
        "FORCETLS=1;SSLVERIFY=1",
        "FORCETLS=0",
        proves=lambda options: options.get("sslverify") in {"1", "true", "yes"},
        proof="SSLVERIFY=1, and SSLCA with the authority's certificate",
    ),
    scratch=Scratch("CREATE TEMPORARY TABLE {name} SELECT {column} FROM {table} WHERE FALSE"),
    rights=Rights(
        account=lambda user: f"{literal(user)}@'%'",
        notes=(
            "write the user's host in the place of '%' where it has one",
            "the triggers run with the rights of whoever installs them",
        ),
    ),
    insert="INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {key}",
    returns_key=True,
    home=Home.CATALOG,
    row_lock=Lock(suffix=" FOR UPDATE"),
    share_lock=Lock(suffix=" LOCK IN SHARE MODE"),
    # INSERT IGNORE would also cut a long id and turn other errors into warnings
    claim=Claim.DUPLICATE,
    mark="@isthmus_message_id := ?",
    unmark="SET @isthmus_message_id = NULL",
    nothing=" FROM DUAL",
    reserved=frozenset({"key"}),
    quotes=("`", "`"),
    digest=Digest(row=_row_hash, halves=_halves),
    allowed=_ALLOWED,
    earlier=_earlier,
    silent_cascades=True,
    sets=Sets(
        minimum=(10, 6),
        rows=_rows,
        packing=Packing.ARRAYS,
        match=_match,
        join="STRAIGHT_JOIN",
        lock=" FOR UPDATE",
        update="UPDATE {rows} STRAIGHT_JOIN {table} r ON {match} SET {setters}",
        setter="r.{name} = {value}",
        delete="DELETE r FROM {rows} STRAIGHT_JOIN {table} r ON r.{key} = {match}",
        mark="SELECT @isthmus_message_id := ?",
        own_text=Column("", "varchar", collation="utf8mb4_nopad_bin"),
        held=frozenset({"1205", "1969"}),
    ),
)
