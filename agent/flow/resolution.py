"""Resolutions: a person's word about a deletion, or about a command of which nobody else can tell (I16)."""

from __future__ import annotations

from agent.core.entity import CommandState
from agent.core.existence import refused
from agent.core.fate import OF_RECORDS, Fate
from agent.flow import answer, existence
from agent.flow.desk import Desk
from agent.store import entities, exceptions, outbox
from agent.store.exceptions import Kind, Standing

#: Exceptions about a command that may or may not have had an effect.
OF_COMMANDS = frozenset({Kind.UNCERTAIN, Kind.OVERDUE, Kind.PENDING})
#: What a person is told after a ruling about a record.
CARRIED_OUT: dict[Fate, str] = {
    Fate.DELETE: "it is deleted elsewhere too, as far as the configuration lets the agent",
    Fate.RECREATE: "it is created again at {system}",
    Fate.LEAVE: "it stays deleted at {system}; the others go on without it",
}


def resolve(desk: Desk, found: Standing, fate: Fate, key: str | None, reason: str) -> tuple[bool, str]:
    """Carry out a person's word. Returns whether it was done, and what was done or why not."""
    if (found.kind is Kind.DELETED) != (fate in OF_RECORDS):
        allowed = OF_RECORDS if found.kind is Kind.DELETED else set(Fate) - OF_RECORDS
        return False, f"of this one can be said: {', '.join(sorted(allowed))}"
    if found.kind is Kind.DELETED:
        return _of_record(desk, found, fate)
    return _of_command(desk, found, fate is Fate.APPLIED, key, reason)


def _of_record(desk: Desk, found: Standing, fate: Fate) -> tuple[bool, str]:
    entity = entities.get(desk.tx, found.entity)
    problem = refused(entity, desk.book.of(entity.type), found.system, fate)
    if problem is not None:
        return False, problem
    existence.carry_out(desk, entity, found.system, fate)
    return True, CARRIED_OUT[fate].format(system=found.system)


def _of_command(desk: Desk, found: Standing, applied: bool, key: str | None, reason: str) -> tuple[bool, str]:
    command = outbox.get(desk.tx, found.command) if found.command is not None else None
    if command is None or command.state not in (CommandState.UNCERTAIN, CommandState.STORED):
        exceptions.close(desk.tx, found.id, "what became of it is known meanwhile")
        return False, "what became of the command is known meanwhile"
    if applied and command.create and key is None:
        return False, f"say under which key {command.target} has it: --key KEY"
    if applied:
        answer.applied(desk, command, key, reason)
        return True, f"command {command.number} counts as accepted by {command.target}"
    answer.without_effect(desk, command, reason)
    return True, f"command {command.number} counts as never applied; what is needed now is sent anew"
