"""Existence: what follows when a record ends, returns, or is merged into another (I21)."""

from __future__ import annotations

from dataclasses import replace

from agent.core.contract import IDENTITY, EntityRules, Role
from agent.core.entity import IN_FLIGHT, OPERATOR, Base, Ended, Entity, Image, Stale
from agent.core.existence import Turn, judge, lost
from agent.core.fate import Fate
from agent.core.mapping import is_unresolved
from agent.core.reference import redirected
from agent.flow import planning
from agent.flow.desk import Bound, Desk
from agent.store import (
    bindings,
    conflicts,
    entities,
    exceptions,
    links,
    obligations,
    references,
    waiting,
)
from agent.store.exceptions import Kind, Raised

#: What nobody has to look at any more once the record has ended.
SETTLED = (Kind.CONFLICT, Kind.REJECTED, Kind.DELETED, Kind.ORPHAN, Kind.UNMAPPED, Kind.DUPLICATE)


def follow(desk: Desk, entity: Entity, rules: EntityRules) -> Entity:
    """The entity after what its images say about its existence. Keys of what is gone are retired."""
    entity, back = _revived(desk, entity)
    turn = judge(entity, rules, back)
    if turn is not None:
        entity = _turned(desk, entity, turn.turn, turn.ended)
    if entity.ended is None:
        return entity
    for system in tuple(entity.keys):
        if entity.gone(system):
            entity = retire(desk, entity, system, "the record is gone there")
    into = entity.ended.into if entity.ended is not None else None
    if into is not None and is_unresolved(into):
        _wait_for(desk, entity, into)
    elif into is not None and any(not _in_flight(entity, system) for system in entity.keys):
        desk.merged.append((entity.id, into))
    return entity


def _in_flight(entity: Entity, system: str) -> bool:
    """Whether what was sent for a record may still be applied: its key passes on only afterwards."""
    command = entity.commands.get(system)
    return command is not None and command.state in IN_FLIGHT


def _wait_for(desk: Desk, entity: Entity, into: str) -> None:
    """The record that took its place is not known yet: nothing moves before it is."""
    references.note(desk.tx, entity.id, [into])
    by = entity.ended.by if entity.ended is not None else ""
    desk.raise_(
        Raised(
            kind=Kind.MERGED,
            system=by,
            cause=f"{by} merged this record into {into.partition(':')[2]}, which is not known here",
            entity=entity.id,
            remedy="it goes on by itself when that record is seen; else delete this one elsewhere, and close",
        ),
        entity,
    )


def resolved(desk: Desk, entity: Entity, placeholder: str, winner: str) -> Entity:
    """The record that took the place of this one is known now."""
    if entity.ended is None or entity.ended.into != placeholder:
        return entity
    exceptions.close_all(desk.tx, entity.id, entity.ended.by, (Kind.MERGED,), "that record is known now")
    return replace(entity, ended=Ended(entity.ended.by, winner))


def _turned(desk: Desk, entity: Entity, turn: Turn, ended: Ended | None) -> Entity:
    if turn is Turn.RETURNS:
        for system in desk.book.of(entity.type).systems:
            exceptions.close_all(desk.tx, entity.id, system, (Kind.DEPENDANT,), "the record is there again")
        return replace(entity, ended=None)
    assert ended is not None
    return end(desk, entity, ended)


def end(desk: Desk, entity: Entity, ended: Ended) -> Entity:
    """Write the tombstone: nothing about the record waits for a person any more."""
    why = f"the record was deleted by {ended.by}"
    for system in desk.book.of(entity.type).systems:
        exceptions.close_all(desk.tx, entity.id, system, SETTLED, why)
        obligations.reopen(desk.tx, entity.id, system)
    conflicts.drop(desk.tx, entity.id, why)
    desk.ended.append(entity.id)
    return replace(entity, ended=ended, parked=frozenset(), refused={})


def _is_there(entity: Entity, system: str) -> bool:
    image = entity.images.get(system)
    return image is not None and image.fresh and image.exists


def _revived(desk: Desk, entity: Entity) -> tuple[Entity, frozenset[str]]:
    """A record that is there again, under its retired key or a new one, is live again: where it is so."""
    back = set()
    retired = bindings.retired(desk.tx, entity.id)
    if not retired:
        return entity, frozenset()
    for system, key in retired.items():
        if not _is_there(entity, system):
            continue
        back.add(system)
        if system not in entity.keys:
            bindings.change_role(desk.tx, entity.id, system, key, Role.LIVE, "the record is there again")
            desk.bound.append(Bound(entity.id, entity.type, system, key))
            entity = replace(entity, keys={**entity.keys, system: key})
    return replace(entity, absent=entity.absent - back), frozenset(back)


def retire(desk: Desk, entity: Entity, system: str, why: str) -> Entity:
    """Give up the key of a record that is gone; it still answers for late news and for references."""
    bindings.change_role(desk.tx, entity.id, system, entity.keys[system], Role.RETIRED, why)
    desk.retired.append((entity.id, system))
    return replace(entity, keys={name: key for name, key in entity.keys.items() if name != system})


