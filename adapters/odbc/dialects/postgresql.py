"""PostgreSQL through psqlodbc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.odbc.catalog import Column, blank_of
from adapters.odbc.dialect import (
    Cipher,
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
    beside,
    first_sentence,
    literal,
    trigger_base,
)
from adapters.odbc.dialects.postgresql_horizon import HORIZON
from adapters.odbc.forms import Packing, Sets
from agent.core.objects import ObjectSpec

_TEXT = frozenset({"text", "varchar", "bpchar"})
#: ODBC's numbers of types: NUMERIC and DECIMAL, TIME and TIMESTAMP.
_NUMERIC, _TIMES = frozenset({2, 3}), frozenset({92, 93})
#: Types of PostgreSQL's own catalog that cut what is longer: "char" and name.
_NARROW = {"char": 1, "name": 63}
#: Decimal places of numbers without a type modifier.
_PLACES = {"int2": 0, "int4": 0, "int8": 0, "money": 2}
#: Bytes after which identifiers are cut without a word.
_LONGEST = 63
_EXACT = {
    "40001": Fault.BUSY,
    "40P01": Fault.BUSY,
    "55P03": Fault.BUSY,
    "57014": Fault.BUSY,
    "53300": Fault.LOST,
    "57P01": Fault.LOST,
    "57P02": Fault.LOST,
    "57P03": Fault.LOST,
    "57P04": Fault.LOST,
    "57P05": Fault.LOST,
    "25P03": Fault.LOST,  # a transaction was left idle, or took too long: the server ended the session
    "25P04": Fault.LOST,
    "0A000": Fault.BUSINESS,  # of a statement that was prepared before: see ``stale``
    "25P02": Fault.LOST,
    "23505": Fault.DUPLICATE,
    "23502": Fault.INVALID,
    "P0001": Fault.BUSINESS,
    "42501": Fault.SETUP,
    "42P01": Fault.SETUP,
    "42703": Fault.SETUP,
    "3D000": Fault.SETUP,
}
#: The driver gives no other state for a login that was refused than for a server that is away.
_NOT_LET_IN = (
    "does not exist",
    "authentication failed",
    "not permitted to log in",
    "no pg_hba.conf entry",
    "permission denied for database",
)
_CLASS = {
    "08": Fault.LOST,
    "22": Fault.INVALID,
    "23": Fault.BUSINESS,
    "28": Fault.SETUP,
    "P0": Fault.BUSINESS,
    "53": Fault.BUSY,
}


def _classify(state: str, message: str) -> Verdict:
    """psqlodbc gives the server's SQLSTATE; exception classes are no guide (57P01 is a plain Error)."""
    fault = _EXACT.get(state) or _CLASS.get(state[:2], Fault.UNKNOWN)
    if "internal SAVEPOINT failed" in message:
        fault = Fault.LOST  # the driver's own savepoint was the first to meet the dead connection
    if state == "08001" and any(words in message for words in _NOT_LET_IN):
        fault = Fault.SETUP
    text = first_sentence(message)
    if fault is Fault.INVALID:
        # '... for type numeric: "abc"' carries the value
        text = text.split(': "')[0]
    return Verdict(fault, state, text)


def _column(row: Any, extra: Mapping[str, int]) -> Column:
    """Limits hold where ``typmod`` is not -1. What is beyond a scale or a fraction would be rounded."""
    type_name = str(row[5]).lower()
    typmod = row[extra["typmod"]] if "typmod" in extra else None
    limited = typmod is not None and typmod >= 0
    if row[4] in _NUMERIC:  # also a domain on one
        return Column(row[3], type_name, None, (row[8] or 0) if limited else None)
    if row[4] in _TIMES:
        return Column(row[3], type_name, zoned=type_name == "timestamptz", fraction=row[8])
    if type_name in _NARROW:
        return Column(row[3], type_name, _NARROW[type_name], charset="ascii")
    if type_name in _PLACES:
        return Column(row[3], type_name, None, _PLACES[type_name])
    length = row[6] if limited and type_name in _TEXT else None
    return Column(row[3], type_name, length, blank=blank_of(row))


