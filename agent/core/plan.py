"""The one place that decides what to send: a pure function of one entity and one target.

``merge`` has taken the fresh images into the agreed values before. A plan can be made again at any time and
gives the same answer for the same state (I31); it never sends what the target already holds (I7, I9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.core.contract import (
    AGENT,
    IDENTITY,
    Context,
    ContractField,
    EntityAtSystem,
    EntityRules,
    Part,
    Transfer,
)
from agent.core.delivery import DeliveryKind
from agent.core.entity import IN_FLIGHT, Entity, Grade, Image
from agent.core.mapping import is_unresolved
from agent.core.ownership import owner
from agent.core.record import record
from agent.core.value import Canonical


class Hold(StrEnum):
    """Why nothing is sent now although something may have to be."""

    SOURCE_STALE = "source-stale"  # an owner's image must be read first
    TARGET_STALE = "target-stale"  # the target's own image must be read first
    IN_FLIGHT = "in-flight"  # an earlier command has no outcome yet
    PARENT = "parent"  # a record it refers to has no key at the target yet
    ORPHAN = "orphan"  # a record that it refers to was deleted and will not be at the target
    CHILD = "child"  # a deleted record that refers to it is still there
    DEPENDANT = "dependant"  # a record that refers to it is not deleted: a person must look
    LANE = "lane"  # an earlier one of its lane has not arrived
    PARKED = "parked"  # waits for a person
    WITHHELD = "withheld"  # the target lacks a field that it differs in, or does not let us write it
    UNMAPPED = "unmapped"  # its owner holds a value that the contract cannot hold
    DELETED = "deleted"  # the record is gone at a system that matters


@record(frozen=True, slots=True)
class Wait:
    """Nothing is sent now. ``on`` is the entity, placeholder or system that the answer depends on."""

    reason: Hold
    on: str = ""


@record(frozen=True, slots=True)
class Agree:
    """The target holds what it should; ``why`` says so for one that is not to have the record at all."""

    why: str = "equal"


@record(frozen=True, slots=True)
class Send:
    """One command. ``guard`` holds the shared fields as last seen at the target, for compare-and-set.

    rules    field → the rule that chose its value, with the rules' version; "" for a deletion's
    partial  something else differs that cannot be sent now: this command does not settle everything
    """

    kind: DeliveryKind
    fields: Mapping[str, Canonical]
    numbers: Mapping[str, int]
    rules: Mapping[str, str]
    guard: Mapping[str, Canonical] | None = None
    version: str | None = None
    partial: bool = False


Decision = Wait | Agree | Send


@record(frozen=True, slots=True)
class Surroundings:
    """What a plan may know beyond the entity.

    bound       canonical ids that have a live key at the target
    coming      of those without one: records whose create is ready, so that this one's can go with it
    cycle       of those without one: records that in turn wait for this one, so that neither could be first
    ended       of those without one: records that were deleted and will not be there
    withheld    fields that the target lacks or does not let us write
    lane_ahead  an earlier entity of the same lane has not arrived at the target
    child       a deleted record that refers to this one and is still at the target
    dependant   a record that refers to this one, is at the target, and was not deleted
    """

    bound: frozenset[str] = frozenset()
    coming: frozenset[str] = frozenset()
    cycle: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    withheld: frozenset[str] = frozenset()
    lane_ahead: str | None = None
    child: str | None = None
    dependant: str | None = None


@dataclass
class _Draft:
    """``there``: records that may be referred to."""

    there: frozenset[str]
    fields: dict[str, Canonical] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    stale: str | None = None
    parent: str | None = None
    later: str | None = None
    parked: bool = False
    unmapped: str | None = None
    withheld: list[str] = field(default_factory=list)

    def withhold(self, name: str) -> None:
        """A field that differs is not sent."""
        del self.fields[name], self.numbers[name]
        self.shared.discard(name)
        self.withheld.append(name)

    @property
    def partial(self) -> bool:
        """Whether something that may differ is not in it."""
        held_back = (self.stale, self.parent, self.later, self.unmapped)
        return self.parked or bool(self.withheld) or any(one is not None for one in held_back)


def plan(entity: Entity, target: str, rules: EntityRules, context: Context, around: Surroundings) -> Decision:
    """What to send to ``target`` now, if anything."""
    command = entity.commands.get(target)
    if command is not None and command.state in IN_FLIGHT:
        return Wait(Hold.IN_FLIGHT, target)
    gone = _gone(entity, target)
    if entity.ended is not None:
        decision = _end(entity, target, rules, around)
    elif gone is not None:
        return Wait(Hold.DELETED, gone)
    elif target not in entity.keys:
        decision = _create(entity, target, rules, context, around)
    else:
        decision = _update(entity, target, rules, context, around)
    if target in entity.parked and not _differs_from_refused(entity, target, decision):
        return Wait(Hold.PARKED, target)
    return decision


def stands(entity: Entity, target: str, wait: Wait) -> bool:
    """Whether the command that is ready for a target may still be sent while nothing new is decided.

    One that only waits for a read keeps its place, unless the record was bound or given up meanwhile (I20).
    A deletion does not: what is read may be that the record is there again.
    """
    command = entity.commands.get(target)
    if command is None or wait.reason not in (Hold.SOURCE_STALE, Hold.TARGET_STALE):
        return False
    if command.kind is DeliveryKind.DELETE:
        return False
    return (command.kind is DeliveryKind.CREATE) != (target in entity.keys)


def _differs_from_refused(entity: Entity, target: str, decision: Decision) -> bool:
    """What was refused is never sent again by itself; what its users changed since is a new attempt."""
    match decision:
        case Send(fields=fields):
            refused = entity.refused.get(target)
            return refused is not None and dict(refused) != dict(fields)
        case Agree():
            return target in entity.refused
        case _:
            return False


def _gone(entity: Entity, target: str) -> str | None:
    """Where the record is gone and nobody has said yet what is to follow."""
    for system in (entity.birth, target):
        if system in entity.keys and entity.gone(system):
            return system
    return None


def _end(entity: Entity, target: str, rules: EntityRules, around: Surroundings) -> Decision:
    """What is left of an ended entity at the target goes, children first; a merged one's key moves on."""
    place = rules.at(target)
    if target not in entity.keys or entity.gone(target):
        return Agree("gone")
    if entity.ended is not None and entity.ended.into is not None:
        return Agree("merged")
    if not place.delete:
        return Agree("kept there by rule")
    by = entity.ended.by if entity.ended is not None else ""
    owning, image = entity.images.get(by), entity.images.get(target)
    if owning is not None and not owning.fresh:
        return Wait(Hold.SOURCE_STALE, by)  # it may be there again
    if image is None or not image.fresh:
        return Wait(Hold.TARGET_STALE, target)
    if around.dependant is not None:
        return Wait(Hold.DEPENDANT, around.dependant)
    if around.child is not None:
        return Wait(Hold.CHILD, around.child)
    shared = [name for name in place.fields if rules.fields[name].shared and name in image.fields]
    guard = {name: image.fields[name] for name in shared} or None
    rule = {"": f"existence:{by}@{rules.version}"}
    return Send(DeliveryKind.DELETE, {}, {}, rule, guard, image.version if guard else None)


