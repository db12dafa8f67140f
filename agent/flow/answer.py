"""Outcomes and late answers: what they make of a command, of the target's image, and of what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agent.core.change import Answer, ChangeKind
from agent.core.contract import EntityAtSystem
from agent.core.delivery import DeliveryKind, Outcome
from agent.core.entity import CommandState, Entity, Grade, Image, Stale
from agent.core.observe import assume
from agent.core.survivorship import accepted
from agent.core.transitions import Follow, after_outcome
from agent.flow import existence, planning, withholding
from agent.flow.desk import Desk
from agent.store import ahead, bindings, entities, exceptions, inbox, obligations, outbox
from agent.store.exceptions import Kind, Raised
from agent.store.outbox import Command
from agent.store.transaction import load


def read_ahead(desk: Desk, outcomes: Mapping[int, Outcome]) -> dict[int, Command]:
    """Learn by a few statements what recording these will ask for. Returns the commands, by number."""
    desk.tx.known.clear()
    commands = outbox.get_all(desk.tx, list(outcomes))
    missing = outcomes.keys() - commands.keys()
    if missing:
        raise RuntimeError(f"command {min(missing)} is not in state sent")
    for type_ in {command.type for command in commands.values()}:
        rules, some = desk.book.of(type_), [one for one in commands.values() if one.type == type_]
        ahead.read_answered(desk.tx, some, desk.book.deliverable(rules))
        for target in {one.target for one in some}:
            keys = {outcomes[one.number].key for one in some if one.create and one.target == target}
            bindings.read_holders_ahead(desk.tx, type_, target, {key for key in keys if key is not None})
    return commands


def record(desk: Desk, number: int, outcome: Outcome) -> None:
    """Write down what came of a sent command, and let everything follow from it."""
    command = outbox.get(desk.tx, number)
    if command is None:
        raise RuntimeError(f"command {number} is not in state sent")
    follow(desk, command, outcome)


def follow(desk: Desk, command: Command, outcome: Outcome) -> None:
    """The same of a command that was loaded in this transaction."""
    if command.state is not CommandState.SENT:
        raise RuntimeError(f"command {command.number} is not in state sent")
    state, follow = after_outcome(outcome.kind, outcome.reason)
    _move(desk, command, state, outcome)
    before = entities.get(desk.tx, command.entity)
    match follow:
        case Follow.CONFIRM:
            after = arrived(desk, before, command, outcome.key, None)
        case Follow.READ_AGAIN:
            after = _distrusted(desk, before, command, outcome.key)
        case Follow.WITHHOLD if withholding.note(desk, command, outcome):
            obligations.reopen(desk.tx, command.entity, command.target)
            after = before
        case Follow.EXCEPTION | Follow.WITHHOLD:
            after = refuse(desk, before, command, outcome.code, outcome.text)
        case _:
            after = before
    if state is CommandState.STORED and outcome.handle is not None:
        _early_answers(desk, command, outcome.handle)
        return
    _go_on(desk, before, after, command)


def _move(desk: Desk, command: Command, state: CommandState, outcome: Outcome) -> None:
    terms, tx = desk.terms, desk.tx
    columns: dict[str, str | int | None] = {
        "code": outcome.code,
        "answer": outcome.text[:500],
        "evidence": outcome.evidence[:200],
        "handle": outcome.handle,
    }
    if state is CommandState.READY:
        columns["not_before"] = tx.now + _rest_ms(desk, command, outcome)
    elif state is CommandState.UNCERTAIN:
        # However often it is tried: a person is told when it has been uncertain for so long.
        columns["due"] = command.due or tx.now + int(terms.uncertain_due_s * 1000)
        columns["not_before"] = tx.now + _rest_ms(desk, command, outcome)
    elif state is CommandState.STORED:
        columns["due"] = tx.now + int(terms.stored_due_s * 1000)
    else:
        columns["finished"] = tx.now
    outbox.move(tx, command, state, _why(outcome), **columns)


def _rest_ms(desk: Desk, command: Command, outcome: Outcome) -> int:
    """How long a command rests before its next try: its target's schedule, or longer where that said so."""
    wait = desk.terms.retry_of(command.target).back_off_ms(command.attempts, desk.spread)
    return max(wait, int((outcome.retry_after or 0.0) * 1000))


