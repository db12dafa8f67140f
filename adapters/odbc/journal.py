"""The agent's own tables and triggers in the ERP: what is installed, verified, removed and printed.

A trigger does one INSERT of (object, key, operation) and nothing more: it runs in the ERP's transactions.
The journal is released by exact numbers, the ledger and the epoch row make deliveries at-most-once.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.odbc import sql
from adapters.odbc.capture.standing import standing
from adapters.odbc.capture.triggers import Enabled
from adapters.odbc.dialect import Dialect, Fault, Journal, OwnTables
from adapters.odbc.dialects import DIALECTS
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import Erp
from adapters.odbc.tables import WITH_TRIGGERS, Capture
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
    statements = _tables(dialect, erp.own)
    below = [spec.name for spec in erp.captured(Capture.SNAPSHOT)]
    if below and dialect.horizon is not None:
        statements += dialect.horizon.install(erp.own, below)
    for spec in erp.captured(*WITH_TRIGGERS):
        statements += dialect.journal.triggers(dialect, erp.own, spec)
    return statements


def tracking_script(erp: Erp) -> list[str]:
    """Statements that switch the database's own change tracking on; repeatable, none inside a transaction."""
    dialect, tracked = DIALECTS[erp.dialect], erp.captured(Capture.CHANGE_TRACKING)
    if dialect.tracking is None or not tracked:
        return []
    named = [sql.Named.of(dialect, spec.name) for spec in tracked]
    tables = [name.within(line) for name in named for line in dialect.tracking.enable]
    return [*dialect.tracking.switch, *tables]


def remove_script(erp: Erp) -> list[str]:
    """Statements that leave nothing of the agent behind; repeatable while the ERP's tables exist."""
    dialect = DIALECTS[erp.dialect]
    statements = [line for spec in erp.objects for line in dialect.journal.drop(dialect, erp.own, spec)]
    if dialect.horizon is not None:
        statements += dialect.horizon.remove(erp.own)
    tables = [dialect.journal.remove.format(table=dialect.quote(table)) for table in erp.own.all]
    return statements + tables + dialect.journal.behind(dialect, erp.own)


def tracking_left(erp: Erp) -> list[str]:
    """What ``remove`` leaves to people, as comments: change tracking may serve others, too."""
    dialect, tracked = DIALECTS[erp.dialect], erp.captured(Capture.CHANGE_TRACKING)
    if dialect.tracking is None or not tracked:
        return []
    named = [sql.Named.of(dialect, spec.name) for spec in tracked]
    lines = [name.within(line) for line in dialect.tracking.disable for name in named]
    head = "-- change tracking is the database's own and stays on; where it serves nobody else:"
    return [head, *(f"--   {line}" for line in dict.fromkeys(lines))]


def install(erp: Erp) -> None:
    """Install everything, or bring an older installation up to date. Raises Refused or Unreachable."""
    session = Session(erp, autocommit=True)
    try:
        lacking = lacking_columns(session)
        orphaned = _orphaned(session)
        elsewhere = _elsewhere(session)
        for statement in tracking_script(erp):
            session.run(statement)
    except SqlFault as fault:
        raise _not_run(erp, fault) from None
    finally:
        session.close()
    dialect = DIALECTS[erp.dialect]
    journal, table = dialect.journal, dialect.quote(erp.own.epoch)
    run_script(
        erp,
        [
            *(journal.alter.format(table=table, column=_mark_column(journal, name)) for name in lacking),
            # a new journal numbers its rows from one: under the old name they would pass for known ones
            *([f"DELETE FROM {dialect.quote(erp.own.meta)}"] if orphaned else []),  # noqa: S608
            *elsewhere,
            *install_script(erp),
        ],
    )


def _orphaned(session: Session) -> bool:
    """Whether the name of an installation is there whose journal is gone."""
    own = session.erp.own
    return session.reflect(own.journal) is None and session.reflect(own.meta) is not None


def _elsewhere(session: Session) -> list[str]:
    """Statements that drop triggers which moved away with a table that had the name before.

    Their own names are taken, else.
    """
    erp, dialect = session.erp, session.dialect
    noted = erp.captured(*WITH_TRIGGERS)
    if not noted:
        return []
    enabled = Enabled.ask(session)
    moved = [spec for spec in noted if enabled.elsewhere(spec)]
    return [line for spec in moved for line in dialect.journal.drop(dialect, erp.own, spec)]


def lacking_columns(session: Session) -> list[str]:
    """Columns that the epoch table of an older installation lacks; none where there is no table at all."""
    table = session.reflect(session.erp.own.epoch)
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
        raise _not_run(erp, fault) from None
    finally:
        session.close()


