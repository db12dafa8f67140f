"""The agent's own tables and triggers in the ERP: what is installed, verified, removed and printed.

A trigger does one INSERT of (object, key, operation) and nothing more: it runs in the ERP's transactions.
The journal is released by exact numbers, the ledger and the epoch row make deliveries at-most-once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.odbc.dialect import DIALECTS, Dialect, Fault
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import Erp
from agent.core.objects import ObjectSpec
from agent.errors import Refused, Unreachable
from agent.ports import Check

#: What the epoch table keeps of the life that wrote last; an installation of the first days lacks them.
MARK_COLUMNS = {
    "life": "VARCHAR(64) NOT NULL DEFAULT ''",
    "token": "BIGINT NOT NULL DEFAULT 0",
    "host": "VARCHAR(255) NOT NULL DEFAULT ''",
    "stamp": "VARCHAR(64) NOT NULL DEFAULT ''",
}


def install_script(erp: Erp) -> list[str]:
    """Statements that install everything for the captured objects; repeatable."""
    dialect = DIALECTS[erp.dialect]
    form = _FORMS[dialect.name]
    statements = form.tables(dialect, erp)
    for spec in erp.objects:
        if spec.capture:
            statements += form.drop_triggers(dialect, erp, spec) + form.triggers(dialect, erp, spec)
    return statements


def remove_script(erp: Erp) -> list[str]:
    """Statements that leave nothing of the agent behind; repeatable while the ERP's tables exist."""
    dialect = DIALECTS[erp.dialect]
    form = _FORMS[dialect.name]
    statements = [line for spec in erp.objects for line in form.drop_triggers(dialect, erp, spec)]
    tables = (erp.journal_table, erp.meta_table, erp.ledger_table, erp.epoch_table)
    return statements + [f"DROP TABLE IF EXISTS {dialect.quote(table)}" for table in tables]


def install(erp: Erp) -> None:
    """Install everything, or bring an older installation up to date. Raises Refused or Unreachable."""
    session = Session(erp, autocommit=True)
    try:
        lacking = lacking_columns(session)
    except SqlFault as fault:
        raise Unreachable(str(fault), where=erp.name, remedy="try again when the ERP is quiet") from None
    finally:
        session.close()
    table = DIALECTS[erp.dialect].quote(erp.epoch_table)
    run_script(
        erp,
        [
            *(f"ALTER TABLE {table} ADD COLUMN {name} {MARK_COLUMNS[name]}" for name in lacking),
            *install_script(erp),
        ],
    )


def lacking_columns(session: Session) -> list[str]:
    """Columns that the epoch table of an older installation lacks; none where there is no table at all."""
    table = session.reflect(session.erp.epoch_table)
    return [] if table is None else [name for name in MARK_COLUMNS if name not in table.columns]


def run_script(erp: Erp, statements: Sequence[str]) -> None:
    """Run the statements in one transaction on a connection of its own. Raises Refused or Unreachable."""
    session = Session(erp, autocommit=False)
    try:
        for statement in statements:
            session.run(statement)
        session.commit()
    except SqlFault as fault:
        session.rollback()
        if fault.verdict.fault in {Fault.BUSY, Fault.LOST}:
            raise Unreachable(str(fault), where=erp.name, remedy="try again when the ERP is quiet") from None
        raise Refused(
            f"the database refused: {fault}",
            where=erp.name,
            remedy="let a user who may create triggers run the script of isthmus journal install --print",
        ) from None
    finally:
        session.close()


def verify(session: Session) -> list[Check]:
    """One check for the tables and one per captured object's triggers."""
    erp, dialect = session.erp, session.dialect
    remedy = f"isthmus journal install {erp.name}"
    missing = [
        table
        for table in (erp.journal_table, erp.meta_table, erp.ledger_table, erp.epoch_table)
        if session.reflect(table) is None
    ]
    missing += [f"{erp.epoch_table}.{name}" for name in lacking_columns(session)]
    checks = [
        Check(
            "journal tables",
            ok=not missing,
            detail=f"missing: {', '.join(missing)}" if missing else erp.journal_table,
            remedy=remedy if missing else "",
        )
    ]
    present = {str(row[0]) for row in session.rows(_FORMS[dialect.name].present)}
    for spec in erp.objects:
        if not spec.capture:
            continue
        absent = sorted(set(_FORMS[dialect.name].names(erp, spec)) - present)
        checks.append(
            Check(
                f"journal triggers of {spec.name}",
                ok=not absent,
                detail=f"missing or disabled: {', '.join(absent)}" if absent else "installed",
                remedy=remedy if absent else "",
            )
        )
    return checks


@dataclass(frozen=True, slots=True)
class _Form:
    """How one dialect spells tables and triggers; ``present`` lists the enabled triggers' names."""

    tables: Callable[[Dialect, Erp], list[str]]
    triggers: Callable[[Dialect, Erp, ObjectSpec], list[str]]
    drop_triggers: Callable[[Dialect, Erp, ObjectSpec], list[str]]
    names: Callable[[Erp, ObjectSpec], list[str]]
    present: str


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _base(erp: Erp, spec: ObjectSpec) -> str:
    return f"{erp.journal_table.rpartition('.')[2]}_{spec.name.rpartition('.')[2]}"


