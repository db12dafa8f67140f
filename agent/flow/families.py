"""Families: creates that refer to records which are themselves about to be created, sent together (I18).

Only at targets that guarantee it. Whatever does not go as planned ends the family: the child waits until its
parent has a key, as it does at every other target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from agent.core.delivery import Delivery, DeliveryKind
from agent.core.entity import CommandState
from agent.core.mapping import FindKey, keyless
from agent.flow import planning
from agent.flow.desk import Desk
from agent.store import bindings, entities, outbox
from agent.store.outbox import Command

#: How long an uncertain child rests before it is looked whether its parent has a key.
PARENT_REST_MS = 2_000


def arrange(desk: Desk, commands: Sequence[Command], under_way: Sequence[Delivery] = ()) -> list[Command]:
    """The commands that may go, parents before their children.

    One that refers to a record that neither has a key nor is created along with it is planned again. One
    whose parent is ``under_way`` stays ready: that one's answer comes first.
    """
    needs = {command.number: _needed(desk, command) for command in commands}
    if not any(needs.values()):
        return list(commands)
    ordered, standing = _follow(list(commands), needs, frozenset())
    if standing:
        there = _created(ordered) | {one.reference for one in under_way if one.kind is DeliveryKind.CREATE}
        _, standing = _follow(standing, needs, there)
    for command in standing:
        wait(desk, command)
    return ordered


def _follow(
    commands: list[Command], needs: Mapping[int, frozenset[str]], there: Set[str]
) -> tuple[list[Command], list[Command]]:
    """Those that need nothing but what is ``there`` or is created before them, and all the others."""
    ordered: list[Command] = []
    while ready := [one for one in commands if needs[one.number] <= there]:
        ordered += ready
        there |= _created(ready)
        gone = {one.number for one in ready}
        commands = [one for one in commands if one.number not in gone]
    return ordered, commands


def _created(commands: Sequence[Command]) -> frozenset[str]:
    return frozenset(one.entity for one in commands if one.create)


def _needed(desk: Desk, command: Command) -> frozenset[str]:
    """Records without a key that the command refers to."""
    rules = desk.book.of(command.type)
    place = rules.at(command.target)
    if not command.create or not place.guarantees.families:
        return frozenset()
    return frozenset(keyless(rules, place, command.fields, live_key(desk)).values())


def wait(desk: Desk, command: Command) -> None:
    """Its parent does not go along: what is to be sent is decided anew."""
    outbox.move(
        desk.tx,
        command,
        CommandState.SUPERSEDED,
        "what it refers to is not created along with it",
        finished=desk.tx.now,
    )
    planning.reconsider(desk, command.entity)


def rests(desk: Desk, command: Command) -> bool:
    """Whether an uncertain create refers to a record without a key: that one's answer comes first.

    The child rests so long.
    """
    rules = desk.book.of(command.type)
    place = rules.at(command.target)
    if not place.guarantees.families or not keyless(rules, place, command.fields, last_key(desk)):
        return False
    outbox.reschedule(desk.tx, command.number, command.attempts, desk.tx.now + PARENT_REST_MS)
    return True


def last_key(desk: Desk) -> FindKey:
    """Keys for what was sent already: a record that was merged or deleted since has its name in it."""
    return lambda id_, system: bindings.last_key_of(desk.tx, entities.successor(desk.tx, id_), system)


def live_key(desk: Desk) -> FindKey:
    """Keys of records that are there."""
    return lambda id_, system: bindings.key_of(desk.tx, id_, system)


def whole(deliveries: Sequence[Delivery], before: Sequence[Delivery] = ()) -> list[Delivery]:
    """Without those whose parent is neither among them nor among those that go ``before``."""
    there = {one.reference for one in before if one.kind is DeliveryKind.CREATE}
    found = []
    for delivery in deliveries:
        if there.issuperset(delivery.pending.values()):
            found.append(delivery)
            if delivery.kind is DeliveryKind.CREATE:
                there.add(delivery.reference)
    return found