def _why(outcome: Outcome) -> str:
    reason = f"{outcome.kind}" if outcome.reason is None else f"{outcome.kind}: {outcome.reason}"
    return f"{reason} {outcome.code}".strip()


def arrived(desk: Desk, entity: Entity, command: Command, key: str | None, order: int | None) -> Entity:
    """The target holds what the command wrote: bind, move the base, and have it seen or assumed.

    ``order`` is the place of a late answer in the target's own order, None for a direct one.
    """
    target = command.target
    place = desk.book.of(entity.type).at(target)
    withholding.accepted(desk, command)
    exceptions.close_all(
        desk.tx,
        entity.id,
        target,
        (Kind.PENDING, Kind.UNCERTAIN, Kind.OVERDUE, Kind.REJECTED),
        "the target holds it now",
    )
    if command.kind is DeliveryKind.DELETE:
        return existence.deleted(desk, entity.without_command(target), target)
    entity = _keyed(desk, entity, command, key)
    entity = accepted(entity, target, command.fields, command.numbers)
    entity = entity.with_image(target, _image_after(desk, entity.images[target], place, command, order))
    return entity.without_command(target)


def _keyed(desk: Desk, entity: Entity, command: Command, key: str | None) -> Entity:
    """After a create: the entity with its key. Without one nothing is created again: a person must look."""
    target = command.target
    if not command.create or target in entity.keys:
        return entity
    if key is not None and desk.bind(entity.id, entity.type, target, key):
        return entity.with_key(target, key)
    into = entity.ended.into if entity.ended is not None else None
    if key is not None and into == bindings.entity_of(desk.tx, entity.type, target, key):
        return entity  # the record was merged meanwhile, and its key passed on
    taken = key is not None
    desk.raise_(
        Raised(
            kind=Kind.DUPLICATE if taken else Kind.UNKEYED,
            system=target,
            cause=f"{target} gave it the key of another record"
            if taken
            else f"{target} created the record and did not say under which key",
            entity=entity.id,
            mark=target,
            command=command.number,
            remedy="decide which of the two it is, and merge them" if taken else "look up its key there",
        ),
        entity,
    )
    return replace(entity, parked=entity.parked | {target})


def _image_after(
    desk: Desk, image: Image, place: EntityAtSystem, command: Command, order: int | None
) -> Image:
    if place.blind:
        return assume(image, command.fields, order or 0, desk.tx.token)
    if not image.fields:
        image = replace(image, grade=Grade.READ)
    return image.marked(Stale.CONFIRM, desk.tx.token)


def refuse(desk: Desk, entity: Entity, command: Command, code: str, text: str) -> Entity:
    """The target said no: a person must look, and the same fields are not sent again by themselves."""
    settled = (Kind.PENDING, Kind.OVERDUE, Kind.UNCERTAIN)
    exceptions.close_all(desk.tx, entity.id, command.target, settled, "the target said no for good")
    desk.raise_(
        Raised(
            kind=Kind.REJECTED,
            system=command.target,
            cause=text or "the target refused it without a reason",
            entity=entity.id,
            mark=command.target,
            code=code,
            command=command.number,
            remedy="correct the data or the target's rule, then retry",
        ),
        entity,
    )
    return replace(
        entity,
        parked=entity.parked | {command.target},
        refused={**entity.refused, command.target: dict(command.fields)},
        commands={name: c for name, c in entity.commands.items() if name != command.target},
    )


def _distrusted(desk: Desk, entity: Entity, command: Command, key: str | None) -> Entity:
    """What the target holds is not known. A create that met its own record there is bound to it."""
    system = command.target
    if key is not None:
        entity = _keyed(desk, entity, command, key)
    image = entity.images.get(system) or Image(fields={}, fresh=False)
    marked = image.marked(Stale.CHANGED, desk.tx.token)
    return entity.with_image(system, marked).without_command(system)


def _go_on(desk: Desk, before: Entity, after: Entity, command: Command) -> None:
    """Plan from what was loaded before the outcome, with the command's new state."""
    after = after.with_commands(outbox.standing(desk.tx, after.id))
    planning.settle(desk, before, after)


