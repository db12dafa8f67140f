"""A command as a program of the ERP is given it: its columns and what was last seen of them, in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from adapters.odbc.apply.command import Command
from adapters.odbc.apply.outcomes import Stop, rejected
from adapters.odbc.session import Session
from adapters.odbc.values import Unfit, encode
from agent.core.delivery import Reason
from agent.core.objects import FieldType


def document(session: Session, command: Command) -> tuple[str | None, ...]:
    """Message id, kind, key, columns to set, columns that must be as given. Raises Stop."""
    delivery = command.delivery
    return (
        delivery.message_id,
        delivery.kind.value,
        delivery.key,
        _json(command.values),
        _json(_seen(session, command)),
    )


def _seen(session: Session, command: Command) -> dict[str, str | None]:
    shape, guard = command.shape, command.delivery.guard
    seen: dict[str, str | None] = {}
    for name, value in guard.values.items() if guard else ():
        if name not in shape.table.columns:
            raise Stop(rejected(Reason.PRECONDITION, "changed", f"changed since it was seen: {name}"))
        try:
            kind = shape.kinds.get(name, FieldType.TEXT)
            seen[name] = encode(shape.table.column(name), kind, value, session.zone)
        except Unfit:
            raise Stop(
                rejected(Reason.PRECONDITION, "changed", f"changed since it was seen: {name}")
            ) from None
    return seen


def _json(values: Mapping[str, str | None]) -> str:
    return json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))
