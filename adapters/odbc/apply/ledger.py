"""The ledger and the epoch row, in the transaction of the effect."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.odbc import sets, sql
from adapters.odbc.apply.command import Command, accepted
from adapters.odbc.apply.outcomes import Stop, rejected, retry
from adapters.odbc.dialect import Fault
from adapters.odbc.forms import Sets, pack
from adapters.odbc.session import Session, SqlFault
from agent.core.delivery import Delivery, Outcome, Reason

#: The column of the journal that keeps the mark.
_MARK_LENGTH = 255


def claim(session: Session, delivery: Delivery) -> bool:
    """Write the ledger row; False when it is there. Waits for another transaction that claims the id."""
    statement = sql.ledger_insert(session.dialect, session.erp.own.ledger)
    try:
        return session.run(statement, _row(delivery)) == 1
    except SqlFault as fault:
        if fault.verdict.fault is Fault.DUPLICATE:
            session.rollback()  # the statement was the transaction's first
            return False
        raise Stop(unprepared(session, fault)) from None


def claim_all(session: Session, form: Sets, commands: Sequence[Command]) -> bool:
    """Write all their ledger rows; False when some are there, and the transaction is to be rolled back.

    Their writes carry one mark, which names the first of them. Raises Stop for all, and SqlFault.
    """
    if form.mark:
        first = commands[0].delivery.message_id
        session.rows(form.mark, (f"{first} +{len(commands) - 1}"[:_MARK_LENGTH],))
    rows = sorted((_row(command.delivery) for command in commands), key=lambda row: str(row[0]))
    statement = sets.ledger_insert(session.dialect, form, session.erp.own.ledger)
    try:
        return session.run(statement, (pack(form, rows),)) == len(rows)
    except SqlFault as fault:
        match fault.verdict.fault:
            case Fault.DUPLICATE:
                return False
            case Fault.SETUP | Fault.BUSY | Fault.LOST:
                raise Stop(unprepared(session, fault)) from None
        raise


def _row(delivery: Delivery) -> tuple[str | None, ...]:
    epoch = str(delivery.epoch)
    return delivery.message_id, delivery.payload_hash, epoch, delivery.object, delivery.key


def unprepared(session: Session, fault: SqlFault) -> Outcome:
    """The agent's own tables cannot be used: nothing of the command was tried."""
    if fault.verdict.fault is Fault.SETUP:
        return retry("no-ledger", f"{fault.verdict.text} (isthmus journal install {session.erp.name})")
    return retry(fault.verdict.code, fault.verdict.text)


def answer(session: Session, command: Command) -> Outcome:
    """What the ledger says about this message id: the answer that was lost, or a misuse of the id."""
    message_id = command.delivery.message_id
    rows = session.rows(sql.ledger_read(session.dialect, session.erp.own.ledger), (message_id,))
    session.rollback()
    if not rows:
        return retry("ledger-moved", "the ledger row vanished while it was read")
    return _answer(command, *rows[0])


def answers(session: Session, form: Sets, commands: Sequence[Command]) -> dict[int, Outcome]:
    """What the ledger says about those that it holds, by place."""
    statement = sets.ledger_read(session.dialect, form, session.erp.own.ledger)
    rows = session.rows(statement, (pack(form, [(one.delivery.message_id,) for one in commands]),))
    session.rollback()
    found = {str(row[0]): row[1:] for row in rows}
    return {
        command.place: _answer(command, *found[command.delivery.message_id])
        for command in commands
        if command.delivery.message_id in found
    }


def _answer(command: Command, payload_hash: object, key: object) -> Outcome:
    if str(payload_hash) != command.delivery.payload_hash:
        return rejected(
            Reason.DUPLICATE_ID, "duplicate-id", "the ledger holds this message id with another payload"
        )
    return accepted(command, None if key is None else str(key), "already-applied")


def note_key(session: Session, delivery: Delivery, key: str) -> None:
    """Keep the key of a created record. Raises SqlFault."""
    session.run(sql.ledger_key(session.dialect, session.erp.own.ledger), (key, delivery.message_id))


def note_keys(session: Session, form: Sets, keys: Sequence[tuple[Delivery, str]]) -> None:
    """Keep the keys of created records, of those that the rows do not hold yet. Raises SqlFault."""
    rows = [(delivery.message_id, key) for delivery, key in keys if delivery.key != key]
    if rows:
        statement = sets.ledger_keys(session.dialect, form, session.erp.own.ledger)
        session.run(statement, (pack(form, rows),))


def fence(session: Session, delivery: Delivery) -> None:
    """Let only the life of the store through that the witness saw last. Raises Stop.

    Last before the commit: until then another life may take over, from here on it waits for our commit. What
    counts is the life that sends: a restored store also sends commands that an earlier life planned.
    """
    try:
        rows = session.rows(sql.epoch_check(session.dialect, session.erp.own.epoch))
    except SqlFault as fault:
        raise Stop(unprepared(session, fault)) from None
    if not rows:
        text = f"the epoch row is missing (isthmus journal install {session.erp.name})"
        raise Stop(retry("no-epoch", text))
    epoch, life = int(rows[0][0]), str(rows[0][1])
    if life != delivery.life or epoch > delivery.fence:
        text = f"another life of the store has written to the ERP, in epoch {epoch}; this is {delivery.fence}"
        raise Stop(retry("fenced", text))
