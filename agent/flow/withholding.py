"""Withholding: a field that a target does not take is left out of everything, until it takes it again (I12).

The first refusal tells which field it is about. One exception stands for it, whatever the number of records;
one record at a time tries it again, and the first that is taken lets all the others go on. A record that is
refused for it once more after another's was taken is no matter of the field: a person looks at that record.
"""

from __future__ import annotations

from agent.core.contract import EntityRules
from agent.core.delivery import Outcome
from agent.core.entity import Entity, Stale
from agent.flow import planning
from agent.flow.desk import Desk
from agent.store import answered, bindings, entities, exceptions, waiting, withheld
from agent.store.exceptions import Kind, Raised, Standing
from agent.store.outbox import Command
from agent.store.withheld import Withheld

#: How long after a refusal the first record tries again, and the longest such rest, in milliseconds.
FIRST_MS = 60_000
LONGEST_MS = 3_600_000
#: Records that go on at once when a field is taken again; the sweep takes up the others.
AT_ONCE = 200
#: Records looked at for one that can try a field.
LOOKED_AT = 50
#: Why a field is sent again that another record has tried.
TAKEN = "the target took it again"


def note(desk: Desk, command: Command, outcome: Outcome) -> bool:
    """Withhold the fields that a target refused for every record.

    False where it named none of these, or takes them from other records.
    """
    place = desk.book.of(command.type).at(command.target)
    named = [name for name in command.fields if place.fields[name].source in outcome.fields]
    if any(_of_the_record(desk, command, name) for name in named):
        return False
    for name in named:
        _withhold(desk, command, name, outcome)
    return bool(named)


def _of_the_record(desk: Desk, command: Command, name: str) -> bool:
    """Whether the target refused a field from this record before, and took it from another since."""
    since = answered.refused_last(desk.tx, command, name)
    if since is None:
        return False
    return withheld.lifted_since(desk.tx, command.target, command.type, name, TAKEN, since)


def _withhold(desk: Desk, command: Command, name: str, outcome: Outcome) -> None:
    withheld.refuse(desk.tx, command.target, command.type, name, desk.tx.now + FIRST_MS)
    desk.look_again()
    source = desk.book.of(command.type).at(command.target).fields[name].source
    text = outcome.text or outcome.code
    _tell(desk, command.target, command.type, name, f"does not take {source}: {text}", outcome.code)


def _tell(desk: Desk, system: str, type_: str, name: str, what: str, code: str = "") -> None:
    """One exception for a field, whatever the number of records."""
    object_ = desk.book.of(type_).at(system).object.name
    desk.raise_(
        Raised(
            kind=Kind.FIELD,
            system=system,
            cause=f"{object_} at {system} {what}",
            subject=f"{type_}.{name}",
            code=code,
            remedy=f"bring the field back at {system} and let the agent's user read and write it, or take it"
            " out of the map; all else goes on meanwhile, and this by itself then",
        )
    )


def accepted(desk: Desk, command: Command) -> None:
    """The target took a command: what it held of withheld fields is taken again."""
    for name, one in desk.withheld(command.target, command.type).items():
        if one.refused and name in command.fields:
            _lift(desk, one, TAKEN)


def _lift(desk: Desk, one: Withheld, why: str, *, unseen: bool = False) -> None:
    """Send a field again; whoever waits for that is planned, the sweep takes up those behind ``AT_ONCE``."""
    _let_go(desk, one, why, refused=True, unseen=unseen)
    known = one.type in desk.book.entities
    for entity in waiting.withheld(desk.tx, one.target, one.type, limit=AT_ONCE) if known else ():
        planning.reconsider(desk, entity)


