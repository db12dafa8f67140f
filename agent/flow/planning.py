"""Planning: merge an entity's fresh images, plan every target, and write what was decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.core.bounce import HISTORY, LIMIT, WINDOW_MS, bouncing
from agent.core.contract import EntityRules, LanePolicy, Transfer
from agent.core.delivery import DeliveryKind
from agent.core.entity import CommandState, Entity
from agent.core.mapping import is_unresolved
from agent.core.message_id import event_message_id, payload_hash
from agent.core.plan import Agree, Hold, Send, Surroundings, Wait, plan, referred, stands
from agent.core.rulebook import agreed_value
from agent.core.survivorship import Conflict, merge
from agent.flow import existence, guarding
from agent.flow.desk import Desk
from agent.store import (
    bindings,
    conflicts,
    entities,
    exceptions,
    links,
    obligations,
    outbox,
    references,
    waiting,
)
from agent.store.exceptions import Kind, Raised
from agent.store.withheld import Withheld


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person is told where a plan waits for them. ``cause`` has places for ``on`` and ``target``."""

    kind: Kind
    cause: str
    remedy: str


ASKED: dict[Hold, Asked] = {
    Hold.ORPHAN: Asked(
        Kind.ORPHAN,
        "it refers to a record that was deleted and will not be at {target}",
        "restore that record, or let it refer to another at its own system",
    ),
    Hold.DEPENDANT: Asked(
        Kind.DEPENDANT,
        "it was deleted, but {on} still refers to it at {target}",
        "delete that too, or let it refer to another; it goes on by itself then",
    ),
    Hold.DELETED: Asked(
        Kind.DELETED,
        "the record was deleted at {on}; nothing is sent for it any more",
        "decide whether it is deleted elsewhere too, or restore it",
    ),
}


#: Around an entity that refers to nothing and waits for nothing.
ALONE = Surroundings()


def settle(desk: Desk, before: Entity, after: Entity) -> None:
    """Make everything follow from what was observed: agreed values, conflicts, commands, obligations.

    ``before`` is what the store holds, ``after`` what this transaction has made of it so far.
    """
    rules = desk.book.of(after.type)
    merged = merge(after, rules, desk.context(after, rules))
    entity = existence.follow(desk, merged.entity, rules)
    found = merged.conflicts
    if merged.entity.ended is not None and entity.ended is None:  # what was let be is a conflict again
        merged = merge(entity, rules, desk.context(entity, rules))
        entity, found = merged.entity, (*found, *merged.conflicts)
    for conflict in found:
        number = conflicts.add(desk.tx, entity.id, conflict, rules.version)
        if not conflict.decided:
            _ask(desk, entity, conflict, number)
    entities.save(desk.tx, before, entity)
    refers = rules.references and entity.agreed != before.agreed
    if refers and links.put(desk.tx, entity.id, referred(entity, rules)):
        desk.released.append(entity.id)
    _returned(desk, before, entity, rules)
    lane = agreed_value(entity, rules.lane)
    key = agreed_value(entity, rules.key)
    entities.label(desk.tx, entity.id, None if key is None else str(key), None if lane is None else str(lane))
    for target in desk.book.deliverable(rules):
        entity = plan_target(desk, entity, target, rules)
    for system, image in entity.images.items():
        if not image.fresh:
            desk.effects.confirm.add(system)


def _ask(desk: Desk, entity: Entity, conflict: Conflict, number: int) -> None:
    """A conflict that no rule decides is a person's."""
    if conflict.immutable:
        desk.raise_(
            Raised(
                kind=Kind.IMMUTABLE,
                system=conflict.loser_system,
                cause=f"'{conflict.field}' changed at {conflict.loser_system} after the delivery",
                entity=entity.id,
                subject=str(number),
                remedy="reverse the document and post it anew",
            ),
            entity,
        )
        return
    desk.raise_(
        Raised(
            kind=Kind.CONFLICT,
            system=conflict.loser_system,
            cause=f"'{conflict.field}' changed at {conflict.loser_system} and at {conflict.winner_system}",
            entity=entity.id,
            mark=conflict.mark,
            remedy="rule which value holds",
        ),
        entity,
    )


