"""Observations: from a change in a system's own words to the image it leaves, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta

from agent.core.change import Change, ChangeKind, Operation, ReadResult, Row
from agent.core.contract import IDENTITY, EntityAtSystem, EntityRules, Role
from agent.core.delivery import DeliveryKind
from agent.core.difference import completed
from agent.core.entity import CommandState, Entity, Image, Stale
from agent.core.identity import By, Identified, Sighting, identify
from agent.core.mapping import Decoded, is_unresolved, unresolved
from agent.core.observe import (
    Effect,
    Found,
    Seen,
    apply_read,
    apply_told,
    confirm_by_echo,
    merge_event,
)
from agent.core.ownership import possible_owners
from agent.core.survivorship import accepted, answered_by_read, maybe_ours
from agent.core.value import Canonical
from agent.flow import answer, existence, planning, withholding
from agent.flow.desk import Desk
from agent.store import (
    ahead,
    bindings,
    entities,
    exceptions,
    gaps,
    inbox,
    obligations,
    outbox,
    positions,
    references,
)
from agent.store.exceptions import Kind, Raised


def read_ahead(desk: Desk, system: str, changes: Sequence[Change]) -> None:
    """Learn by a few statements what taking these changes will ask for."""
    desk.tx.known.clear()
    for stream in {change.stream for change in changes}:
        rows = [inbox.Received(system, c, key) for c in changes if c.stream == stream for key in c.keys]
        inbox.read_ahead(desk.tx, system, stream, {row.source_id for row in rows})
    for name in {change.object for change in changes}:
        rules = desk.book.for_object(system, name)
        if rules is not None:
            keys = {key for change in changes if change.object == name for key in change.keys}
            found = bindings.read_holders_ahead(desk.tx, rules.type, system, keys)
            ahead.read(desk.tx, found, desk.book.deliverable(rules))


def take(desk: Desk, system: str, change: Change, issued: int) -> None:
    """Make one change durable and let everything follow from it. ``issued``: the token before it was read."""
    match change.kind:
        case ChangeKind.ANSWER:
            _answer(desk, system, change)
        case ChangeKind.OVERFLOW:
            _overflow(desk, system, change)
        case ChangeKind.UNDECODABLE:
            _undecodable(desk, system, change)
        case _:
            for key in change.keys:
                _record(desk, system, change, key, issued)


def _answer(desk: Desk, system: str, change: Change) -> None:
    if change.answer is None:
        raise ValueError("an answer without an outcome")
    kept = replace(change, keys=(change.answer.handle,), fields=asdict(change.answer))
    seq = inbox.add(desk.tx, inbox.Received(system, kept, change.answer.handle))
    if seq is not None:
        answer.take(desk, system, change.answer, change.order, seq)


def _overflow(desk: Desk, system: str, change: Change) -> None:
    if inbox.add(desk.tx, inbox.Received(system, change, None)) is None:
        return
    rules = desk.book.for_object(system, change.object)
    if rules is not None:
        why = change.reason or "the source lost track of its changes"
        lose_track(desk, rules, system, why, positions.told(desk.tx, system, change.stream))


def _undecodable(desk: Desk, system: str, change: Change) -> None:
    """Keep the bytes, tell a person, and distrust what it may have been about (I3)."""
    seq = inbox.add(desk.tx, inbox.Received(system, change, change.keys[0] if change.keys else None))
    if seq is None:
        return
    desk.raise_(
        Raised(
            kind=Kind.UNDECODABLE,
            system=system,
            cause=change.reason or "the source sent something that cannot be understood",
            subject=_subject(change),
            inbox=seq,
            remedy="the bytes are kept; the record is read again where that is possible",
        )
    )
    rules = desk.book.for_object(system, change.object)
    if rules is None or (rules.at(system).blind and not change.keys):
        return  # nothing there could be read again; the exception stands for it
    if not change.keys:
        why = change.reason or "an event that cannot be understood"
        lose_track(desk, rules, system, why, positions.told(desk.tx, system, change.stream))
    desk.because = seq
    for key in change.keys:
        found = _enrol(desk, rules, _sighting(desk, rules, system, key, Decoded({}), change), seq)
        if found is not None and found.by is not By.ASIDE:
            before = entities.get(desk.tx, found.entity)
            image = before.images.get(system) or Image(fields={}, fresh=False)
            after = before.with_image(system, image.marked(Stale.GAP, desk.tx.token))
            planning.settle(desk, before, after)


def _subject(change: Change) -> str:
    """What an exception is about: the record where it is known, else the message."""
    return f"{change.object}/{change.keys[0]}" if len(change.keys) == 1 else change.source_id


def lose_track(desk: Desk, rules: EntityRules, system: str, why: str, behind: int | None = None) -> None:
    """A stretch of a stream is missing (I3): known records are stale, a snapshot finds those born in it.

    ``behind``: all that was committed there up to then (ms) was seen, if that is known. Where nothing can be
    read, a person is asked to have the records told again.
    """
    entities.stale_scope(desk.tx, system, rules.type, Stale.GAP)
    if not rules.at(system).blind:
        gaps.open_(desk.tx, system, rules.type, why, behind)
        desk.effects.confirm.add(system)
        desk.effects.snapshot.add(system)
        return
    desk.raise_(
        Raised(
            kind=Kind.GAP,
            system=system,
            cause=f"changes of {rules.type} are missing: {why}",
            subject=rules.type,
            remedy=f"have {system} send its records of {rules.type} again",
        )
    )


def _record(desk: Desk, system: str, change: Change, key: str, issued: int) -> None:
    rules = desk.book.for_object(system, change.object)
    if change.differences:
        change = completed(change, _mirrored(desk, rules, system, key))
    received = inbox.Received(system, change, key)
    repeated = inbox.known(desk.tx, received)
    if rules is None or (repeated and change.kind is not ChangeKind.READ):
        if not repeated:
            inbox.add(desk.tx, received)
        return
    place = rules.at(system)
    decoded = desk.decoder(rules, place).decode(change.fields, whole=_is_whole(change))
    seen = _sighting(desk, rules, system, key, decoded, change)
    if repeated:
        seen = replace(seen, repeated=True)
    identified = identify(rules, seen)
    found = identified.entity if identified is not None else None
    targets = rules.targets(system) if identified is not None and identified.by is not By.ASIDE else ()
    seq = None
    if not repeated:
        seq = inbox.add(desk.tx, inbox.Received(system, change, key, found, len(targets)))
    if identified is None or found is None:
        return
    _join(desk, rules, seen, identified, seq)
    if identified.by is By.ASIDE:
        return
    desk.because = seq
    if seq is not None:
        obligations.add(desk.tx, seq, found, targets)
    before = entities.get(desk.tx, found)
    after = observe(desk, before, place, change, decoded, issued)
    note_faults(desk, before, system, decoded, seq)
    note_references(desk, found, decoded)
    planning.settle(desk, before, after)


def _mirrored(desk: Desk, rules: EntityRules | None, system: str, key: str) -> dict[str, Canonical]:
    """The texts of a record as the mirror holds them, by the names that its system gives them."""
    bound = bindings.holder(desk.tx, rules.type, system, key) if rules is not None else None
    if rules is None or bound is None:
        return {}
    image = entities.get(desk.tx, bound.entity).images.get(system)
    mapped = rules.at(system).fields.items()
    held = image.fields if image is not None else {}
    return {place.source: held[name] for name, place in mapped if name in held and not place.values}


def _oblige(desk: Desk, rules: EntityRules, system: str, entity: str, seq: int | None) -> None:
    """Every other system is to be told of an observation."""
    desk.because = seq
    if seq is not None:
        targets = rules.targets(system)
        inbox.attach(desk.tx, seq, entity, len(targets))
        obligations.add(desk.tx, seq, entity, targets)


def note_references(desk: Desk, entity: str, decoded: Decoded) -> None:
    """Remember references by keys that nobody is bound to yet."""
    references.note(desk.tx, entity, [str(v) for v in decoded.fields.values() if is_unresolved(v)])


def _is_whole(change: Change) -> bool:
    if change.operation is Operation.DELETE:
        return False
    return change.whole or change.kind is ChangeKind.READ


def _sighting(
    desk: Desk, rules: EntityRules, system: str, key: str, decoded: Decoded, change: Change
) -> Sighting:
    """What the store knows about a record that was seen."""
    carried = decoded.fields.get(IDENTITY)
    bound = bindings.holder(desk.tx, rules.type, system, key)
    if bound is not None:
        live = bound.role is not Role.LIVE and bindings.last_key_of(desk.tx, bound.entity, system) != key
        return Sighting(system, key, bound.entity, bound.role, live)
    known = carried if isinstance(carried, str) and entities.exists(desk.tx, carried, rules.type) else None
    return Sighting(
        system=system,
        key=key,
        carried=known,
        taken=known is not None and system in bindings.keys(desk.tx, known),
        deleted=change.operation is Operation.DELETE,
        unnamed=withholding.unseen(desk, system, rules.type, IDENTITY),
        generation=bindings.generations(desk.tx, rules.type, system, key),
    )


def _enrol(desk: Desk, rules: EntityRules, seen: Sighting, seq: int | None) -> Identified | None:
    """The entity of a record, bound or born in this transaction where it has to be."""
    found = identify(rules, replace(seen, repeated=seq is None))
    if found is not None:
        _join(desk, rules, seen, found, seq)
    return found


def _join(desk: Desk, rules: EntityRules, seen: Sighting, found: Identified, seq: int | None) -> None:
    """Let the entity of a record be born, or bound, where it has to be."""
    if found.by is By.BIRTH:
        entities.add(desk.tx, entities.Born(found.entity, rules.type, seen.system, seq or 0))
        ahead.born(desk.tx, found.entity)
    if found.by in (By.BIRTH, By.CARRIED):
        desk.bind(found.entity, rules.type, seen.system, seen.key)


def observe(
    desk: Desk, entity: Entity, place: EntityAtSystem, change: Change, decoded: Decoded, issued: int
) -> Entity:
    """The entity after a change was seen: the image that it leaves at the system."""
    system, token = place.system, desk.tx.token
    image = entity.images.get(system)
    if change.kind is ChangeKind.GAP:
        earlier = image or Image(fields={}, fresh=False)
        return entity.with_image(system, earlier.marked(Stale.GAP, token))
    seen = Seen(
        fields=decoded.fields,
        unknown=decoded.unknown,
        operation=change.operation,
        whole=_is_whole(change),
        order=change.order,
        at=change.at,
        version=change.version,
    )
    if change.kind is ChangeKind.TOLD:
        fields = desk.book.of(entity.type).fields
        written = frozenset(n for n in place.fields if system not in possible_owners(fields[n]))
        return entity.with_image(system, apply_told(image, seen, written, token)[0])
    if change.kind is ChangeKind.READ:
        gone = change.operation is Operation.DELETE
        found = Found(None if gone else decoded.fields, decoded.unknown, version=change.version)
        return entity.with_image(system, apply_read(image, found, issued, token)[0])
    slack, tells = timedelta(seconds=place.slack_s), place.guarantees.tells_merges
    merged, effect = merge_event(image, seen, slack, token, tells_merges=tells)
    if effect is Effect.MERGED and change.origin is not None and change.origin == place.client:
        merged = _echo(desk, entity, system, merged)
    return entity.with_image(system, merged)


def _echo(desk: Desk, entity: Entity, system: str, image: Image) -> Image:
    """Our own write came back: it spares the confirming read, no more."""
    written = outbox.last_accepted(desk.tx, entity.id, system)
    return image if written is None else confirm_by_echo(image, written, desk.tx.token)


def note_faults(desk: Desk, entity: Entity, system: str, decoded: Decoded, seq: int | None) -> None:
    """Open an exception for each value that cannot be mapped; close those that can be mapped again."""
    for fault in decoded.faults:
        desk.raise_(
            Raised(
                kind=Kind.UNMAPPED,
                system=system,
                cause=str(fault),
                entity=entity.id,
                subject=fault.field,
                inbox=seq,
                remedy="correct the value at its system, or add it to the value map",
            ),
            entity,
        )
    if exceptions.close_mapped(desk.tx, entity.id, system, decoded.fields.keys()):
        for target in desk.book.deliverable(desk.book.of(entity.type)):
            if target not in entity.parked:
                obligations.reopen(desk.tx, entity.id, target)


def take_rows(
    desk: Desk, type_: str, system: str, result: ReadResult, issue: int, rows: Sequence[Row] | None = None
) -> None:
    """Take the rows of a read, or some of them. ``issue``: the token at which it was issued."""
    rules = desk.book.of(type_)
    for name in withholding.seen(desk, rules, system, result.lacking):
        lose_track(desk, rules, system, f"its field '{name}' was not shown for a while")
    for row in result.rows if rows is None else rows:
        read(desk, rules, system, row, result, issue)


def read(desk: Desk, rules: EntityRules, system: str, row: Row, result: ReadResult, issue: int) -> None:
    """Take one row of a read. ``issue``: the token at which it was issued."""
    place = rules.at(system)
    decoded = Decoded({})
    fields = None
    lacking = frozenset(name for name, mapped in place.fields.items() if mapped.source in result.lacking)
    if row.fields is not None:
        decoded = _shown(desk.decoder(rules, place).decode(row.fields, whole=True), lacking)
        fields = dict(decoded.fields)
    entity = _read_of(desk, rules, place, row, decoded)
    if entity is None:
        return
    before = entities.get(desk.tx, entity)
    into = _master(desk, rules, system, row)
    window = (result.not_before, result.not_after)
    found = Found(fields, decoded.unknown, into, row.version, *window, lacking)
    earlier = before.images.get(system)
    image, effect = apply_read(earlier, found, issue, desk.tx.token)
    after = before.with_image(system, image)
    if effect is Effect.MERGED:
        subject = f"{place.object.name}/{row.key}"
        exceptions.close_subject(desk.tx, Kind.UNDECODABLE, system, subject, "the record was read")
        if earlier is None or dict(earlier.fields) != dict(image.fields) or earlier.exists != image.exists:
            _oblige(desk, rules, system, entity, _keep_read(desk, place, row))
        after = _answered(desk, after, place, issue)
        note_faults(desk, before, system, decoded, None)
        note_references(desk, entity, decoded)
    planning.settle(desk, before, after)


def _shown(decoded: Decoded, lacking: frozenset[str]) -> Decoded:
    """Without the fields that the read could not see: they are neither null nor mapped."""
    return replace(decoded, fields={n: value for n, value in decoded.fields.items() if n not in lacking})


def _master(desk: Desk, rules: EntityRules, system: str, row: Row) -> str | None:
    """The entity that a record was merged into, or a placeholder for one that is not known yet."""
    if row.merged_into is None:
        return None
    known = bindings.entity_of(desk.tx, rules.type, system, row.merged_into)
    return known or unresolved(system, row.merged_into)


def _read_of(desk: Desk, rules: EntityRules, place: EntityAtSystem, row: Row, decoded: Decoded) -> str | None:
    """The entity that a row read is about; None for nobody's, and for one that is kept under another key."""
    if bindings.holder(desk.tx, rules.type, place.system, row.key) is None:
        return _found(desk, place, row, decoded)
    known = identify(
        rules, _sighting(desk, rules, place.system, row.key, decoded, _as_change(desk, place, row))
    )
    return known.entity if known is not None and known.by is not By.ASIDE else None


