"""After a new binding: references to its key resolve, children go on, what came too early is taken up."""

from __future__ import annotations

from agent.core.change import Change, ChangeKind, Operation
from agent.core.entity import Image, Stale
from agent.core.mapping import unresolved
from agent.core.reference import redirected
from agent.flow import existence, observation, planning
from agent.flow.desk import Bound, Desk
from agent.store import entities, exceptions, inbox, obligations, references, waiting
from agent.store.exceptions import Kind
from agent.store.transaction import load


def follow_up(desk: Desk) -> None:
    """Let everything go on that waited for the bindings of this transaction, and for those that follow."""
    while desk.bound:
        bound = desk.bound.pop(0)
        _resolve_references(desk, bound)
        _release(desk, bound)
        _take_up(desk, bound)
        for waiting_id, target in waiting.on(desk.tx, bound.entity):
            if exceptions.close_all(desk.tx, waiting_id, target, (Kind.ORPHAN,), "the record is there again"):
                obligations.reopen(desk.tx, waiting_id, target)
            planning.reconsider(desk, waiting_id)
    while desk.coming:
        parent, target = desk.coming.pop(0)
        for waiting_id, waiting_target in waiting.on(desk.tx, parent):
            if waiting_target == target:
                planning.reconsider(desk, waiting_id)


def _resolve_references(desk: Desk, bound: Bound) -> None:
    """Records that referred to this key before anyone knew it now refer to the entity."""
    placeholder = unresolved(bound.system, bound.key)
    for waiting_id in references.take(desk.tx, placeholder):
        before = entities.get(desk.tx, waiting_id)
        after = existence.resolved(desk, before, placeholder, bound.entity)
        rules = desk.book.of(before.type)
        after = redirected(after, rules, bound.type, placeholder, bound.entity)
        planning.settle(desk, before, after)


def _release(desk: Desk, bound: Bound) -> None:
    """A target that waited only for the key of its record goes on."""
    entity = entities.get(desk.tx, bound.entity)
    if bound.system in entity.parked and bound.system not in entity.refused:
        planning.settle(desk, entity, planning.unpark(desk, entity, bound.system, "its key is known now"))


def _take_up(desk: Desk, bound: Bound) -> None:
    """What the system said about the record before anyone knew that it was this entity.

    What it told is taken as it was told; of anything else it is only known that the record changed.
    """
    rules = desk.book.of(bound.type)
    place = rules.at(bound.system)
    subject = f"{place.object.name}/{bound.key}"
    exceptions.close_subject(desk.tx, Kind.UNBOUND, bound.system, subject, "it is bound now")
    if not inbox.waits(desk.tx, bound.system, bound.key):
        return
    for kind in (ChangeKind.TOLD, ChangeKind.READ, ChangeKind.EVENT, ChangeKind.GAP):
        for seq, kept in inbox.unattached(desk.tx, bound.system, bound.key, kind, place.object.name):
            targets = rules.targets(bound.system)
            inbox.attach(desk.tx, seq, bound.entity, len(targets))
            obligations.add(desk.tx, seq, bound.entity, targets)
            before = entities.get(desk.tx, bound.entity)
            if kind is ChangeKind.TOLD:
                change = Change(
                    source_id="",
                    stream="",
                    kind=kind,
                    object=place.object.name,
                    operation=Operation(kept.operation),
                    fields=load(kept.fields),
                    order=kept.order,
                )
                decoded = desk.decoder(rules, place).decode(change.fields, whole=False)
                observation.note_faults(desk, before, bound.system, decoded, seq)
                after = observation.observe(desk, before, place, change, decoded, desk.tx.token)
            else:
                image = before.images.get(bound.system) or Image(fields={}, fresh=False)
                after = before.with_image(bound.system, image.marked(Stale.GAP, desk.tx.token))
            planning.settle(desk, before, after)