def _returned(desk: Desk, before: Entity, after: Entity, rules: EntityRules) -> None:
    """A record that was deleted and is there again is everybody's business again."""
    for system, image in after.images.items():
        earlier = before.images.get(system)
        if earlier is None or earlier.exists or not (image.fresh and image.exists):
            continue
        exceptions.close_all(desk.tx, after.id, system, (Kind.DELETED,), "the record is there again")
        for target in desk.book.deliverable(rules):
            obligations.reopen(desk.tx, after.id, target)


def reconsider(desk: Desk, entity_id: str) -> None:
    """Plan an entity again from what the store holds."""
    entity = entities.get(desk.tx, entity_id)
    settle(desk, entity, entity)


def plan_target(desk: Desk, entity: Entity, target: str, rules: EntityRules) -> Entity:
    """Plan one target and write the decision. Returns the entity, unparked if a new attempt was decided."""
    around = _surroundings(desk, entity, target, rules)
    decision = plan(entity, target, rules, desk.context(entity, rules), around)
    if target in entity.parked and not isinstance(decision, Wait):
        entity = _try_anew(desk, entity, target, settled=isinstance(decision, Agree))
    ready = entity.commands.get(target)
    if ready is not None and ready.state is not CommandState.READY:
        ready = None
    match decision:
        case Wait(reason=reason, on=on):
            if ready is not None and not stands(entity, target, decision):
                _withdraw(desk, ready.number, f"cannot be sent now: {reason}")
            _wait(desk, entity, target, reason, on)
        case Agree():
            if ready is not None:
                _withdraw(desk, ready.number, "nothing is left to send")
            waiting.clear(desk.tx, entity.id, target)
            obligations.agree(desk.tx, entity.id, target)
            exceptions.close_all(desk.tx, entity.id, target, (Kind.REJECTED,), "nothing differs any more")
        case Send():
            parked = _bounced(desk, entity, target, decision)
            if parked is not None:
                return plan_target(desk, parked, target, rules)
            waiting.clear(desk.tx, entity.id, target)
            _send(desk, entity, target, rules, decision)
            desk.effects.deliver.add(target)
    return entity


def _bounced(desk: Desk, entity: Entity, target: str, send: Send) -> Entity | None:
    """The entity with the fields parked that its target alters whenever they are written; None if none."""
    since = desk.tx.now - WINDOW_MS
    if not bouncing(outbox.lately(desk.tx, entity.id, target, since, HISTORY), send.numbers):
        return None
    since = max(since, exceptions.last_closed(desk.tx, entity.id, target, Kind.LOOP))
    fields = bouncing(outbox.lately(desk.tx, entity.id, target, since, HISTORY), send.numbers)
    if not fields:
        return None  # a person has looked since
    after = replace(entity, parked=entity.parked | {f"{target}.{name}" for name in fields})
    entities.save(desk.tx, entity, after)
    for name in sorted(fields):
        desk.raise_(
            Raised(
                kind=Kind.LOOP,
                system=target,
                cause=f"{target} changes '{name}' whenever it is written: {LIMIT} times in the last minutes",
                entity=entity.id,
                mark=f"{target}.{name}",
                remedy=f"find the automation (a Flow, a trigger) at {target} that writes the field, or name"
                f" {target} its owner; then retry",
            ),
            after,
        )
    return after


def _try_anew(desk: Desk, entity: Entity, target: str, *, settled: bool) -> Entity:
    """What a target refused was changed by its users, or is not wanted any more.

    The exception stays until the target has taken it: its due date does not begin anew with every attempt.
    """
    if settled:
        return unpark(desk, entity, target, "nothing differs any more")
    after = replace(
        entity,
        parked=entity.parked - {target},
        refused={t: fields for t, fields in entity.refused.items() if t != target},
    )
    entities.save(desk.tx, entity, after)
    obligations.reopen(desk.tx, entity.id, target)
    return after


