"""Which commands share a transaction, and which of those share a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapters.odbc.apply.command import Command
from agent.core.delivery import DeliveryKind

#: Commands of one transaction at most: their row locks are held until its commit.
GROUP = 500
#: Characters of one transaction's values, about: what a server takes in one parameter has an end.
_CHARACTERS = 1_000_000


def groups(commands: Sequence[Command]) -> Iterator[list[Command]]:
    """Commands in order, cut so that no group has a message id, a record or a new reference twice."""
    group: list[Command] = []
    taken: set[tuple[str, ...]] = set()
    size = 0
    for command in commands:
        marks = _marks(command)
        full = len(group) >= GROUP or size + command.size > _CHARACTERS
        if group and (full or taken & marks or _sender(command) != _sender(group[0])):
            yield group
            group, taken, size = [], set(), 0
        group.append(command)
        taken |= marks
        size += command.size
    if group:
        yield group


def _sender(command: Command) -> tuple[object, ...]:
    """What all of a transaction have in common. What a program of the ERP does is nobody's but its own."""
    delivery, write = command.delivery, command.write
    alone = command.place if write.procedure or write.staging else None
    return delivery.life, delivery.fence, write.ledger, alone


def _marks(command: Command) -> set[tuple[str, ...]]:
    delivery = command.delivery
    marks: set[tuple[str, ...]] = {("id", delivery.message_id)}
    if delivery.kind is DeliveryKind.CREATE:
        if delivery.reference:
            marks.add(("reference", delivery.object, delivery.reference))
        key = command.values.get(command.shape.spec.key)
    else:
        key = command.key
    if key is not None:
        marks.add(("key", delivery.object, key))
    return marks


def steps(group: Sequence[Command]) -> list[list[Command]]:
    """Commands of one statement each: of the same kind, object and columns.

    Deletes keep their place among the rest. Between them, commands of other tables and columns may overtake
    each other: none touches the same record. Where that meets a rule of the ERP (a child before its parent),
    the group is refused, and taken apart in the order given.
    """
    done: list[list[Command]] = []
    zone: dict[tuple[object, ...], list[Command]] = {}
    deleting = False
    for command in group:
        kind = command.delivery.kind
        if (kind is DeliveryKind.DELETE) is not deleting:
            done += zone.values()
            zone, deleting = {}, not deleting
        columns = () if deleting else tuple(command.values)
        zone.setdefault((command.delivery.object, kind, columns), []).append(command)
    return [*done, *zone.values()]
