"""Duplicates: before a create the target is asked whether it has a record with that business key (I20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.core.change import Row
from agent.core.contract import EntityRules
from agent.core.delivery import Delivery, DeliveryKind
from agent.core.entity import CommandState, Image, Stale
from agent.errors import Refused
from agent.flow import planning
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.ports import System
from agent.store import entities, outbox
from agent.store.exceptions import Kind, Raised

#: Before any restore nothing of ours can be at a target that this store does not know.
FIRST_EPOCH = 1
#: How long a create rests about which the target answers no question, in milliseconds.
UNASKED_REST_MS = 60_000


async def probe(
    engine: Engine, system: System, deliveries: Sequence[Delivery]
) -> tuple[list[Delivery], Refused | None]:
    """The deliveries that may be sent. A create whose record is there already is withdrawn and told.

    One of an object about which the target answers no question rests, and with them comes that answer.
    Raises Unreachable when the target cannot be asked; nothing has been sent then.
    """
    questions = [_questions(engine.book.of(one.entity_type), system.name, one) for one in deliveries]
    found: dict[int, Sequence[Row]] = {}
    unasked: dict[int, Refused] = {}
    for turn in range(max(map(len, questions), default=0)):
        asking: dict[str, list[int]] = {}
        for place, delivery in enumerate(deliveries):
            if turn < len(questions[place]) and not found.get(place):
                asking.setdefault(delivery.object, []).append(place)
        for object_, places in asking.items():
            asked = [questions[place][turn] for place in places]
            try:
                answers = await system.target.find_many(object_, asked)
            except Refused as error:
                unasked |= dict.fromkeys(places, error)  # the others must not wait for these
                continue
            found.update(zip(places, answers, strict=True))
    resting = [deliveries[place].number for place in unasked]
    if resting:
        await engine.work("delivery.unasked", lambda desk: _rest(desk, resting))
    clear = []
    for place, delivery in enumerate(deliveries):
        rows = found.get(place, ())
        if place in unasked:
            continue
        if not rows:
            clear.append(delivery)
            continue
        await engine.work("delivery.probe", lambda desk, d=delivery, r=rows: _withdraw(desk, d, r))  # type: ignore[misc] # bound now
    return clear, next(iter(unasked.values()), None)


def _rest(desk: Desk, numbers: Sequence[int]) -> None:
    """Ask about these later; nothing goes along with one that rests."""
    for number in numbers:
        command = outbox.get(desk.tx, number)
        if command is not None and command.state is CommandState.READY:
            outbox.reschedule(desk.tx, number, command.attempts + 1, desk.tx.now + UNASKED_REST_MS)


def _questions(rules: EntityRules, system: str, delivery: Delivery) -> list[dict[str, object]]:
    """Field and value by which people would find the record; none where nothing can be asked.

    Behind an epoch that was begun after a restore the record may be there already, as our own: then it is
    asked for by our id first.
    """
    place = rules.at(system)
    if delivery.kind is not DeliveryKind.CREATE or place.blind:
        return []
    asked: list[dict[str, object]] = []
    if delivery.fence > FIRST_EPOCH and place.object.external_id is not None:
        asked.append({place.object.external_id: delivery.reference})
    if rules.key in place.fields:
        source = place.fields[rules.key or ""].source
        value = delivery.fields.get(source)
        asked += [] if value is None else [{source: value}]
    return asked


def _withdraw(desk: Desk, delivery: Delivery, rows: Sequence[Row]) -> None:
    command = outbox.get(desk.tx, delivery.number)
    if command is None or command.state is not CommandState.READY:
        return
    outbox.move(desk.tx, command, CommandState.SUPERSEDED, "the record is there", finished=desk.tx.now)
    before = entities.get(desk.tx, command.entity)
    place = desk.book.of(command.type).at(command.target)
    own = place.object.external_id
    ours = [row for row in rows if own and row.fields and row.fields.get(own) == command.entity]
    after = before
    if ours and desk.bind(command.entity, command.type, command.target, ours[0].key):
        image = before.images.get(command.target) or Image(fields={}, fresh=False)
        after = before.with_image(command.target, image.marked(Stale.CHANGED, desk.tx.token))
        after = replace(after, keys={**after.keys, command.target: ours[0].key})
    else:
        _tell(desk, delivery, command, rows, own)
        after = replace(before, parked=before.parked | {command.target})
    planning.settle(desk, before, replace(after, commands=outbox.standing(desk.tx, after.id)))


def _tell(
    desk: Desk, delivery: Delivery, command: outbox.Command, rows: Sequence[Row], own: str | None
) -> None:
    keys = ", ".join(row.key for row in rows[:3])
    same = f"if it is the same, write {command.entity} into its field {own}" if own else "bind it"
    desk.raise_(
        Raised(
            kind=Kind.DUPLICATE,
            system=command.target,
            cause=f"{command.target} has a {delivery.object} with this business key already: {keys}",
            entity=command.entity,
            mark=command.target,
            command=command.number,
            remedy=f"{same}; if it is another, give one of them another key, then retry",
        ),
        entities.get(desk.tx, command.entity),
    )