def unpark(desk: Desk, entity: Entity, mark: str, why: str) -> Entity:
    """Lift a mark from an entity: its exception is closed and what it stood for is open again."""
    target = mark.partition(".")[0]
    after = replace(
        entity,
        parked=entity.parked - {mark},
        refused={t: fields for t, fields in entity.refused.items() if t != mark},
    )
    entities.save(desk.tx, entity, after)
    exceptions.close_marked(desk.tx, entity.id, mark, why)
    obligations.reopen(desk.tx, entity.id, target)
    return after


def _surroundings(desk: Desk, entity: Entity, target: str, rules: EntityRules) -> Surroundings:
    if entity.ended is not None:
        return _around_an_end(desk, entity.id, target)
    held = desk.withheld(target, entity.type)
    if not held and not rules.references and rules.transfer is Transfer.STATE:
        return ALONE
    withheld = frozenset(name for name, one in held.items() if _withholds(one, entity.id, rules))
    referring = referred(entity, rules)
    bound = frozenset(id_ for id_ in referring if bindings.key_of(desk.tx, id_, target) is not None)
    ahead = None
    if rules.transfer is Transfer.EVENT and target not in entity.keys:
        skip = rules.lane_policy is LanePolicy.SKIP
        ahead = entities.lane_ahead(desk.tx, entity.id, target, skip)
    missing = referring - bound
    coming = _coming(desk, entity, target, rules, missing)
    cycle = frozenset(id_ for id_ in missing if waiting.leads_to(desk.tx, id_, target, entity.id))
    ended = frozenset(id_ for id_ in missing if entities.ended(desk.tx, id_, target))
    return Surroundings(bound, coming, cycle, ended, withheld, ahead)


def _withholds(one: Withheld, entity: str, rules: EntityRules) -> bool:
    """Whether a field is not written: its target does not take it, or what users wrote there is not seen.

    By a key that is not shown no duplicate could be found either.
    """
    known = one.field == rules.key or (one.field in rules.fields and rules.fields[one.field].shared)
    return (one.refused and one.probe != entity) or (one.unseen and known)


def _coming(
    desk: Desk, entity: Entity, target: str, rules: EntityRules, missing: frozenset[str]
) -> frozenset[str]:
    """Records without a key that can be created together with this one."""
    if not missing or target in entity.keys or not rules.at(target).guarantees.families:
        return frozenset()
    known = [id_ for id_ in missing if not is_unresolved(id_)]
    found = outbox.coming(desk.tx, entity.id, known, target)
    return frozenset(
        id_ for id_, type_ in found.items() if desk.book.of(type_).at(target).guarantees.families
    )


def _around_an_end(desk: Desk, entity: str, target: str) -> Surroundings:
    """What must go, or be looked at, before what is left of an ended entity is deleted at a target."""
    found = links.dependant_at(desk.tx, entity, target)
    if found is None:
        return Surroundings()
    other, ended = found
    if not ended:
        return Surroundings(dependant=other)
    return Surroundings(child=None if waiting.leads_to(desk.tx, other, target, entity) else other)


