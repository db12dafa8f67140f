"""The one commit of a transaction, whether of one command or of many."""

from __future__ import annotations

from adapters.odbc.dialect import Fault, Verdict
from adapters.odbc.session import Session, SqlFault
from agent import failpoints


def commit(session: Session) -> Verdict | None:
    """Make the transaction durable; the error of a commit whose answer was lost, else None.

    Raises SqlFault for the server's own verdict on the commit, such as a deferred constraint: nothing was
    stored then.
    """
    failpoints.hit("odbc.before_commit")
    try:
        session.commit()
    except SqlFault as fault:
        if fault.verdict.fault in {Fault.LOST, Fault.UNKNOWN}:
            session.lost = True
            return fault.verdict
        raise
    failpoints.hit("odbc.after_commit")
    return None
