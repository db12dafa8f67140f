"""Commands into the ERP: one transaction each, the ledger row first, so that a message id has one effect.

A ledger row exists if and only if the effect does. A refusal leaves no row: it had no effect, and an event
transfer keeps its message id when a person sends it again after the cause was removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from adapters.odbc import sql
from adapters.odbc.dialect import Fault, Verdict
from adapters.odbc.records import Shape
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.values import Unfit, encode, encode_key, same
from agent import failpoints
from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldType
from agent.errors import RemoteError


class _Stop(Exception):
    """The transaction ends without effect, with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


def apply(session: Session, delivery: Delivery) -> Outcome:
    """Apply one command at most once. Raises nothing; the session may be ``lost`` afterwards.

    The outcome speaks of this try alone; what an earlier, unanswered one may have done the engine knows.
    """
    try:
        outcome = _apply(session, delivery)
    except _Stop as stop:
        session.rollback()
        outcome = stop.outcome
    except SqlFault as fault:
        session.rollback()
        dead = session.lost and fault.verdict.fault is Fault.UNKNOWN
        verdict = replace(fault.verdict, fault=Fault.LOST) if dead else fault.verdict
        outcome = _of_fault(session, delivery, verdict)
    except RemoteError as error:
        session.rollback()
        outcome = Outcome(OutcomeKind.RETRY, code="not-ready", text=str(error))
    return outcome


def _apply(session: Session, delivery: Delivery) -> Outcome:
    shape, values = _prepared(session, delivery)
    if not _claimed(session, delivery):
        return _already_there(session, delivery)
    key = _EFFECTS[delivery.kind](session, delivery, shape, values)
    _fence(session, delivery)
    failpoints.hit("odbc.before_commit")
    try:
        session.commit()
    except SqlFault as fault:
        if fault.verdict.fault in {Fault.LOST, Fault.UNKNOWN}:
            session.lost = True
            return Outcome(
                OutcomeKind.UNCERTAIN,
                code=fault.verdict.code,
                text=f"commit not answered: {fault.verdict.text}",
            )
        raise  # the server's own verdict on the commit, such as a deferred constraint: nothing was stored
    failpoints.hit("odbc.after_commit")
    return Outcome(OutcomeKind.ACCEPTED, key=key, evidence=f"ledger {delivery.message_id}")


def _prepared(session: Session, delivery: Delivery) -> tuple[Shape, dict[str, str | None]]:
    """Column texts of the fields. Raises _Stop where the command cannot fit the table."""
    shape = Shape.of(session, delivery.object)
    fields: dict[str, RawValue] = dict(delivery.fields)
    if delivery.kind is DeliveryKind.CREATE:
        if shape.spec.external_id and delivery.reference:
            fields[shape.spec.external_id] = delivery.reference
        if delivery.key is not None:
            fields[shape.spec.key] = delivery.key
    creating = delivery.kind is DeliveryKind.CREATE
    writable = {item.name for item in shape.spec.fields if item.writable or (creating and item.seed)}
    writable |= {shape.spec.key, shape.spec.external_id or shape.spec.key}
    unknown = sorted(set(fields) - writable)
    if unknown:
        raise _Stop(
            _invalid("unknown-field", f"not a writable field of {delivery.object}: {', '.join(unknown)}")
        )
    if delivery.kind is not DeliveryKind.CREATE and delivery.key is None:
        raise _Stop(_invalid("no-key", f"a {delivery.kind.value} names no record"))
    if not creating and encode_key(shape.table.column(shape.spec.key), str(delivery.key)) is None:
        raise _Stop(_gone())
    try:
        values = {
            name: encode(shape.table.column(name), shape.kinds.get(name, FieldType.TEXT), value, session.zone)
            for name, value in fields.items()
        }
    except Unfit as unfit:
        raise _Stop(_invalid(unfit.code, str(unfit))) from None
    return shape, values