def _create(
    entity: Entity, target: str, rules: EntityRules, context: Context, around: Surroundings
) -> Decision:
    place = rules.at(target)
    if not place.create:
        return Agree("not created there by rule")
    if target in entity.absent:
        return Agree("stays deleted there by a ruling")
    born = entity.images.get(entity.birth)
    if target != entity.birth:
        if born is None or not born.fresh:
            return Wait(Hold.SOURCE_STALE, entity.birth)
        if not born.exists:
            return Agree("gone where it was born")
    draft = _draft(entity, place, rules, context, Image(fields={}, fresh=True), around)
    if draft.unmapped is not None:
        return Wait(Hold.UNMAPPED, draft.unmapped)
    if draft.parent is not None:
        return Wait(_lacking(draft.parent, around), draft.parent)
    needed = draft.withheld if rules.transfer is Transfer.EVENT else []
    if rules.key in draft.withheld and entity.agreed[rules.key or ""].value is not None:
        needed = [rules.key or ""]  # without it nobody could tell whether the record is there already (I20)
    if needed:
        return Wait(Hold.WITHHELD, withheld_mark(target, rules.type, needed[-1]))
    if around.lane_ahead is not None:
        return Wait(Hold.LANE, around.lane_ahead)
    filled = {n: value for n, value in draft.fields.items() if value is not None and n != IDENTITY}
    return Send(DeliveryKind.CREATE, filled, draft.numbers, draft.rules, partial=draft.partial)


def _update(
    entity: Entity, target: str, rules: EntityRules, context: Context, around: Surroundings
) -> Decision:
    place = rules.at(target)
    image = entity.images.get(target)
    if image is None and place.blind:
        image = Image(fields={}, fresh=True)
    if image is None or not image.fresh:
        return Wait(Hold.TARGET_STALE, target)
    draft = _draft(entity, place, rules, context, image, around)
    if draft.fields:
        guarded = {name: image.fields.get(name) for name in draft.fields if name in draft.shared}
        guard = guarded or None
        version = image.version if guard else None
        kind = DeliveryKind.UPDATE
        return Send(kind, draft.fields, draft.numbers, draft.rules, guard, version, draft.partial)
    if draft.parent is not None or draft.later is not None:
        missing = draft.parent or draft.later or ""
        return Wait(_lacking(missing, around), missing)
    if draft.stale is not None:
        return Wait(Hold.SOURCE_STALE, draft.stale)
    if draft.withheld:  # before what waits for people: the field is tried without them
        return Wait(Hold.WITHHELD, withheld_mark(target, rules.type, draft.withheld[-1]))
    if draft.parked:
        return Wait(Hold.PARKED, target)
    if draft.unmapped is not None:
        return Wait(Hold.UNMAPPED, draft.unmapped)
    return Agree()


