"""A command into a table from which a program of the ERP takes it: handed over now, answered later."""

from __future__ import annotations

import json

from adapters.odbc import staging
from adapters.odbc.apply.command import Command, accepted
from adapters.odbc.apply.document import document
from adapters.odbc.apply.outcomes import Stop, business, rejected, retry
from adapters.odbc.dialect import Fault
from adapters.odbc.session import Session, SqlFault
from agent.core.delivery import Outcome, Reason


def stage(session: Session, command: Command, name: str) -> None:
    """Put the command there. Raises Stop where its message id is there already, and SqlFault."""
    inbox = staging.Inbox.of(session.table(name))
    if inbox.lacking:
        session.forget(name)
        text = f"table '{name}' lacks {', '.join(inbox.lacking)} (isthmus check)"
        raise Stop(retry("no-staging", text))
    given = document(session, command)
    try:
        taken = session.run(staging.insert(session.dialect, inbox), given)
    except SqlFault as fault:
        if fault.verdict.fault is not Fault.DUPLICATE:
            raise
        session.rollback()
        raise Stop(_known(session, command, inbox, given)) from None
    if taken != 1:
        raise Stop(business("no-effect", f"'{name}' took the command and stored nothing"))


def _known(
    session: Session, command: Command, inbox: staging.Inbox, given: tuple[str | None, ...]
) -> Outcome:
    """What a row of this message id means: the answer that was lost, or a misuse of the id."""
    statement = staging.given(session.dialect, inbox)
    rows = session.rows(statement, (command.delivery.message_id,))
    session.rollback()
    if not rows:
        return retry("staging-moved", "the row of this message id vanished while it was read")
    kind, key, *texts = (None if value is None else str(value) for value in rows[0])
    same = _plain(kind, key, texts) == _plain(given[1], given[2], given[3:])
    if not same:
        text = f"'{inbox.table.name}' holds this message id with another command"
        return rejected(Reason.DUPLICATE_ID, "duplicate-id", text)
    return accepted(command, None, "already-stored")


def _plain(kind: str | None, key: str | None, texts: object) -> object:
    """Without what a column adds: blanks behind a text, another order of names in JSON."""
    parts = texts if isinstance(texts, list | tuple) else ()
    return (kind or "").rstrip(), (key or "").rstrip(), [json.loads(part or "null") for part in parts]
