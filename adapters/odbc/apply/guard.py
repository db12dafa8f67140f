"""Compare-and-set: records are locked, then compared with what was last seen, in canonical values.

The comparison is ours, under the row lock, not the database's: '10.00' is 10, CHAR padding and the driver's
idea of a date make no conflict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.odbc import sets, sql
from adapters.odbc.apply.command import Command, gone
from adapters.odbc.apply.inexact import Inexact
from adapters.odbc.apply.outcomes import Stop, rejected
from adapters.odbc.forms import Sets, pack
from adapters.odbc.session import Session
from adapters.odbc.values import same
from agent.core.delivery import Outcome, Reason
from agent.core.objects import FieldType


def lock(session: Session, command: Command) -> None:
    """Lock one record and compare it. Raises Stop where it is gone or changed, and SqlFault."""
    shape = command.shape
    names = _names([command])
    statement = sql.select_locked(session.dialect, shape.table, shape.spec.key, names)
    rows = session.rows(statement, (command.key,))
    if not rows:
        raise Stop(gone())
    refused = _changed(session, command, dict(zip(names, rows[0][1:], strict=True)))
    if refused is not None:
        raise Stop(refused)


def lock_all(session: Session, form: Sets, commands: Sequence[Command]) -> dict[int, Outcome]:
    """Lock all their records, table by table and each in one order of keys; what is refused, by place.

    Raises Inexact where a key means several records, or several keys the same one, and SqlFault.
    """
    refused: dict[int, Outcome] = {}
    for name in sorted({command.delivery.object for command in commands}):
        some = [command for command in commands if command.delivery.object == name]
        some.sort(key=lambda command: str(command.key))
        shape, names = some[0].shape, _names(some)
        statement = sets.lock(session.dialect, form, shape.table, shape.spec.key, names)
        rows = session.rows(statement, (pack(form, [(command.key,) for command in some]),))
        found = {str(row[0]): row[2:] for row in rows}
        if len(found) != len(rows) or len({str(row[1]) for row in rows}) != len(rows):
            raise Inexact
        for command in some:
            values = found.get(str(command.key))
            seen = None if values is None else dict(zip(names, values, strict=True))
            answer = gone() if seen is None else _changed(session, command, seen)
            if answer is not None:
                refused[command.place] = answer
    return refused


def _names(commands: Sequence[Command]) -> list[str]:
    """Columns that their guards tell of, in the table's order."""
    guards = [command.delivery.guard for command in commands if command.delivery.guard]
    guarded = {name for guard in guards for name in guard.values}
    return [name for name in commands[0].shape.table.columns if name in guarded]


def _changed(session: Session, command: Command, found: Mapping[str, object]) -> Outcome | None:
    """The refusal of a record that is not as it was last seen."""
    shape, guard = command.shape, command.delivery.guard
    changed = []
    for name, seen in guard.values.items() if guard else ():
        if name not in found:
            changed.append(name)  # the table has no such column any more
            continue
        kind, column = shape.kinds.get(name, FieldType.TEXT), shape.table.column(name)
        if not same(column, kind, found[name], seen, session.zone):
            changed.append(name)
    if changed:
        text = f"changed since it was seen: {', '.join(sorted(changed))}"
        return rejected(Reason.PRECONDITION, "changed", text)
    return None
