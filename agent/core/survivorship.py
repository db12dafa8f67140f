"""From what the systems hold to what all of them are to hold: agreed values, bases, conflicts.

Each field has one line of agreed values, numbered. A system's base is the last of them that it was confirmed
to hold. A system changed a field if and only if its fresh image differs from its own base; it is behind when
a later value was agreed since. Changed and not behind moves the line on. Changed and behind is a conflict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.core.contract import AGENT, Context, ContractField, EntityRules, Part, SurvivorshipKind, Transfer
from agent.core.entity import IN_FLIGHT, Agreed, Base, Entity, Image
from agent.core.mapping import is_unresolved
from agent.core.ownership import owner
from agent.core.record import record
from agent.core.value import Canonical

#: The rule that no one may change the body of a document that was delivered.
IMMUTABLE = "immutable"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A recorded decision about two values, with the loser's. ``decided`` is False when a person must rule.

    rule     ``owner:SYSTEM``, ``prefer:SYSTEM``, ``manual`` or ``immutable``
    """

    field: str
    rule: str
    winner_system: str
    winner: Canonical
    loser_system: str
    loser: Canonical
    base: Canonical
    decided: bool

    @property
    def immutable(self) -> bool:
        """Whether the body of a document was changed: nothing can be ruled, it has to be reversed."""
        return self.rule == IMMUTABLE

    @property
    def mark(self) -> str:
        """What waits for a person: the field at the system that differs; nothing for a document's body."""
        return "" if self.immutable or self.decided else f"{self.loser_system}.{self.field}"


@record(frozen=True, slots=True)
class Merged:
    """What merging found: the entity with new agreed values and bases, and the conflicts behind them."""

    entity: Entity
    conflicts: tuple[Conflict, ...] = ()


@dataclass
class _Work:
    """Working copies while the fields of one entity are merged."""

    entity: Entity
    agreed: dict[str, Agreed]
    bases: dict[str, dict[str, Base]]
    parked: set[str]
    conflicts: list[Conflict] = field(default_factory=list)

    def held(self, system: str, name: str) -> Base | None:
        """The base of a field at a system."""
        return self.bases[system].get(name)

    def agree(self, name: str, value: Canonical, system: str) -> None:
        """Move the line of agreed values on."""
        number = self.agreed[name].number + 1 if name in self.agreed else 1
        self.agreed[name] = Agreed(value, number, system)

    def confirm(self, system: str, name: str) -> None:
        """The system was seen to hold the agreed value."""
        current = self.agreed[name]
        self.bases[system][name] = Base(current.value, current.number)

    def rule_out(self, system: str, name: str, value: Canonical) -> None:
        """Remember that this value of the system was decided about."""
        held = self.bases[system].get(name)
        if held is None:
            self.bases[system][name] = Base(value, 0, (value,))
        else:
            self.bases[system][name] = held._replace(ruled=(*held.ruled, value))


def merge(entity: Entity, rules: EntityRules, context: Context) -> Merged:
    """Take every fresh image into the agreed values. Pure; merging twice changes nothing more."""
    unsettled = _unsettled(entity, rules)
    if not unsettled:
        return Merged(entity)
    work = _Work(
        entity,
        dict(entity.agreed),
        {system: dict(image.base) for system, image in entity.images.items()},
        set(entity.parked),
    )
    for name in unsettled:
        rule = rules.fields[name]
        systems = [s for s in rules.systems if name in rules.systems[s].fields and _counts(entity, s, name)]
        if rule.shared:
            _merge_shared(work, rule, systems)
        else:
            _merge_owned(work, rule, systems, _owner(entity, rules, rule, context), rules)
    images = {
        system: image if work.bases[system] == image.base else image.with_base(work.bases[system])
        for system, image in entity.images.items()
    }
    merged = entity.with_values(images, work.agreed, frozenset(work.parked))
    return Merged(merged, tuple(work.conflicts))


def _unsettled(entity: Entity, rules: EntityRules) -> list[str]:
    """Fields that some fresh image does not hold as they were agreed, or was not confirmed to: a few of many.

    Merging any other would write down once more what is written already, whoever owns it.
    """
    seen = [(image.fields, image.base) for image in entity.images.values() if image.fresh and image.exists]
    found = []
    for name in rules.fields:
        agreed = entity.agreed.get(name)
        if agreed is None:
            found.append(name)
            continue
        value, number, _ = agreed
        if isinstance(value, str) and is_unresolved(value):
            found.append(name)
            continue
        confirmed = (value, number, ())
        for fields, base in seen:
            if name in fields and (fields[name] != value or base.get(name) != confirmed):
                found.append(name)
                break
    return found


def _owner(entity: Entity, rules: EntityRules, rule: ContractField, context: Context) -> str:
    if rules.transfer is Transfer.EVENT and rule.part is Part.BODY and entity.birth:
        return entity.birth
    return owner(rule, context) or ""


def _counts(entity: Entity, system: str, name: str) -> bool:
    image = entity.images.get(system)
    return image is not None and image.fresh and image.exists and name in image.fields


def _quiet(work: _Work, system: str) -> bool:
    command = work.entity.commands.get(system)
    return command is None or command.state not in IN_FLIGHT