def carry_out(desk: Desk, entity: Entity, system: str, fate: Fate) -> None:
    """What a person ruled about a record that is gone at a system, and all that follows from it."""
    before, why = entity, f"ruled: {fate}"
    exceptions.close_all(desk.tx, entity.id, system, (Kind.DELETED,), why)
    for target in desk.book.deliverable(desk.book.of(entity.type)):
        obligations.reopen(desk.tx, entity.id, target)
    if fate is Fate.DELETE:
        planning.settle(desk, before, end(desk, entity, Ended(OPERATOR)))
        return
    entity = retire(desk, entity, system, why)
    marks = {mark for mark in entity.parked if mark.partition(".")[0] == system}
    for mark in marks:
        exceptions.close_marked(desk.tx, entity.id, mark, why)
    refused = {target: fields for target, fields in entity.refused.items() if target != system}
    entity = replace(entity, parked=entity.parked - marks, refused=refused)
    if fate is Fate.LEAVE:
        entity = replace(entity, absent=entity.absent | {system})
    else:
        entity = _blank(desk, entity, system)
    planning.settle(desk, before, entity)


def deleted(desk: Desk, entity: Entity, system: str) -> Entity:
    """The system took our deletion: if the record returns to its owner, it is created there anew."""
    if system not in entity.keys:
        return entity
    return _blank(desk, retire(desk, entity, system, "deleted by us"), system)


def _blank(desk: Desk, entity: Entity, system: str) -> Entity:
    """Nothing that was known of the old record holds for a new one."""
    order = entity.images[system].order
    blank = Image(fields={}, fresh=True, exists=False, token=desk.tx.token, order=order)
    return entity.with_image(system, blank)


def note_lost(desk: Desk, entity: Entity, rules: EntityRules, target: str) -> None:
    """Record what a deletion takes away that whoever deleted had never seen (I10)."""
    for conflict in lost(entity, rules, target):
        if not conflicts.known(desk.tx, entity.id, conflict):
            conflicts.add(desk.tx, entity.id, conflict, rules.version)


def follow_up(desk: Desk) -> None:
    """What merges, deletions and retired keys of this transaction mean for other entities."""
    while desk.merged or desk.retired or desk.ended or desk.released:
        while desk.merged:
            _merge(desk, *desk.merged.pop(0))
        while desk.retired:
            _let_go(desk, desk.retired.pop(0)[0])
        while desk.released:
            _let_go(desk, desk.released.pop(0))
        while desk.ended:
            ended = desk.ended.pop(0)
            _let_go(desk, ended)
            for dependant in links.dependants(desk.tx, ended):
                planning.reconsider(desk, dependant)


def _let_go(desk: Desk, entity: str) -> None:
    """Whatever waited for an entity that has ended, left a system or refers to something else now."""
    for waiting_id, target in waiting.on(desk.tx, entity):
        why = "nothing that was not deleted refers to it any more"
        if exceptions.close_all(desk.tx, waiting_id, target, (Kind.DEPENDANT,), why):
            obligations.reopen(desk.tx, waiting_id, target)
        planning.reconsider(desk, waiting_id)


def _merge(desk: Desk, loser: str, winner: str) -> None:
    """The loser's keys elsewhere pass to the winner, and whatever referred to the loser refers to it."""
    before = entities.get(desk.tx, loser)
    for system in tuple(before.keys):
        if not _in_flight(before, system):
            _pass_on(desk, before, system, winner)
    for dependant in links.dependants(desk.tx, loser):
        known = entities.get(desk.tx, dependant)
        for number in conflicts.between(desk.tx, dependant, loser, winner):
            conflicts.decide(desk.tx, number, "winner", f"{loser} was merged into {winner}")
            exceptions.close_numbered(desk.tx, Kind.IMMUTABLE, dependant, number, "both are one record now")
        rules = desk.book.of(known.type)
        planning.settle(desk, known, redirected(known, rules, before.type, loser, winner))
    planning.reconsider(desk, loser)
    planning.reconsider(desk, winner)


def _pass_on(desk: Desk, loser: Entity, system: str, winner: str) -> None:
    heir = entities.get(desk.tx, winner)
    taken = _in_flight(heir, system) or system in heir.keys
    for key, role in bindings.close(desk.tx, loser.id, system, f"merged into {winner}"):
        passed = Role.READ_ONLY if taken or role is not Role.LIVE else Role.LIVE
        bindings.bind(desk.tx, winner, loser.type, system, key, passed)
        if passed is Role.LIVE:
            note_lost(desk, loser, desk.book.of(loser.type), system)
            desk.bound.append(Bound(winner, loser.type, system, key))
            before = entities.get(desk.tx, winner)
            image = loser.images.get(system) or Image(fields={}, fresh=False)
            # what it held of the loser's is nobody's change, and older than whatever the winner's agreed on
            held = {name: Base(b.value, 0, b.ruled) for name, b in image.base.items()}
            image = replace(image, base={**held, IDENTITY: Base(loser.id, 0)})
            if not desk.book.of(loser.type).at(system).blind:
                image = image.marked(Stale.CHANGED, desk.tx.token)
            planning.settle(desk, before, before.with_image(system, image))
        elif role is Role.LIVE:
            _ask_to_merge(desk, loser, system, key, winner)


def _ask_to_merge(desk: Desk, loser: Entity, system: str, key: str, winner: str) -> None:
    by = loser.ended.by if loser.ended is not None else ""
    desk.raise_(
        Raised(
            kind=Kind.MERGED,
            system=system,
            cause=f"{by} merged this record into another; {system} still has both, this one as {key}",
            entity=winner,
            subject=key,
            remedy=f"merge them at {system} too, then close this; nothing is sent for {key} any more",
        ),
        entities.get(desk.tx, winner),
    )
