"""What ``isthmus check`` asks of an ERP: connection, server, tables, journal, ledger. Changes nothing."""

from __future__ import annotations

from adapters.odbc import sql
from adapters.odbc.capture.advice import horizon
from adapters.odbc.inspection import objects, server
from adapters.odbc.inspection.connection import lint
from adapters.odbc.inspection.roundtrip import round_trip
from adapters.odbc.journal import verify
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import Erp
from agent.errors import RemoteError
from agent.ports import Check

__all__ = ["inspect", "round_trip"]


def inspect(erp: Erp) -> list[Check]:
    """All checks on a connection of their own; what fails early leaves out what depends on it."""
    checks = lint(erp)
    try:
        session = Session(erp, autocommit=False)
    except RemoteError as error:
        return [Check("connect", ok=False, detail=error.message, remedy=error.remedy), *checks]
    try:
        checks.insert(0, Check("connect", ok=True, detail=session.describe()))
        checks += server.inspect(session)
        for spec in erp.objects:
            checks += objects.inspect(session, spec)
        checks += verify(session)
        checks += server.triggers(session)
        checks += horizon(session)
        if any(erp.write(spec.name).ledger for spec in erp.objects if spec.deliver):
            checks.append(_ledger(session))
    except SqlFault as fault:
        return [*checks, Check("catalog", ok=False, detail=str(fault), remedy="check the user's rights")]
    finally:
        session.rollback()
        session.close()
    return checks


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