def _merge_owned(
    work: _Work, rule: ContractField, systems: list[str], owning: str, rules: EntityRules
) -> None:
    name = rule.name
    if owning == AGENT:
        if name not in work.agreed:
            work.agree(name, work.entity.id, AGENT)
        for system in systems:
            _follow(work, name, system, AGENT)
        return
    if owning not in systems:
        return
    value = _image(work, owning).fields[name]
    body = rules.transfer is Transfer.EVENT and rule.part is Part.BODY
    if name not in work.agreed or is_unresolved(work.agreed[name].value):
        work.agree(name, value, owning)
    elif value != work.agreed[name].value:
        if body:
            _immutable(work, name, owning, owning)
            return
        work.agree(name, value, owning)
    work.confirm(owning, name)
    for system in systems:
        if system == owning:
            continue
        if body:
            _immutable(work, name, system, owning)
        else:
            _follow(work, name, system, owning)


def _immutable(work: _Work, name: str, system: str, owning: str) -> None:
    """The body of a document is never rewritten, at no system: a person must look at another value."""
    value, held, kept = _image(work, system).fields[name], work.held(system, name), work.agreed[name].value
    if value == kept:
        work.confirm(system, name)
    elif (held is None or value not in held.ruled) and _quiet(work, system):
        work.conflicts.append(Conflict(name, IMMUTABLE, owning, kept, system, value, kept, decided=False))
        work.rule_out(system, name, value)


def _follow(work: _Work, name: str, system: str, owning: str) -> None:
    """A system that does not own the field: confirm what it holds, or record what its users wrote."""
    value, current, held = _image(work, system).fields[name], work.agreed[name], work.held(system, name)
    if value == current.value:
        work.confirm(system, name)
    elif changed(value, held) and held is not None and _quiet(work, system):
        work.conflicts.append(
            Conflict(name, f"owner:{owning}", owning, current.value, system, value, held.value, decided=True)
        )
        work.rule_out(system, name, value)


def changed(value: Canonical, held: Base | None) -> bool:
    """Whether users of the system said something new. A null of which nothing is known says nothing."""
    if held is None:
        return value is not None
    return value != held.value and value not in held.ruled


def _unsaid(agreed: Agreed) -> bool:
    """Whether nobody ever said a value: the line begins with a null that was found somewhere."""
    return agreed.value is None and agreed.number == 1


def _merge_shared(work: _Work, rule: ContractField, systems: list[str]) -> None:
    free = [s for s in systems if f"{s}.{rule.name}" not in work.parked and _quiet(work, s)]
    for system in free:
        _take(work, rule, system)
    for system in free:  # what was agreed last may be what one of them held all the time
        if _image(work, system).fields[rule.name] == work.agreed[rule.name].value:
            work.confirm(system, rule.name)


def _take(work: _Work, rule: ContractField, system: str) -> None:
    """Take one system's fresh value of a shared field into the line of agreed values."""
    name = rule.name
    value, held = _image(work, system).fields[name], work.held(system, name)
    if name not in work.agreed:
        work.agree(name, value, system)
        work.confirm(system, name)
        return
    current = work.agreed[name]
    if value == current.value:
        work.confirm(system, name)
    elif not changed(value, held):
        return
    elif _unsaid(current) or (held is not None and held.number == current.number):
        work.agree(name, value, system)
        work.confirm(system, name)
    else:
        _decide(work, rule, system, value)


def _decide(work: _Work, rule: ContractField, system: str, value: Canonical) -> None:
    """Both sides changed since the base."""
    name, current = rule.name, work.agreed[rule.name]
    held = work.held(system, name)
    base = held.value if held else None
    survivorship = rule.survivorship
    if survivorship is None or survivorship.kind is SurvivorshipKind.MANUAL:
        if work.entity.ended is not None:
            return  # nobody rules about a record that was deleted: whatever takes it away tells of the value
        work.parked.add(f"{system}.{name}")
        work.conflicts.append(
            Conflict(name, "manual", current.system, current.value, system, value, base, decided=False)
        )
        return
    text = f"prefer:{survivorship.prefer}"
    if system == survivorship.prefer:
        work.conflicts.append(
            Conflict(name, text, system, value, current.system, current.value, base, decided=True)
        )
        work.agree(name, value, system)
        work.confirm(system, name)
        return
    work.conflicts.append(
        Conflict(name, text, current.system, current.value, system, value, base, decided=True)
    )
    work.rule_out(system, name, value)


def _image(work: _Work, system: str) -> Image:
    return work.entity.images[system]


def accepted(
    entity: Entity, target: str, fields: Mapping[str, Canonical], numbers: Mapping[str, int]
) -> Entity:
    """The target was confirmed to hold what a command wrote: its base moves there (I10).

    ``numbers`` names every field that the command settled; one without a value was created as null.
    """
    image = entity.images.get(target) or Image(fields={}, fresh=False)
    base = dict(image.base)
    for name, number in numbers.items():
        held = base.get(name)
        if held is None or held.number <= number:
            base[name] = Base(fields.get(name), number)
    return entity.with_image(target, image.with_base(base))


def answered_by_read(entity: Entity, target: str, fields: Mapping[str, Canonical]) -> frozenset[str]:
    """Which fields of an uncertain command a fresh image shows with exactly the value that was sent."""
    image = entity.images.get(target)
    if image is None or not image.fresh or not image.exists:
        return frozenset()
    return frozenset(name for name, value in fields.items() if image.fields.get(name) == value)


def maybe_ours(entity: Entity, target: str, fields: Mapping[str, Canonical]) -> Entity:
    """A command's effect will never be known: if its values turn up at the target, no user wrote them."""
    image = entity.images[target]
    base = dict(image.base)
    for name, value in fields.items():
        held = base.get(name)
        if held is None:
            base[name] = Base(value, 0, (value,))
        else:
            base[name] = held._replace(ruled=(*held.ruled, value))
    return entity.with_image(target, image.with_base(base))
