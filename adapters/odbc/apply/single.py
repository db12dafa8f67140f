"""One command in a transaction of its own."""

from __future__ import annotations

from dataclasses import replace

from adapters.odbc import sql
from adapters.odbc.apply import guard, ledger
from adapters.odbc.apply import procedure as procedures
from adapters.odbc.apply.command import Command, accepted, without
from adapters.odbc.apply.ending import commit
from adapters.odbc.apply.mark import Mark
from adapters.odbc.apply.outcomes import (
    Stop,
    business,
    invalid,
    rejected,
    retry,
    unanswered,
)
from adapters.odbc.apply.stage import stage
from adapters.odbc.dialect import Fault, Verdict
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.values import Unfit, same
from agent.core.delivery import DeliveryKind, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldType
from agent.errors import RemoteError


def apply(session: Session, command: Command) -> Outcome:
    """Apply one command at most once. Raises nothing; the session may be ``lost`` afterwards.

    The outcome speaks of this try alone; what an earlier, unanswered one may have done the engine knows.
    """
    try:
        outcome = _apply(session, command)
    except Stop as stop:
        session.rollback()
        outcome = stop.outcome
    except SqlFault as fault:
        session.rollback()
        outcome = of_fault(session, command, verdict_of(session, fault))
    return outcome


def verdict_of(session: Session, fault: SqlFault) -> Verdict:
    """The verdict; where nobody knows what it was and the connection turned out to be dead, that was it."""
    dead = session.lost and fault.verdict.fault is Fault.UNKNOWN
    return replace(fault.verdict, fault=Fault.LOST) if dead else fault.verdict


def _apply(session: Session, command: Command) -> Outcome:
    kept, procedure = command.write.ledger, command.write.procedure
    if kept and not ledger.claim(session, command.delivery):
        return ledger.answer(session, command)
    if command.write.staging is not None:
        key: str | None = None
        stage(session, command, command.write.staging)
    elif procedure is None:
        key = _EFFECTS[command.delivery.kind](session, command)
    else:
        key = procedures.call(session, command, procedure)
        if kept:
            ledger.note_key(session, command.delivery, str(key))
    if kept:
        ledger.fence(session, command.delivery)
    lost = commit(session)
    return accepted(command, key) if lost is None else unanswered(lost)


def create(session: Session, command: Command) -> str:
    """Insert the record and note its key. Raises Stop and SqlFault."""
    shape, names = command.shape, list(command.values)
    mark = Mark.of(session, command)
    inserted = sql.insert(session.dialect, shape.table, shape.spec.key, names, mark.context)
    statement = mark.declare + inserted
    bound = [*mark.bound, *(command.values[name] for name in names)]
    if session.dialect.returns_key:
        rows = session.rows(statement, bound)
    elif session.run(statement, bound) == 1:
        rows = session.rows(sql.inserted_key(session.dialect, shape.table, shape.spec.key))
    else:
        rows = []
    if not rows:
        raise Stop(business("no-effect", "the ERP took the insert and stored nothing"))
    if rows[0][0] is None:
        raise Stop(business("no-key", f"the ERP gave the new record no {shape.spec.key}"))
    key = str(rows[0][0])
    if command.write.ledger:
        ledger.note_key(session, command.delivery, key)
    return key


def _update(session: Session, command: Command) -> str:
    guard.lock(session, command)
    shape, names = command.shape, list(command.values)
    if names:
        statement = sql.update(session.dialect, shape.table, shape.spec.key, names)
        mark = Mark.of(session, command)
        bound = [*mark.bound, *(command.values[name] for name in names), command.key]
        if session.run(mark.before(statement), bound) != 1:
            raise Stop(business("no-effect", "the ERP took the update and stored nothing"))
    return str(command.delivery.key)


def _delete(session: Session, command: Command) -> str:
    guard.lock(session, command)
    statement = sql.delete(session.dialect, command.shape.table, command.shape.spec.key)
    mark = Mark.of(session, command)
    if session.run(mark.before(statement), (*mark.bound, command.key)) != 1:
        raise Stop(business("no-effect", "the ERP took the delete and kept the row"))
    return str(command.delivery.key)


_EFFECTS = {DeliveryKind.CREATE: create, DeliveryKind.UPDATE: _update, DeliveryKind.DELETE: _delete}


def of_fault(session: Session, command: Command, verdict: Verdict) -> Outcome:
    """What an error before the commit means: nothing was stored, the question is only who must act."""
    match verdict.fault:
        case Fault.BUSY | Fault.LOST:
            return retry(verdict.code, verdict.text)
        case Fault.SETUP:
            return _altered(session, command) or business(verdict.code, verdict.text)
        case Fault.INVALID:
            return invalid(verdict.code, verdict.text)
        case Fault.DUPLICATE if command.delivery.kind is DeliveryKind.CREATE:
            return _existing(session, command) or business(verdict.code, verdict.text)
        case _:
            return business(verdict.code, verdict.text)


def _altered(session: Session, command: Command) -> Outcome | None:
    """What is lacking now, if the table was altered since it was last looked at."""
    name = command.delivery.object
    session.forget(name)
    try:
        table = session.table(name)
    except RemoteError as error:
        return retry("not-ready", str(error))
    except SqlFault as fault:
        return retry(fault.verdict.code, fault.verdict.text)
    lacking = frozenset({*command.values, command.shape.spec.key} - set(table.columns))
    return without(name, lacking) if lacking else None


def _existing(session: Session, command: Command) -> Outcome | None:
    """The record that already carries our reference, if that is why the create was refused."""
    shape, delivery = command.shape, command.delivery
    if shape.spec.external_id is None:
        return None
    try:
        statement = sql.select_where(
            session.dialect, shape.table, shape.spec.key, shape.names, [(shape.spec.external_id, False)]
        )
        rows = session.rows(statement, (delivery.reference,))
        image = shape.image(session, rows[0][1:]) if rows else {}
    except SqlFault as fault:
        return retry(fault.verdict.code, fault.verdict.text)
    except Unfit as unfit:
        return invalid(unfit.code, str(unfit))
    finally:
        session.rollback()
    if not rows:
        return None
    external = shape.table.column(shape.spec.external_id)
    if not same(
        external, FieldType.TEXT, image.get(shape.spec.external_id), delivery.reference, session.zone
    ):
        return None  # a collation that takes two references for one: that record is another one's
    key = str(rows[0][0])
    equal = all(
        same(shape.table.column(name), shape.kinds[name], image.get(name), value, session.zone)
        for name, value in delivery.fields.items()
        if name in shape.kinds
    )
    if equal:
        return Outcome(OutcomeKind.ACCEPTED, key=key, code="exists", evidence="found by external id")
    return replace(
        rejected(Reason.PRECONDITION, "exists", "a record with this external id exists with other values"),
        key=key,
    )