def _found(desk: Desk, place: EntityAtSystem, row: Row, decoded: Decoded) -> str | None:
    """A record that nothing was known of, as a snapshot finds it: it may be born here, or carry our id."""
    rules = desk.book.for_object(place.system, place.object.name)
    change = _as_change(desk, place, row)
    if rules is None or row.fields is None:
        return None
    seen = _sighting(desk, rules, place.system, row.key, decoded, change)
    if identify(rules, seen) is None:
        return None
    seq = inbox.add(desk.tx, inbox.Received(place.system, change, row.key))
    found = _enrol(desk, rules, seen, seq)
    if found is None:
        return None
    _oblige(desk, rules, place.system, found.entity, seq)
    return found.entity


def _keep_read(desk: Desk, place: EntityAtSystem, row: Row) -> int | None:
    """A read that brings something new is an observation like any other."""
    return inbox.add(desk.tx, inbox.Received(place.system, _as_change(desk, place, row), row.key))


def _as_change(desk: Desk, place: EntityAtSystem, row: Row) -> Change:
    return Change(
        source_id=f"read:{desk.tx.epoch}.{desk.tx.token}:{row.key}",
        stream="read",
        kind=ChangeKind.READ,
        object=place.object.name,
        keys=(row.key,),
        operation=Operation.DELETE if row.fields is None else Operation.UPDATE,
        fields=row.fields or {},
        version=row.version,
    )