def seen(desk: Desk, rules: EntityRules, system: str, lacking: frozenset[str]) -> list[str]:
    """Take from a read which mapped fields it could not see. Returns those that are seen again now.

    Of these nobody knows what became of them meanwhile.
    """
    missing = {name for name, mapped in rules.at(system).fields.items() if mapped.source in lacking}
    known = desk.withheld(system, rules.type)
    for name in sorted(missing):
        if name not in known or not known[name].unseen:
            withheld.hide(desk.tx, system, rules.type, name)
            desk.look_again()
            source = rules.at(system).fields[name].source
            _tell(desk, system, rules.type, name, f"does not show {source}: what was seen last stands")
    back = [name for name, one in known.items() if one.unseen and name not in missing]
    for name in back:
        _let_go(desk, known[name], "the field is there again", refused=False, unseen=True)
    return back


def _let_go(desk: Desk, one: Withheld, why: str, *, refused: bool, unseen: bool) -> None:
    """What stood in a field's way is gone; with the last of it goes the exception."""
    if withheld.lift(desk.tx, one, why, refused=refused, unseen=unseen):
        exceptions.close_subject(desk.tx, Kind.FIELD, one.target, f"{one.type}.{one.field}", why)
    desk.look_again()


def unseen(desk: Desk, system: str, type_: str, field: str) -> bool:
    """Whether reads say nothing of a field now."""
    one = desk.withheld(system, type_).get(field)
    return one is not None and one.unseen


def retry(desk: Desk, system: str, subject: str, why: str) -> bool:
    """A person says that a field is there now: it is sent, a record is read. False where none is withheld."""
    type_, _, name = subject.partition(".")
    one = desk.withheld(system, type_).get(name)
    if one is None:
        return False
    if one.unseen:
        _read_one(desk, one)
    if one.refused:
        _lift(desk, one, why)
    return True


def stands(desk: Desk, found: Standing) -> bool:
    """Whether the field that an exception stands for is withheld."""
    type_, _, name = found.subject.partition(".")
    return name in desk.withheld(found.system, type_)


def review(desk: Desk) -> int:
    """Let one record try each field whose time has come: by a write, by a read. Returns how many tried."""
    tried = 0
    for one in withheld.all_(desk.tx):
        if not _mapped(desk, one):
            _lift(desk, one, "it is not mapped any more", unseen=True)
        elif one.due <= desk.tx.now:
            rest = min(FIRST_MS * 2 ** min(one.tries + 1, 10), LONGEST_MS)
            entity = _tries(desk, one)
            withheld.probe(desk.tx, one, entity, desk.tx.now + rest)
            desk.look_again()
            if entity:
                planning.reconsider(desk, entity)
            tried += 1
    return tried


def _mapped(desk: Desk, one: Withheld) -> bool:
    """Whether the configuration still has the field there."""
    rules = desk.book.entities.get(one.type)
    place = rules.systems.get(one.target) if rules is not None else None
    return place is not None and one.field in place.fields


def _tries(desk: Desk, one: Withheld) -> str:
    """The record that is to write a refused field, "" where none waits; for an unseen field one is read."""
    if one.unseen:
        _read_one(desk, one)
    if not one.refused:
        return ""
    waits = waiting.withheld(desk.tx, one.target, one.type, one.tries, LOOKED_AT)
    return next((id_ for id_ in waits if _differs(entities.get(desk.tx, id_), one)), "")


def _read_one(desk: Desk, one: Withheld) -> None:
    """Have some record read: it tells whether the field is shown."""
    seen_at = bindings.any_at(desk.tx, one.type, one.target)
    if seen_at is not None:
        entity = entities.get(desk.tx, seen_at)
        image = entity.images[one.target].marked(Stale.CHANGED, desk.tx.token)
        planning.settle(desk, entity, entity.with_image(one.target, image))


def _differs(entity: Entity, one: Withheld) -> bool:
    """Whether a record would write a field."""
    agreed, image = entity.agreed.get(one.field), entity.images.get(one.target)
    if agreed is None:
        return False
    return agreed.value != (image.fields.get(one.field) if image is not None else None)