def withheld_mark(target: str, type_: str, field: str) -> str:
    """What a plan waits on whose field the target does not take."""
    return f"{target}.{type_}.{field}"


def _lacking(parent: str, around: Surroundings) -> Hold:
    return Hold.ORPHAN if parent in around.ended else Hold.PARENT


def _draft(
    entity: Entity,
    place: EntityAtSystem,
    rules: EntityRules,
    context: Context,
    image: Image,
    around: Surroundings,
) -> _Draft:
    """Every mapped field whose agreed value the target does not hold, as far as it may be sent now."""
    creating = place.system not in entity.keys
    draft = _Draft(around.bound | around.coming if creating else around.bound)
    names = place.fields if creating or not _calm(entity) else _differing(entity, image, place)
    for name in names:
        rule = rules.fields[name]
        source = _source(entity, rules, rule, context)
        if source == place.system:
            if creating and name in entity.agreed:
                _again(draft, entity, rule)
                draft.rules[name] = f"seed:{source}@{rules.version}"
                if name in around.withheld and name in draft.fields:
                    draft.withhold(name)
            continue
        if entity.parked and f"{place.system}.{name}" in entity.parked:
            draft.parked = True
            continue
        if not creating and rules.transfer is Transfer.EVENT and rule.part is Part.BODY:
            continue
        _field(draft, entity, rule, source, image, around)
        if name in around.withheld and name in draft.fields:
            draft.withhold(name)
        if name in draft.fields:
            draft.rules[name] = f"{_rule_name(rule, source)}@{rules.version}"
    return draft


def _calm(entity: Entity) -> bool:
    """Whether all that is known is certain and nothing waits for a person: only what differs matters then."""
    return not entity.parked and all(
        image.fresh and image.exists and not image.faulty for image in entity.images.values()
    )


def _differing(entity: Entity, image: Image, place: EntityAtSystem) -> list[str]:
    """Fields of which the target is not known to hold what was agreed."""
    agreed, held = entity.agreed, image.fields
    return [n for n in place.fields if n not in agreed or n not in held or held[n] != agreed[n].value]


def _again(draft: _Draft, entity: Entity, rule: ContractField) -> None:
    """A record that is made again at the owner of a field gets back what that owner had said of it."""
    agreed = entity.agreed[rule.name]
    if rule.reference is None or agreed.value is None or str(agreed.value) in draft.there:
        draft.fields[rule.name] = agreed.value
        draft.numbers[rule.name] = agreed.number


def _field(
    draft: _Draft, entity: Entity, rule: ContractField, source: str | None, image: Image, around: Surroundings
) -> None:
    name = rule.name
    if source is not None and source != AGENT:
        owning = entity.images.get(source)
        if owning is None or not owning.exists:
            return
        if not owning.fresh:
            draft.stale = source
            return
        if name in owning.faulty:
            draft.unmapped = name
            return
    agreed = entity.agreed.get(name)
    if agreed is None or (name in image.fields and image.fields[name] == agreed.value):
        return
    if name not in image.fields and agreed.value is None and image.grade is not Grade.READ:
        return
    refers = rule.reference is not None and agreed.value is not None
    if refers and (is_unresolved(agreed.value) or str(agreed.value) not in draft.there):
        if str(agreed.value) in around.cycle and rule.part is not Part.BODY:
            draft.later = str(agreed.value)
        else:
            draft.parent = str(agreed.value)
        return
    draft.fields[name] = agreed.value
    draft.numbers[name] = agreed.number
    if rule.shared:
        draft.shared.add(name)


def _source(entity: Entity, rules: EntityRules, rule: ContractField, context: Context) -> str | None:
    if rules.transfer is Transfer.EVENT and rule.part is Part.BODY and entity.birth:
        return entity.birth
    return owner(rule, context)


def _rule_name(rule: ContractField, source: str | None) -> str:
    if source is not None:
        return f"owner:{source}"
    survivorship = rule.survivorship
    if survivorship is None:
        return "none"
    return f"{survivorship.kind}:{survivorship.prefer}" if survivorship.prefer else str(survivorship.kind)


def referred(entity: Entity, rules: EntityRules) -> frozenset[str]:
    """Canonical ids that the entity's agreed values refer to."""
    if not rules.references:
        return frozenset()
    named = (entity.agreed[name].value for name in rules.references if name in entity.agreed)
    return frozenset(str(value) for value in named if value is not None and not is_unresolved(value))