def _common_tables(
    dialect: Dialect, erp: Erp, *, seq: str, time: str, instance: str, upgrade: Sequence[str] = ()
) -> list[str]:
    quote = dialect.quote
    return [
        f"CREATE TABLE IF NOT EXISTS {quote(erp.journal_table)} ({seq}, object VARCHAR(128) NOT NULL,"
        " key VARCHAR(255), op CHAR(1) NOT NULL CHECK (op IN ('I', 'U', 'D', 'T')), message_id VARCHAR(255))",
        f"CREATE TABLE IF NOT EXISTS {quote(erp.meta_table)} (instance VARCHAR(64) NOT NULL)",
        f"INSERT INTO {quote(erp.meta_table)} (instance) SELECT {instance}"  # noqa: S608
        f" WHERE NOT EXISTS (SELECT 1 FROM {quote(erp.meta_table)})",
        f"CREATE TABLE IF NOT EXISTS {quote(erp.ledger_table)} (message_id VARCHAR(255) NOT NULL PRIMARY KEY,"
        " payload_hash VARCHAR(128) NOT NULL, epoch BIGINT NOT NULL, object VARCHAR(128) NOT NULL,"
        f" key VARCHAR(255), outcome VARCHAR(16) NOT NULL, applied_at {time} NOT NULL)",
        f"CREATE TABLE IF NOT EXISTS {quote(erp.epoch_table)}"
        " (id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), epoch BIGINT NOT NULL"
        f"{''.join(f', {name} {kind}' for name, kind in MARK_COLUMNS.items())})",
        *upgrade,
        f"INSERT INTO {quote(erp.epoch_table)} (id, epoch) SELECT 1, 0"  # noqa: S608
        f" WHERE NOT EXISTS (SELECT 1 FROM {quote(erp.epoch_table)})",
    ]


def _sqlite_tables(dialect: Dialect, erp: Erp) -> list[str]:
    # AUTOINCREMENT: plain row ids are used again after a delete
    return _common_tables(
        dialect,
        erp,
        seq="seq INTEGER PRIMARY KEY AUTOINCREMENT",
        time="TEXT",
        instance="lower(hex(randomblob(16)))",
    )


def _sqlite_names(erp: Erp, spec: ObjectSpec) -> list[str]:
    return [f"{_base(erp, spec)}_{suffix}" for suffix in ("i", "u", "k", "d")]


def _sqlite_drop(dialect: Dialect, erp: Erp, spec: ObjectSpec) -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {dialect.quote(name)}" for name in _sqlite_names(erp, spec)]


def _sqlite_triggers(dialect: Dialect, erp: Erp, spec: ObjectSpec) -> list[str]:
    quote = dialect.quote
    table, key, name = quote(spec.name), quote(spec.key), _literal(spec.name)
    target = f"INSERT INTO {quote(erp.journal_table)} (object, key, op) VALUES"

    def entry(row: str, op: str) -> str:
        return f"({name}, CAST({row}.{key} AS TEXT), '{op}')"

    insert, update, rekey, delete = (quote(trigger) for trigger in _sqlite_names(erp, spec))
    same = f"OLD.{key} IS NEW.{key}"
    return [
        f"CREATE TRIGGER {insert} AFTER INSERT ON {table} BEGIN {target} {entry('NEW', 'I')}; END",
        f"CREATE TRIGGER {update} AFTER UPDATE ON {table} WHEN {same}"
        f" BEGIN {target} {entry('NEW', 'U')}; END",
        f"CREATE TRIGGER {rekey} AFTER UPDATE ON {table} WHEN NOT ({same})"
        f" BEGIN {target} {entry('OLD', 'D')}, {entry('NEW', 'I')}; END",
        f"CREATE TRIGGER {delete} AFTER DELETE ON {table} BEGIN {target} {entry('OLD', 'D')}; END",
    ]


def _postgresql_tables(dialect: Dialect, erp: Erp) -> list[str]:
    return _common_tables(
        dialect,
        erp,
        seq="seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        time="TIMESTAMPTZ",
        instance="CAST(gen_random_uuid() AS TEXT)",
        upgrade=[
            f"ALTER TABLE {dialect.quote(erp.epoch_table)} ADD COLUMN IF NOT EXISTS {name} {kind}"
            for name, kind in MARK_COLUMNS.items()
        ],
    )


def _postgresql_names(erp: Erp, spec: ObjectSpec) -> list[str]:
    return [_base(erp, spec), f"{_base(erp, spec)}_t"]


def _postgresql_drop(dialect: Dialect, erp: Erp, spec: ObjectSpec) -> list[str]:
    table = dialect.quote(spec.name)
    return [
        *(
            f"DROP TRIGGER IF EXISTS {dialect.quote(name)} ON {table}"
            for name in _postgresql_names(erp, spec)
        ),
        f"DROP FUNCTION IF EXISTS {dialect.quote(_base(erp, spec))}()",
    ]


def _postgresql_triggers(dialect: Dialect, erp: Erp, spec: ObjectSpec) -> list[str]:
    """SECURITY DEFINER: users of the ERP need no right on the journal, and cannot write it otherwise."""
    quote = dialect.quote
    key, name = quote(spec.key), _literal(spec.name)
    row, truncated = (quote(trigger) for trigger in _postgresql_names(erp, spec))
    function = quote(_base(erp, spec))
    target = f"INSERT INTO {quote(erp.journal_table)} (object, key, op, message_id) VALUES"
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
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path FROM CURRENT AS $isthmus$ {body} $isthmus$",
        f"CREATE TRIGGER {row} AFTER INSERT OR UPDATE OR DELETE ON {quote(spec.name)}"
        f" FOR EACH ROW EXECUTE FUNCTION {function}()",
        f"CREATE TRIGGER {truncated} AFTER TRUNCATE ON {quote(spec.name)}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
    ]


_FORMS = {
    "sqlite": _Form(
        _sqlite_tables,
        _sqlite_triggers,
        _sqlite_drop,
        _sqlite_names,
        "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    ),
    "postgresql": _Form(
        _postgresql_tables,
        _postgresql_triggers,
        _postgresql_drop,
        _postgresql_names,
        "SELECT CAST(tgname AS TEXT) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')",
    ),
}