def _as_text(expression: str, column: Column) -> str:
    if column.zoned:  # in UTC whatever the session's zone
        return f"CAST({expression} AT TIME ZONE 'UTC' AS TEXT)"
    if column.type_name == "money":  # as text it would be in the words of the server's country
        return f"CAST(CAST({expression} AS numeric) AS TEXT)"
    # the driver pads a bpchar with blanks that mean nothing; as text it has none
    plain = column.type_name in _TEXT and column.type_name != "bpchar"
    return expression if plain else f"CAST({expression} AS TEXT)"


def _cast(column: Column) -> str:
    if column.zoned:
        return "CAST(? AS timestamp) AT TIME ZONE 'UTC'"
    if column.type_name == "money":
        return "CAST(CAST(? AS numeric) AS money)"
    return "?" if column.type_name in _TEXT else f"CAST(? AS {column.type_name})"


#: The driver tells such a name in small letters and without its schema. A text that is cast to a domain on
#: varchar(n) would be cut; one that is stored as the varchar that it is, is refused.
_NAMED = """
WITH RECURSIVE base AS (
  SELECT a.attname, a.attnum, a.atttypid AS declared, a.atttypid AS typ, a.atttypmod AS typmod
  FROM pg_attribute a WHERE a.attrelid = CAST(concat_ws('.', quote_ident(?), quote_ident(?)) AS regclass)
  AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT b.attname, b.attnum, b.declared, t.typbasetype, greatest(b.typmod, t.typtypmod)
  FROM base b JOIN pg_type t ON t.oid = b.typ AND t.typtype = 'd')
SELECT CAST(b.attname AS text),
  CASE WHEN t.typname IN ('text', 'varchar', 'bpchar') THEN CAST(t.typname AS text)
  ELSE format_type(b.declared, NULL) END,
  CASE WHEN t.typname IN ('varchar', 'bpchar') AND b.typmod > 4 THEN b.typmod - 4 END
FROM base b JOIN pg_type t ON t.oid = b.typ JOIN pg_type d ON d.oid = b.declared
WHERE t.typtype <> 'd' AND d.typnamespace <> CAST('pg_catalog' AS regnamespace)
"""


#: xmin: of the row's last change, so also after it was switched off and on. A partition that is emptied fires
#: no trigger of its table, but has another file then; its triggers count as those of the table.
_PRESENT = """
WITH RECURSIVE found AS (
  SELECT oid, tgrelid AS place FROM pg_trigger WHERE tgparentid = 0
  UNION ALL SELECT t.oid, f.place FROM found f JOIN pg_trigger t ON t.tgparentid = f.oid),
named AS (
  SELECT oid, relname AS name FROM pg_class WHERE pg_table_is_visible(oid)
  UNION ALL SELECT c.oid, CONCAT(n.nspname, '.', c.relname) FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace)
SELECT CAST(t.tgname AS TEXT), CAST(n.name AS TEXT), CONCAT(t.oid, '.', t.xmin,
  CASE WHEN t.tgparentid <> 0 THEN CONCAT('.', pg_relation_filenode(t.tgrelid)) END)
FROM found f JOIN pg_trigger t ON t.oid = f.oid JOIN named n ON n.oid = f.place
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
"""


def _rows(count: int) -> str:
    columns = ", ".join(f"c{place} text" for place in range(count))
    return f"json_to_recordset(CAST(? AS json)) AS j({columns})"


def _match(expression: str, column: Column) -> str:
    """A bpchar beside a text would be compared as text, which its index does not know."""
    if column.type_name == "bpchar":
        return f"CAST({expression} AS bpchar)"
    return _cast(column).replace("?", expression)


def _release(table: str, count: int) -> str:
    return f"DELETE FROM {table} WHERE seq IN ({', '.join(['CAST(? AS bigint)'] * count)})"  # noqa: S608


def _row_hash(columns: Sequence[tuple[str, Column]]) -> str:
    """Each value with its length before it; one without a limit is hashed for itself first."""
    parts = []
    for expression, column in columns:
        long = column.type_name in {"text", "bytea", "json", "jsonb", "xml"} or (
            column.type_name in _TEXT and column.length is None
        )
        text = f"md5({expression})" if long else expression
        parts.append(f"coalesce(length({text}) || ':' || {text}, '-')")
    return f"md5({' || '.join(parts)})"


def _halves(digest: str) -> tuple[str, str]:
    def half(first: int) -> str:
        return f"CAST(CAST('x' || substr({digest}, {first}, 16) AS bit(64)) AS bigint)"

    return half(1), half(17)


