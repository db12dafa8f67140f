"""What a target has refused before."""

from __future__ import annotations

from agent.core.entity import CommandState
from agent.store.outbox import Command
from agent.store.transaction import Transaction


def refused_last(tx: Transaction, command: Command, field: str) -> int | None:
    """When (ms) the target refused the command before this one that held a field; None where it took it."""
    row = tx.one(
        "SELECT state, finished FROM outbox WHERE entity = ? AND target = ? AND number < ?"
        " AND state IN ('accepted', 'rejected') AND json_type(fields, ?) IS NOT NULL"
        " ORDER BY number DESC LIMIT 1",
        command.entity,
        command.target,
        command.number,
        f'$."{field}"',
    )
    return int(row[1]) if row is not None and row[0] == CommandState.REJECTED else None
