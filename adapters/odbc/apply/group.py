"""Many commands in one transaction, by statements for many: all of them take effect, or none.

claim all message ids ─▶ lock and compare all records ─▶ statements ─▶ fence ─▶ one commit
   │ some are there             │ some are gone or changed
   └── roll back, answer those, begin again with the rest ◀──┘
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.odbc import sets
from adapters.odbc.apply import guard, ledger, partition, single
from adapters.odbc.apply.command import Command, accepted
from adapters.odbc.apply.ending import commit
from adapters.odbc.apply.inexact import Inexact
from adapters.odbc.apply.outcomes import unanswered
from adapters.odbc.forms import Sets, pack
from adapters.odbc.session import Session
from agent.core.delivery import DeliveryKind, Outcome

#: How often a group begins again with what is left of it.
_ROUNDS = 3


def apply(session: Session, form: Sets, group: Sequence[Command]) -> dict[int, Outcome]:
    """Outcomes by place. Whatever it raises: nothing of the group was applied, and a rollback is due.

    Raises Stop with the outcome of all, SqlFault, and Inexact.
    """
    outcomes: dict[int, Outcome] = {}
    left = list(group)
    for _ in range(_ROUNDS):
        settled = _settled(session, form, left)
        if not settled:
            return {**outcomes, **_effects(session, form, left)}
        outcomes |= settled
        left = [command for command in left if command.place not in settled]
        if not left:
            return outcomes
    raise Inexact


def _settled(session: Session, form: Sets, group: Sequence[Command]) -> dict[int, Outcome]:
    """What needs no effect; the transaction is rolled back then, else all ids and records are ours."""
    if group[0].write.ledger and not ledger.claim_all(session, form, group):
        session.rollback()
        found = ledger.answers(session, form, group)
        if not found:
            raise Inexact
        return found
    existing = [command for command in group if command.key is not None]
    refused = guard.lock_all(session, form, existing)
    if refused:
        session.rollback()
    return refused


def _effects(session: Session, form: Sets, group: Sequence[Command]) -> dict[int, Outcome]:
    keys: dict[int, str] = {}
    for step in partition.steps(group):
        keys |= _EFFECTS[step[0].delivery.kind](session, form, step)
    if group[0].write.ledger:
        ledger.fence(session, group[0].delivery)
    lost = commit(session)
    return {
        command.place: accepted(command, keys[command.place]) if lost is None else unanswered(lost)
        for command in group
    }


def _create(session: Session, form: Sets, step: Sequence[Command]) -> dict[int, str]:
    """By one statement where a column that we give tells which of the new records is whose."""
    shape, names = step[0].shape, list(step[0].values)
    telling = next((name for name in (shape.spec.key, shape.spec.external_id) if name in names), None)
    if telling is None or not session.dialect.returns_key or len(step) == 1:
        return {command.place: single.create(session, command) for command in step}
    statement = sets.insert(session.dialect, form, shape.table, names, (shape.spec.key, telling))
    rows = [[command.values[name] for name in names] for command in step]
    found = {
        str(told): str(key) for key, told in session.rows(statement, (pack(form, rows),)) if key is not None
    }
    padded = shape.table.column(telling).padded
    told: dict[int, str] = {}
    for command in step:
        text = str(command.values[telling])
        key = found.get(text, found.get(text.rstrip(" ")) if padded else None)
        if key is not None:
            told[command.place] = key
    if len(told) != len(step) or len(found) != len(step):
        raise Inexact
    if step[0].write.ledger:
        ledger.note_keys(session, form, [(command.delivery, told[command.place]) for command in step])
    return told


def _update(session: Session, form: Sets, step: Sequence[Command]) -> dict[int, str]:
    shape, names = step[0].shape, list(step[0].values)
    if names:
        statement = sets.update(session.dialect, form, shape.table, shape.spec.key, names)
        rows = [[command.key, *(command.values[name] for name in names)] for command in step]
        if session.run(statement, (pack(form, rows),)) != len(step):
            raise Inexact
    return {command.place: str(command.delivery.key) for command in step}


def _delete(session: Session, form: Sets, step: Sequence[Command]) -> dict[int, str]:
    shape = step[0].shape
    statement = sets.delete(session.dialect, form, shape.table, shape.spec.key)
    if session.run(statement, (pack(form, [[command.key] for command in step]),)) != len(step):
        raise Inexact
    return {command.place: str(command.delivery.key) for command in step}


_EFFECTS = {DeliveryKind.CREATE: _create, DeliveryKind.UPDATE: _update, DeliveryKind.DELETE: _delete}