def _answered(desk: Desk, entity: Entity, place: EntityAtSystem, issue: int) -> Entity:
    """A read issued after a lost request was waited out answers what became of it (I16)."""
    standing = entity.commands.get(place.system)
    lost = standing is not None and standing.state is CommandState.UNCERTAIN
    if standing is None or not lost or standing.kind is DeliveryKind.CREATE:
        return entity
    command = outbox.get(desk.tx, standing.number)
    if command is None or command.asked is None or issue < command.asked:
        return entity
    shown = answered_by_read(entity, place.system, command.fields)
    numbers = {name: number for name, number in command.numbers.items() if name in shown}
    entity = accepted(entity, place.system, command.fields, numbers)
    if entity.gone(place.system):
        entity = maybe_ours(entity, place.system, command.fields)
    deletes, gone = command.kind is DeliveryKind.DELETE, entity.gone(place.system)
    whole = gone if deletes else not gone and shown == frozenset(command.fields)
    outbox.move(
        desk.tx,
        command,
        CommandState.ACCEPTED if whole else CommandState.SUPERSEDED,
        "a read shows every value that was sent" if whole else "a read shows other values",
        finished=desk.tx.now,
        evidence="read back",
    )
    exceptions.close_all(
        desk.tx, entity.id, place.system, (Kind.UNCERTAIN, Kind.OVERDUE), "answered by a read"
    )
    commands = {target: c for target, c in entity.commands.items() if target != place.system}
    entity = replace(entity, commands=commands)
    return existence.deleted(desk, entity, place.system) if deletes and gone else entity