def _claimed(session: Session, delivery: Delivery) -> bool:
    """Write the ledger row; False when it is there. Waits for another transaction that claims the id."""
    statement = sql.ledger_insert(session.dialect, session.erp.own.ledger)
    values = (
        delivery.message_id,
        delivery.payload_hash,
        str(delivery.epoch),
        delivery.object,
        delivery.key,
    )
    try:
        return session.run(statement, values) == 1
    except SqlFault as fault:
        if fault.verdict.fault is Fault.DUPLICATE:
            session.rollback()  # the statement was the transaction's first
            return False
        raise _Stop(_unprepared(session, fault)) from None


def _unprepared(session: Session, fault: SqlFault) -> Outcome:
    """The agent's own tables cannot be used: nothing of the command was tried."""
    if fault.verdict.fault is Fault.SETUP:
        return Outcome(
            OutcomeKind.RETRY,
            code="no-ledger",
            text=f"{fault.verdict.text} (isthmus journal install {session.erp.name})",
        )
    return Outcome(OutcomeKind.RETRY, code=fault.verdict.code, text=fault.verdict.text)


def _already_there(session: Session, delivery: Delivery) -> Outcome:
    """What the ledger says about this message id: the answer that was lost, or a misuse of the id."""
    rows = session.rows(sql.ledger_read(session.dialect, session.erp.own.ledger), (delivery.message_id,))
    session.rollback()
    if not rows:
        return Outcome(
            OutcomeKind.RETRY, code="ledger-moved", text="the ledger row vanished while it was read"
        )
    payload_hash, key = rows[0]
    if str(payload_hash) != delivery.payload_hash:
        return Outcome(
            OutcomeKind.REJECTED,
            reason=Reason.DUPLICATE_ID,
            code="duplicate-id",
            text="the ledger holds this message id with another payload",
        )
    return Outcome(
        OutcomeKind.ACCEPTED,
        key=None if key is None else str(key),
        code="already-applied",
        evidence=f"ledger {delivery.message_id}",
    )


def _fence(session: Session, delivery: Delivery) -> None:
    """Let only the life of the store through that the witness saw last.

    Last before the commit: until then another life may take over, from here on it waits for our commit. What
    counts is the life that sends: a restored store also sends commands that an earlier life planned.
    """
    try:
        rows = session.rows(sql.epoch_check(session.dialect, session.erp.own.epoch))
    except SqlFault as fault:
        raise _Stop(_unprepared(session, fault)) from None
    if not rows:
        text = f"the epoch row is missing (isthmus journal install {session.erp.name})"
        raise _Stop(Outcome(OutcomeKind.RETRY, code="no-epoch", text=text))
    epoch, life = int(rows[0][0]), str(rows[0][1])
    if life != delivery.life or epoch > delivery.fence:
        text = f"another life of the store has written to the ERP, in epoch {epoch}; this is {delivery.fence}"
        raise _Stop(Outcome(OutcomeKind.RETRY, code="fenced", text=text))


def _create(session: Session, delivery: Delivery, shape: Shape, values: Mapping[str, str | None]) -> str:
    names = list(values)
    statement = sql.insert(session.dialect, shape.table, shape.spec.key, names)
    bound = [values[name] for name in names]
    if session.dialect.returns_key:
        rows = session.rows(statement, bound)
    elif session.run(statement, bound) == 1:
        rows = session.rows(sql.inserted_key(session.dialect, shape.table, shape.spec.key))
    else:
        rows = []
    if not rows:
        raise _Stop(_business("no-effect", "the ERP took the insert and stored nothing"))
    key = str(rows[0][0])
    session.run(sql.ledger_key(session.dialect, session.erp.own.ledger), (key, delivery.message_id))
    return key


def _update(session: Session, delivery: Delivery, shape: Shape, values: Mapping[str, str | None]) -> str:
    bound_key = _guarded(session, delivery, shape)
    names = list(values)
    if names:
        statement = sql.update(session.dialect, shape.table, shape.spec.key, names)
        if session.run(statement, [*(values[name] for name in names), bound_key]) != 1:
            raise _Stop(_business("no-effect", "the ERP took the update and stored nothing"))
    return str(delivery.key)