def _wait(desk: Desk, entity: Entity, target: str, reason: Hold, on: str) -> None:
    if reason is Hold.IN_FLIGHT:
        waiting.clear(desk.tx, entity.id, target)
        return
    waiting.note(desk.tx, entity.id, target, reason, on)
    references.note(desk.tx, entity.id, [on] if is_unresolved(on) else [])
    if reason is Hold.UNMAPPED:
        obligations.except_(desk.tx, entity.id, target)
    elif reason is Hold.PARKED:
        settle_as = obligations.except_ if target in entity.parked else obligations.park
        settle_as(desk.tx, entity.id, target)
        if target not in entity.parked:
            exceptions.close_all(
                desk.tx, entity.id, target, (Kind.REJECTED,), "nothing else differs any more"
            )
    elif reason in ASKED:
        if target not in entity.parked:
            why = "the attempt that followed it waits for something else"
            exceptions.close_all(desk.tx, entity.id, target, (Kind.REJECTED,), why)
        asked = ASKED[reason]
        desk.raise_(
            Raised(
                kind=asked.kind,
                system=on if reason is Hold.DELETED else target,
                cause=asked.cause.format(on=on, target=target),
                entity=entity.id,
                remedy=asked.remedy,
            ),
            entity,
        )
        obligations.except_(desk.tx, entity.id, target)
        if reason is Hold.DELETED and target not in entity.keys:
            let_pass(desk, entity.id, target)


def let_pass(desk: Desk, entity_id: str, target: str) -> None:
    """A document that will not come any more does not hold back those behind it in its lane."""
    for waiting_id, waiting_target in waiting.on(desk.tx, entity_id):
        if waiting_target == target:
            reconsider(desk, waiting_id)


def _withdraw(desk: Desk, number: int, why: str) -> None:
    command = outbox.get(desk.tx, number)
    if command is not None:
        outbox.move(desk.tx, command, CommandState.SUPERSEDED, why, finished=desk.tx.now)


def _send(desk: Desk, entity: Entity, target: str, rules: EntityRules, send: Send) -> None:
    """Write the command, unless the one that stands ready already says the same."""
    if send.kind is DeliveryKind.DELETE:
        existence.note_lost(desk, entity, rules, target)
    kind = send.kind
    key = entity.keys.get(target)
    hash_ = payload_hash(kind, key, send.fields)
    tries, not_before = 0, 0
    standing = entity.commands.get(target)
    coalesce = rules.transfer is Transfer.STATE
    load = obligations.standing(desk.tx, entity.id, target)
    if standing is not None:
        command = outbox.get(desk.tx, standing.number)
        if command is not None and _says(command, hash_, send):
            number = command.number
            obligations.carry(desk.tx, entity.id, target, number, load, coalesce=coalesce)
            return
        if command is not None:
            tries, not_before = outbox.schedule(desk.tx, command.number)
            _withdraw(desk, command.number, "a newer plan took its place")
    number = guarding.add(
        desk,
        outbox.New(
            entity=entity.id,
            type=entity.type,
            target=target,
            kind=kind,
            key=key,
            fields=send.fields,
            numbers=send.numbers,
            rules=send.rules,
            guard=send.guard,
            version=send.version,
            message_id=_message_id(entity, target, rules, send),
            payload_hash=hash_,
            correlation=load.correlation or entity.id,
            partial=send.partial,
        ),
    )
    if tries:
        outbox.reschedule(desk.tx, number, tries, not_before)
    elif kind is DeliveryKind.CREATE and rules.at(target).guarantees.families:
        desk.coming.append((entity.id, target))  # only what is new: it may be news to those who wait for it
    load = obligations.Load(load.numbers, load.correlation, desk.because)
    obligations.carry(desk.tx, entity.id, target, number, load, coalesce=coalesce)


def _says(command: outbox.Command, hash_: str, send: Send) -> bool:
    """Whether a ready command is the decision of now, down to what it proves when it is accepted."""
    return (
        command.payload_hash == hash_
        and command.version == send.version
        and dict(command.numbers) == dict(send.numbers)
        and command.guard == (dict(send.guard) if send.guard is not None else None)
        and command.partial == send.partial
    )


def _message_id(entity: Entity, target: str, rules: EntityRules, send: Send) -> str | None:
    if rules.transfer is Transfer.EVENT and send.kind is DeliveryKind.CREATE:
        return event_message_id(target, entity.birth, entity.keys.get(entity.birth, entity.id), "create")
    return None