def take(desk: Desk, system: str, answer: Answer, order: int, seq: int) -> None:
    """A late answer. One whose command is not known yet stays in the inbox until the handle is."""
    command = outbox.by_handle(desk.tx, system, answer.handle)
    if command is None or command.state in (CommandState.SENT, CommandState.UNCERTAIN):
        return  # it is found again as soon as the command is known to be stored
    inbox.attach(desk.tx, seq, command.entity, 0)
    desk.because = seq
    if command.state is CommandState.ACCEPTED and answer.key is not None:
        _late_key(desk, command, answer.key)
    if command.state is not CommandState.STORED:
        desk.tx.journal(
            "command",
            str(command.number),
            command.state,
            command.state,
            f"a late or repeated answer says {answer.outcome} {answer.code}".strip(),
            command.correlation,
        )
        return
    _settle_stored(desk, command, answer, order)


def _late_key(desk: Desk, command: Command, key: str) -> None:
    """An answer that tells the key which an earlier one did not."""
    entity = entities.get(desk.tx, command.entity)
    if command.create and command.target not in entity.keys:
        desk.bind(entity.id, entity.type, command.target, key)


def _settle_stored(desk: Desk, command: Command, answer: Answer, order: int) -> None:
    before = entities.get(desk.tx, command.entity)
    match answer.outcome:
        case "accepted":
            outbox.move(
                desk.tx,
                command,
                CommandState.ACCEPTED,
                f"the answer says posted {answer.code}".strip(),
                finished=desk.tx.now,
                code=answer.code,
                answer=answer.text[:500],
            )
            after = arrived(desk, before, command, answer.key, order)
        case "rejected":
            outbox.move(
                desk.tx,
                command,
                CommandState.REJECTED,
                f"the answer says it never will be posted {answer.code}".strip(),
                finished=desk.tx.now,
                code=answer.code,
                answer=answer.text[:500],
            )
            after = refuse(desk, before, command, answer.code, answer.text)
        case _:
            _pending(desk, before, command, answer)
            return
    _go_on(desk, before, after, command)


def applied(desk: Desk, command: Command, key: str | None, why: str) -> None:
    """A person says that the target has what the command wrote, and under which key."""
    before = entities.get(desk.tx, command.entity)
    text = f"a person says that it was applied: {why}"[:200]
    outbox.move(desk.tx, command, CommandState.ACCEPTED, text, finished=desk.tx.now, evidence="a person")
    _go_on(desk, before, arrived(desk, before, command, key, None), command)


def without_effect(desk: Desk, command: Command, why: str) -> None:
    """A person says that the command had no effect and never will: what is needed now is planned anew."""
    before = entities.get(desk.tx, command.entity)
    text = f"a person says that it had no effect: {why}"[:200]
    outbox.move(desk.tx, command, CommandState.REJECTED, text, finished=desk.tx.now, evidence="a person")
    settled = (Kind.UNCERTAIN, Kind.OVERDUE, Kind.PENDING)
    exceptions.close_all(desk.tx, before.id, command.target, settled, text)
    obligations.reopen(desk.tx, before.id, command.target)
    _go_on(desk, before, before, command)


def _pending(desk: Desk, entity: Entity, command: Command, answer: Answer) -> None:
    """Refused for now: the target's staff may still post the same message, so it is never sent again."""
    desk.raise_(
        Raised(
            kind=Kind.PENDING,
            system=command.target,
            cause=answer.text or f"not posted yet: {answer.code}",
            entity=entity.id,
            mark=command.target,
            code=answer.code,
            command=command.number,
            remedy="have the same message processed again at the target; a new one would post twice",
        ),
        entity,
    )
    desk.tx.journal(
        "command",
        str(command.number),
        CommandState.STORED,
        CommandState.STORED,
        f"not posted yet: {answer.code}",
        command.correlation,
    )


def _early_answers(desk: Desk, command: Command, handle: str) -> None:
    """Answers that overtook the outcome of the command they belong to."""
    waiting = inbox.unattached(desk.tx, command.target, handle, ChangeKind.ANSWER)
    entity = entities.get(desk.tx, command.entity)
    planning.settle(desk, entity, entity)
    for seq, kept in waiting:
        take(desk, command.target, Answer(**load(kept.fields)), kept.order, seq)