def _delete(session: Session, delivery: Delivery, shape: Shape, values: Mapping[str, str | None]) -> str:
    bound_key = _guarded(session, delivery, shape)
    statement = sql.delete(session.dialect, shape.table, shape.spec.key)
    if session.run(statement, (bound_key,)) != 1:
        raise _Stop(_business("no-effect", "the ERP took the delete and kept the row"))
    return str(delivery.key)


_EFFECTS = {DeliveryKind.CREATE: _create, DeliveryKind.UPDATE: _update, DeliveryKind.DELETE: _delete}


def _guarded(session: Session, delivery: Delivery, shape: Shape) -> str:
    """Lock the record and compare what was last seen, in canonical values. Returns the key to bind.

    The comparison is ours, under the row lock, not the database's: '10.00' is 10, CHAR padding and the
    driver's idea of a date make no conflict.
    """
    key_column = shape.table.column(shape.spec.key)
    bound_key = encode_key(key_column, str(delivery.key))
    guard = delivery.guard.values if delivery.guard else {}
    names = [name for name in guard if name in shape.table.columns]
    statement = sql.select_locked(session.dialect, shape.table, shape.spec.key, names)
    rows = session.rows(statement, (bound_key,)) if bound_key is not None else []
    if bound_key is None or not rows:
        raise _Stop(_gone())
    changed = sorted(set(guard) - set(names))
    for name, found in zip(names, rows[0][1:], strict=True):
        kind = shape.kinds.get(name, FieldType.TEXT)
        column = shape.table.column(name)
        if not same(column, kind, found, guard[name], session.zone):
            changed.append(name)
    if changed:
        text = f"changed since it was seen: {', '.join(changed)}"
        raise _Stop(_rejected(Reason.PRECONDITION, "changed", text))
    return bound_key


def _of_fault(session: Session, delivery: Delivery, verdict: Verdict) -> Outcome:
    """What an error before the commit means: nothing was stored, the question is only who must act."""
    match verdict.fault:
        case Fault.BUSY | Fault.LOST:
            return Outcome(OutcomeKind.RETRY, code=verdict.code, text=verdict.text)
        case Fault.INVALID:
            return _rejected(Reason.INVALID, verdict.code, verdict.text)
        case Fault.DUPLICATE if delivery.kind is DeliveryKind.CREATE:
            return _existing(session, delivery) or _business(verdict.code, verdict.text)
        case _:
            return _business(verdict.code, verdict.text)


def _existing(session: Session, delivery: Delivery) -> Outcome | None:
    """The record that already carries our reference, if that is why the create was refused."""
    try:
        shape = Shape.of(session, delivery.object)
        if shape.spec.external_id is None:
            return None
        statement = sql.select_where(
            session.dialect, shape.table, shape.spec.key, shape.names, [(shape.spec.external_id, False)]
        )
        rows = session.rows(statement, (delivery.reference,))
        image = shape.image(session, rows[0][1:]) if rows else {}
    except SqlFault as fault:
        return Outcome(OutcomeKind.RETRY, code=fault.verdict.code, text=fault.verdict.text)
    except Unfit as unfit:
        return _invalid(unfit.code, str(unfit))
    finally:
        session.rollback()
    if not rows:
        return None
    key = str(rows[0][0])
    equal = all(
        same(shape.table.column(name), shape.kinds[name], image.get(name), value, session.zone)
        for name, value in delivery.fields.items()
        if name in shape.kinds
    )
    if equal:
        return Outcome(OutcomeKind.ACCEPTED, key=key, code="exists", evidence="found by external id")
    return replace(
        _rejected(Reason.PRECONDITION, "exists", "a record with this external id exists with other values"),
        key=key,
    )


def _invalid(code: str, text: str) -> Outcome:
    return _rejected(Reason.INVALID, code, text)


def _gone() -> Outcome:
    return _rejected(Reason.GONE, "gone", "there is no such record any more")


def _business(code: str, text: str) -> Outcome:
    return _rejected(Reason.BUSINESS, code, text)


def _rejected(reason: Reason, code: str, text: str) -> Outcome:
    return Outcome(OutcomeKind.REJECTED, reason=reason, code=code, text=text)
