"""What ``isthmus check`` asks of an ERP: connection, tables, columns, journal, ledger. Changes nothing."""

from __future__ import annotations

import difflib

from adapters.odbc import sql
from adapters.odbc.catalog import Table, unique_columns
from adapters.odbc.journal import verify
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import Erp
from agent.core.objects import FieldType, ObjectSpec
from agent.errors import RemoteError
from agent.ports import Check


def inspect(erp: Erp) -> list[Check]:
    """All checks on a connection of their own; what fails early leaves out what depends on it."""
    try:
        session = Session(erp, autocommit=False)
    except RemoteError as error:
        return [Check("connect", ok=False, detail=error.message, remedy=error.remedy)]
    try:
        checks = [Check("connect", ok=True, detail=session.describe())]
        for spec in erp.objects:
            checks += _object(session, spec)
        checks += verify(session)
        checks.append(_ledger(session))
    except SqlFault as fault:
        return [*checks, Check("catalog", ok=False, detail=str(fault), remedy="check the user's rights")]
    finally:
        session.rollback()
        session.close()
    return checks


def _object(session: Session, spec: ObjectSpec) -> list[Check]:
    table = session.reflect(spec.name)
    if table is None:
        return [
            Check(
                f"table {spec.name}",
                ok=False,
                detail="not found in the catalog",
                remedy="check name and case, and the user's right to read it",
            )
        ]
    checks = [Check(f"table {spec.name}", ok=True, detail=f"{len(table.columns)} columns")]
    names = [spec.key, *(item.name for item in spec.fields)]
    if spec.external_id:
        names.append(spec.external_id)
    for name in dict.fromkeys(names):
        if name not in table.columns:
            near = difflib.get_close_matches(name, list(table.columns), n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"columns: {', '.join(sorted(table.columns))}"
            checks.append(Check(f"column {spec.name}.{name}", ok=False, detail="no such column", remedy=hint))
    checks += _values(session, spec, table)
    checks.append(_unique(session, spec, table))
    return checks


def _values(session: Session, spec: ObjectSpec, table: Table) -> list[Check]:
    """Columns that would lose digits: SQLite stores a number in a numeric column as binary floating point."""
    if not session.dialect.lossy_numbers:
        return []
    lossy = [
        item.name
        for item in spec.fields
        if item.type is FieldType.DECIMAL
        and item.name in table.columns
        and "int" not in (column := table.column(item.name)).type_name
        and session.dialect.text(item.name, column) != session.dialect.quote(item.name)
    ]
    return [
        Check(
            f"column {spec.name}.{name}",
            ok=False,
            detail="a decimal in a column without TEXT affinity loses digits beyond the fifteenth",
            remedy="declare the column TEXT, or map it as text",
        )
        for name in lossy
    ]


def _unique(session: Session, spec: ObjectSpec, table: Table) -> Check:
    """Key and external id must be unique: a record is found by them."""
    cursor = session.cursor()
    try:
        unique = unique_columns(cursor, spec.name, session.dialect.home)
    except session.driver_error as error:
        return Check(
            f"keys of {spec.name}", ok=False, detail=str(error.args[-1])[:200], remedy="check the rights"
        )
    finally:
        cursor.close()
    if len(table.primary_key) == 1:
        unique |= {table.primary_key[0]}
    wanted = [spec.key, *([spec.external_id] if spec.external_id else [])]
    missing = [name for name in wanted if name in table.columns and name not in unique]
    return Check(
        f"keys of {spec.name}",
        ok=not missing,
        detail=f"not unique: {', '.join(missing)}" if missing else f"unique: {', '.join(wanted)}",
        remedy="create a unique index on it" if missing else "",
    )


def _ledger(session: Session) -> Check:
    """Write a ledger row and take it back."""
    remedy = f"isthmus journal install {session.erp.name}, and grant INSERT, UPDATE, SELECT on the ledger"
    session.rollback()
    try:
        statement = sql.ledger_insert(session.dialect, session.erp.own.ledger)
        session.run(statement, ("check", "", "0", "check", None))
    except SqlFault as fault:
        return Check("ledger", ok=False, detail=str(fault), remedy=remedy)
    finally:
        session.rollback()
    return Check("ledger", ok=True, detail=f"{session.erp.own.ledger} takes rows")