def _earlier(column: Column, seconds: float) -> str:
    return f"{_cast(column)} - INTERVAL '{seconds:.3f} s'"


def _names(own: OwnTables, spec: ObjectSpec) -> list[str]:
    base = trigger_base(own, spec, _LONGEST, octets=True)
    return [base, f"{base}_t"]


def _drop(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    table = dialect.quote(spec.name)
    names = _names(own, spec)
    return [
        *(f"DROP TRIGGER IF EXISTS {dialect.quote(name)} ON {table}" for name in names),
        # with triggers that moved away with a table that had this name before: nothing else can depend on it
        f"DROP FUNCTION IF EXISTS {dialect.quote(beside(spec, names[0]))}() CASCADE",
    ]


def _triggers(dialect: Dialect, own: OwnTables, spec: ObjectSpec) -> list[str]:
    """SECURITY DEFINER: users of the ERP need no right on the journal, and cannot write it otherwise.

    The function stands beside its table: tables of one name in several schemas need one each.
    They fire in sessions that replicate or load, too, where whoever installs them may say so: the owner of
    the table. A key that is a date is written as the agent reads it, whatever a user's session says.
    """
    quote = dialect.quote
    key, name = quote(spec.key), literal(spec.name)
    row, truncated = (quote(trigger) for trigger in _names(own, spec))
    function = quote(beside(spec, _names(own, spec)[0]))
    target = f"INSERT INTO {quote(own.journal)} (object, key, op, message_id) VALUES"
    marker = "nullif(current_setting('isthmus.message_id', true), '')"

    def entry(source: str, op: str) -> str:
        return f"({name}, CAST({source}.{key} AS TEXT), '{op}', {marker})"

    body = (
        f"BEGIN IF TG_OP = 'INSERT' THEN {target} {entry('NEW', 'I')};"
        f" ELSIF TG_OP = 'DELETE' THEN {target} {entry('OLD', 'D')};"
        f" ELSIF TG_OP = 'TRUNCATE' THEN {target} ({name}, NULL, 'T', {marker});"
        f" ELSIF OLD.{key} IS NOT DISTINCT FROM NEW.{key} THEN {target} {entry('NEW', 'U')};"
        f" ELSE {target} {entry('OLD', 'D')}, {entry('NEW', 'I')}; END IF; RETURN NULL; END"
    )
    return [
        *_drop(dialect, own, spec),
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path FROM CURRENT SET DateStyle = 'ISO' AS $isthmus$ {body} $isthmus$",
        f"CREATE TRIGGER {row} AFTER INSERT OR UPDATE OR DELETE ON {quote(spec.name)}"
        f" FOR EACH ROW EXECUTE FUNCTION {function}()",
        f"CREATE TRIGGER {truncated} AFTER TRUNCATE ON {quote(spec.name)}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
        f"DO $isthmus$ BEGIN ALTER TABLE {quote(spec.name)} ENABLE ALWAYS TRIGGER {row},"
        f" ENABLE ALWAYS TRIGGER {truncated}; EXCEPTION WHEN insufficient_privilege THEN NULL; END $isthmus$",
    ]


def _account(user: str) -> str:
    return '"' + user.replace('"', '""') + '"'


def _before(dialect: Dialect, own: OwnTables, objects: Sequence[ObjectSpec]) -> list[str]:
    """The schemas, and the sequences behind keys that a table numbers by itself with a plain default."""
    names = [spec.name for spec in objects] + list(own.all)
    schemas = dict.fromkeys(name.rpartition(".")[0] for name in names)
    usage = [f"GRANT USAGE ON SCHEMA {dialect.quote(name)} TO {{account}}" for name in schemas if name]
    keys = ", ".join(
        f"({literal(dialect.quote(spec.name))}, {literal(spec.key)})"
        for spec in objects
        if spec.deliver and spec.create
    )
    if not keys:
        return usage
    return [
        *usage,
        "DO $isthmus$ DECLARE found text; BEGIN FOR found IN SELECT pg_get_serial_sequence(t, k)"  # noqa: S608
        f" FROM (VALUES {keys}) AS keys (t, k) WHERE pg_get_serial_sequence(t, k) IS NOT NULL"
        " LOOP EXECUTE 'GRANT USAGE ON SEQUENCE ' || found || ' TO {account}'; END LOOP; END $isthmus$",
    ]


POSTGRESQL = Dialect(
    name="postgresql",
    driver=Driver(
        packages="odbc-postgresql",
        files=("psqlodbcw.so",),
        words=("psqlodbc", "postgres"),
        # keepalives: without them a cut link blocks a call for minutes. Protocol: else the driver sets a
        # savepoint before every statement, two more round trips; after an error we roll back in any case
        options={
            "BoolsAsChar": "0",
            "Protocol": "7.4-0",
            "pqopt": "keepalives=1 keepalives_idle=5 keepalives_interval=2 keepalives_count=3 "
            "tcp_user_timeout={deadline_ms} connect_timeout={connect_s}",
        },
    ),
    session=(
        "SET lock_timeout = {lock_ms}",
        # before the agent gives the worker up: the query of a dead client would run on at the server
        "SET statement_timeout = {statement_ms}",
        "SET idle_in_transaction_session_timeout = {deadline_ms}",
        "SET TIME ZONE 'UTC'",
        "SET DateStyle = 'ISO'",
        # what the database or the role sets would change the text of a value, and so its hash
        "SET IntervalStyle = 'iso_8601'",
        "SET extra_float_digits = 1",
        "SET bytea_output = 'hex'",
    ),
    classify=_classify,
    column=_column,
    as_text=_as_text,
    comparand=_cast,
    minimum=("PostgreSQL", (13,)),
    dictionary=Dictionary(
        named=_NAMED,
        place="SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass(quote_ident(?))",
        equating="SELECT c.collname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation"
        " WHERE a.attrelid = CAST(concat_ws('.', quote_ident(?), quote_ident(?)) AS regclass)"
        " AND a.attname = ? AND NOT c.collisdeterministic",
    ),
    zone="SET TIME ZONE '{name}'",
    cipher=Cipher(
        ("sslmode",),
        frozenset({"require", "verify-ca", "verify-full"}),
        "SSLmode=verify-full",
        "SSLmode=disable",
        proves=lambda options: options.get("sslmode") == "verify-full",
        proof="SSLmode=verify-full",
    ),
    scratch=Scratch("CREATE TEMPORARY TABLE {name} AS SELECT {column} FROM {table} WITH NO DATA"),
    rights=Rights(
        account=_account,
        notes=(
            "what the ERP's own triggers read and write, they do with the rights of the user who wrote:",
            "grant that too, as to the ERP's other users",
        ),
        before=_before,
    ),
    value=_cast,
    release=_release,
    journal=Journal(
        create="CREATE TABLE IF NOT EXISTS {table} ({columns})",
        sequence="seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        moment="TIMESTAMPTZ",
        instance="CAST(gen_random_uuid() AS TEXT)",
        life="CONCAT(instance, '.', pg_relation_filenode(CAST({quoted} AS regclass)))",
        longest_key=None,
        add="ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}",
        present=_PRESENT,
        tells_table=True,
        passed="SELECT CAST(tgname AS TEXT) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'",
        names=_names,
        triggers=_triggers,
        drop=_drop,
    ),
    insert="INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {key}",
    returns_key=True,
    row_lock=Lock(suffix=" FOR UPDATE"),
    share_lock=Lock(suffix=" FOR SHARE"),
    mark="set_config('isthmus.message_id', ?, true)",
    digest=Digest(row=_row_hash, halves=_halves),
    horizon=HORIZON,
    earlier=_earlier,
    stale=frozenset({"0A000"}),  # "cached plan must not change result type", after ALTER TABLE
    allowed="SELECT 1 FROM pg_class WHERE oid = to_regclass(?) AND has_table_privilege(oid, '{right}')",
    sets=Sets(
        minimum=(9, 4),
        rows=_rows,
        packing=Packing.OBJECTS,
        match=_match,
        join="JOIN",
        lock=" ORDER BY {key} FOR UPDATE OF r",
        update="UPDATE {table} AS r SET {setters} FROM {rows} WHERE {match}",
        setter="{name} = {value}",
        delete="DELETE FROM {table} AS r USING {rows} WHERE r.{key} = {match}",
        mark="SELECT set_config('isthmus.message_id', ?, true)",
        held=frozenset({"55P03", "57014"}),
    ),
)
