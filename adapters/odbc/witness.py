"""The ERP as witness: one row says which life of the store wrote there last, and how far that store was."""

from __future__ import annotations

from adapters.odbc import sql
from adapters.odbc.dialect import Fault
from adapters.odbc.journal import lacking_columns
from adapters.odbc.session import Session, SqlFault
from agent.core.delivery import Mark
from agent.errors import Refused


def last(session: Session) -> Mark:
    """The mark that stands there. Raises Refused where the table is missing or of an older installation."""
    try:
        rows = session.rows(sql.mark_read(session.dialect, session.erp.own.epoch))
    except SqlFault as fault:
        if fault.verdict.fault is not Fault.SETUP:
            raise
        raise _install(session, fault.verdict.text) from None
    if not rows:
        raise _install(session, "the epoch row is missing")
    life, epoch, token, host, stamp = rows[0]
    return Mark(str(life or ""), int(epoch), int(token), str(host or ""), str(stamp or ""))


def take(session: Session, mark: Mark, instead_of: Mark) -> bool:
    """Write a mark in the place of the expected one; one statement, so that it happens whole or not."""
    values = [
        part
        for one in (mark, instead_of)
        for part in (one.life, str(one.epoch), str(one.token), one.host, one.stamp)
    ]
    return session.run(sql.mark_write(session.dialect, session.erp.own.epoch), values) == 1


def _install(session: Session, text: str) -> Refused:
    older = lacking_columns(session)
    return Refused(
        "the agent's tables in the ERP were installed by an older version" if older else text,
        where=session.erp.name,
        remedy=f"run: isthmus journal install {session.erp.name}",
    )
