"""A command through a stored procedure of the ERP, where no other way to write is allowed."""

from __future__ import annotations

from adapters.odbc import sql
from adapters.odbc.apply.command import Command, gone
from adapters.odbc.apply.document import document
from adapters.odbc.apply.outcomes import Stop, business, rejected
from adapters.odbc.session import Session
from agent.core.delivery import Reason


def call(session: Session, command: Command, name: str) -> str:
    """The key of the record. Raises Stop for whatever the procedure says no to, and SqlFault.

    An error may come behind result sets: all of them are fetched before the first is believed.
    """
    delivery = command.delivery
    bound = document(session, command)
    answers = [rows for rows in session.call(sql.procedure(session.dialect, name, len(bound)), bound) if rows]
    if not answers or len(answers[0][0]) < 2:
        raise Stop(business("no-answer", f"the procedure '{name}' answered with no row of outcome and key"))
    outcome, key, *rest = answers[0][0]
    text = str(rest[0]) if rest and rest[0] is not None else ""
    match str(outcome).strip().lower():
        case "accepted":
            found = delivery.key if key is None else str(key)
            if found is None:
                raise Stop(business("no-key", f"the procedure '{name}' told no key of the new record"))
            return found
        case "changed":
            raise Stop(rejected(Reason.PRECONDITION, "changed", text or "changed since it was seen"))
        case "gone":
            raise Stop(gone())
        case "refused":
            raise Stop(business("refused", text))
        case _:
            raise Stop(business("no-answer", f"the procedure '{name}' answered with an unknown outcome"))