def _not_run(erp: Erp, fault: SqlFault) -> Refused | Unreachable:
    if fault.verdict.fault in {Fault.BUSY, Fault.LOST}:
        return Unreachable(str(fault), where=erp.name, remedy="try again when the ERP is quiet")
    return Refused(
        f"the database refused: {fault}",
        where=erp.name,
        remedy="let a user who may create triggers run the script of isthmus journal install --print",
    )


def verify(session: Session) -> list[Check]:
    """One check for the tables and one per captured object's triggers."""
    erp, dialect = session.erp, session.dialect
    remedy = f"isthmus journal install {erp.name}"
    missing = [table for table in erp.own.all if session.reflect(table) is None]
    missing += [f"{erp.own.epoch}.{name}" for name in lacking_columns(session)]
    journal = session.reflect(erp.own.journal) if erp.captured(Capture.SNAPSHOT) else None
    if journal is not None and "xid" not in journal.columns:
        missing.append(f"{erp.own.journal}.xid")
    checks = [
        Check(
            "journal tables",
            ok=not missing,
            detail=f"missing: {', '.join(missing)}" if missing else erp.own.journal,
            remedy=remedy if missing else "",
        )
    ]
    enabled = Enabled.ask(session)
    hidden = bool(dialect.dictionary.hidden and session.rows(dialect.dictionary.hidden))
    passed = (
        {str(row[0]) for row in session.rows(dialect.journal.passed)} if dialect.journal.passed else set()
    )
    for spec in erp.captured(*WITH_TRIGGERS):
        there, absent = enabled.of(spec), sorted(enabled.missing(spec))
        if hidden and not there:
            detail = "not visible with this user's rights; a user with more of them can verify"
            checks.append(Check(f"journal triggers of {spec.name}", ok=True, detail=detail))
            continue
        checks.append(
            Check(
                f"journal triggers of {spec.name}",
                ok=not absent,
                detail=f"missing or disabled: {', '.join(absent)}"
                if absent
                else _installed(there.keys() & passed),
                remedy=remedy if absent else "",
            )
        )
    return checks + [standing(session, spec) for spec in erp.captured(Capture.CHANGE_TRACKING)]


def _installed(passed: set[str]) -> str:
    if not passed:
        return "installed"
    limit = "sessions with session_replication_role = replica (loads, replication) fire none"
    return f"installed; {limit}: let the table's owner install them"


def _mark_column(journal: Journal, name: str) -> str:
    return journal.types(f"{name} {MARK_COLUMNS[name]}")


def _tables(dialect: Dialect, own: OwnTables) -> list[str]:
    journal = dialect.journal
    key = dialect.own("key")
    width = "TEXT" if journal.longest_key is None else f"VARCHAR({journal.longest_key})"
    number = journal.sequence.replace("{name}", dialect.quote(f"{own.journal}_seq"))

    def create(table: str, columns: str) -> str:
        return journal.create.format(table=dialect.quote(table), columns=journal.types(columns))

    def unless_any(table: str, columns: str, values: str) -> str:
        name = dialect.quote(table)
        return (
            f"INSERT INTO {name} ({columns}) SELECT {values}{dialect.nothing}"  # noqa: S608
            f" WHERE NOT EXISTS (SELECT 1 FROM {name})"
        )

    marks = [f"{name} {kind}" for name, kind in MARK_COLUMNS.items()]
    return [
        *journal.before(dialect, own),
        create(
            own.journal,
            f"{number}, object VARCHAR(128) NOT NULL, {key} {width}, op CHAR(1) NOT NULL"
            " CHECK (op IN ('I', 'U', 'D', 'T')), message_id VARCHAR(255)",
        ),
        create(own.meta, "instance VARCHAR(64) NOT NULL"),
        unless_any(own.meta, "instance", journal.instance),
        create(
            own.ledger,
            "message_id VARCHAR(255) NOT NULL PRIMARY KEY, payload_hash VARCHAR(128) NOT NULL, epoch BIGINT"
            f" NOT NULL, object VARCHAR(128) NOT NULL, {key} {width}, outcome VARCHAR(16) NOT NULL,"
            f" applied_at {journal.moment} NOT NULL",
        ),
        create(
            own.epoch,
            "id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), epoch BIGINT NOT NULL, " + ", ".join(marks),
        ),
        *(
            journal.add.format(table=dialect.quote(own.epoch), column=journal.types(mark))
            for mark in marks
            if journal.add
        ),
        unless_any(own.epoch, "id, epoch", "1, 0"),
    ]
