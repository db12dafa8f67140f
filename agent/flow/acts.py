"""What people do about exceptions, conflicts and holds: one transaction each, with actor and reason."""

from __future__ import annotations

from dataclasses import replace

from agent.core.entity import OPEN, CommandState, Stale
from agent.core.fate import Fate
from agent.errors import InputError
from agent.flow import holding, planning, resolution, ruling, withholding
from agent.flow.acted import Acted, note
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.flow.ruling import Keep, Ruled, Shown
from agent.store import conflicts, entities, exceptions, outbox
from agent.store.conflicts import Recorded
from agent.store.exceptions import Kind, Standing

#: Why some kinds are never tried again by the agent, and what helps instead.
INSTEAD: dict[Kind, str] = {
    Kind.PENDING: "the target holds this message and may still post it: have the same message processed again"
    " there; a new one could post twice",
    Kind.UNCERTAIN: "it is not known whether the target applied it: look there, then say so: isthmus"
    " exceptions resolve NUMBER --fate applied|not-applied --reason TEXT",
    Kind.OVERDUE: "an answer is still due: ask at the target what became of it, then say so: isthmus"
    " exceptions resolve NUMBER --fate applied|not-applied --reason TEXT",
    Kind.CONFLICT: "two systems disagree, and nothing can be sent before somebody says which value holds",
    Kind.IMMUTABLE: "a delivered document is never rewritten: reverse it at its system and post it anew",
    Kind.DELETED: "the record is gone at a system: restore it there, or rule what follows: isthmus exceptions"
    " resolve NUMBER --fate delete|recreate|leave --reason TEXT",
    Kind.DEPENDANT: "records that were not deleted refer to it: delete those too, or change their reference",
    Kind.ORPHAN: "a record that it refers to was deleted: restore that one, or let it refer to another",
    Kind.MERGED: "one system merged two records that another still has: merge them there, then close this",
    Kind.UNDECODABLE: "it cannot be understood whoever asks: correct it at its system and have it sent again;"
    " then close this",
    Kind.UNKEYED: "the target created the record: find its key there; creating it again would make two",
    Kind.DUPLICATE: "the target holds one record for two entities: merge them there, then close this",
    Kind.MASS_CHANGE: "a person has to agree first: isthmus flow list shows what is held, flow release lets"
    " it go; what is put right at its source is withdrawn by itself",
    Kind.GAP: "have the system send its records again; this cannot be asked for from here",
    Kind.FENCED: "another agent goes on with a copy of this store: stop one of them; isthmus run --take-over"
    " decides for this one",
    Kind.RESTORED: "nothing is to be sent again: everything was read anew; close this when you know why the"
    " store was older",
    Kind.UNBOUND: "no entity is bound to this record: give it the canonical id at its system, or allow births"
    " there; then close this",
}
#: Why a withheld field cannot be tried, or its exception closed, by a word.
WITHHELD = (
    "the field is looked for again by itself, now and then: this closes once it is there, or is taken out of"
    " the map"
)


class ExceptionActs:
    """Acts on exceptions, on the conflicts behind some of them, and on the flow, through the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def retry(self, exception: int, actor: str, reason: str) -> Acted:
        """Try again what an exception stands for. Raises InputError when there is no such exception."""
        return await self._engine.work("act.retry", lambda desk: _retry(desk, exception, reason), actor)

    async def close(self, exception: int, actor: str, reason: str) -> Acted:
        """Close an exception without sending. Raises InputError when there is no such exception."""
        return await self._engine.work("act.close", lambda desk: _close(desk, exception, reason), actor)

    async def resolve(self, exception: int, fate: Fate, key: str | None, actor: str, reason: str) -> Acted:
        """Rule about a deletion or a lost answer; ``key``: the target's, of what was created there.

        Raises InputError when there is no such exception.
        """
        return await self._engine.work(
            "act.resolve", lambda desk: _resolve(desk, exception, fate, key, reason), actor
        )

    async def rule(self, conflict: int, keep: Keep, shown: Shown, actor: str, reason: str) -> Acted:
        """Settle an open conflict as it was shown. Raises InputError when there is no such conflict."""
        return await self._engine.work(
            "ruling", lambda desk: _rule(desk, conflict, keep, shown, reason), actor
        )

    async def hold(self, scope: str, actor: str, reason: str) -> Acted:
        """Send nothing more to a system, or to all. Raises InputError for one that does not exist."""
        return await self._engine.work("act.hold", lambda desk: holding.hold(desk, scope, reason), actor)

    async def release(self, scope: str, actor: str, reason: str) -> Acted:
        """Let a system or a held scope go on. Raises InputError for one that does not exist."""
        return await self._engine.work(
            "act.release", lambda desk: holding.release(desk, scope, reason), actor
        )

    async def deny(self, verb: str, subject: str, actor: str, why: str) -> None:
        """Write down that somebody was not allowed to."""

        def denied(desk: Desk) -> None:
            desk.tx.journal("verb", f"{verb} {subject}", "asked", "denied", why)

        await self._engine.work("act.deny", denied, actor)


def _retry(desk: Desk, number: int, reason: str) -> Acted:
    found = _standing(desk, number)
    if found.state != "open":
        acted = Acted(False, f"exception {number} is closed already")
    elif found.kind in (Kind.REJECTED, Kind.LOOP) or _never_created(desk, found):
        acted = _send_again(desk, found, reason)
    elif found.kind is Kind.FIELD:
        done = withholding.retry(desk, found.system, found.subject, f"retried: {reason}")
        text = f"{found.subject} is tried at {found.system} now; this closes once it is there"
        acted = Acted(done, text if done else WITHHELD)
    elif found.kind is Kind.UNMAPPED:
        acted = _read_again(desk, found)
    elif found.kind is Kind.CONFLICT:
        acted = Acted(False, _which_ruling(desk, found))
    else:
        acted = Acted(False, INSTEAD[found.kind], found.command)
    note(desk, f"exceptions retry {number}", acted, reason)
    return acted


def _never_created(desk: Desk, found: Standing) -> bool:
    """A duplicate that was met before anything was sent may be tried again; one made by a create never."""
    command = outbox.get(desk.tx, found.command) if found.command is not None else None
    return found.kind is Kind.DUPLICATE and command is not None and command.state is CommandState.SUPERSEDED


def _send_again(desk: Desk, found: Standing, reason: str) -> Acted:
    """Lift the mark and plan again: what is sent is what the record needs now, not what was refused."""
    entity = entities.get(desk.tx, found.entity)
    planning.unpark(desk, entity, found.mark or found.system, f"retried: {reason}")
    planning.reconsider(desk, found.entity)
    command = outbox.standing(desk.tx, found.entity).get(found.system)
    if command is not None and command.state in OPEN:
        return Acted(True, f"command {command.number} will be sent to {found.system}", command.number)
    return Acted(True, f"planned again; nothing is to be sent to {found.system} now")


def _read_again(desk: Desk, found: Standing) -> Acted:
    """The value may have been corrected, or the value map: only what the record holds now can tell."""
    before = entities.get(desk.tx, found.entity)
    image = before.images.get(found.system)
    if image is None or desk.book.of(before.type).at(found.system).blind:
        return Acted(False, f"{found.system} cannot be read: have the record sent again from there")
    after = before.with_image(found.system, image.marked(Stale.CHANGED, desk.tx.token))
    planning.settle(desk, before, after)
    return Acted(
        True, f"the record is read again at {found.system}; this closes once the value can be mapped"
    )


def _resolve(desk: Desk, number: int, fate: Fate, key: str | None, reason: str) -> Acted:
    found = _standing(desk, number)
    if found.state != "open":
        acted = Acted(False, f"exception {number} is closed already")
    elif found.kind is Kind.DELETED or found.kind in resolution.OF_COMMANDS:
        done, text = resolution.resolve(desk, found, fate, key, reason)
        acted = Acted(done, text, found.command)
    else:
        acted = Acted(
            False, f"this is not resolved by a word: {INSTEAD.get(found.kind, 'retry or close it')}"
        )
    note(desk, f"exceptions resolve {number} {fate}", acted, reason)
    return acted


def _close(desk: Desk, number: int, reason: str) -> Acted:
    found = _standing(desk, number)
    command = outbox.get(desk.tx, found.command) if found.command is not None else None
    if found.state != "open":
        acted = Acted(False, f"exception {number} is closed already")
    elif found.kind is Kind.UNCERTAIN and command is not None and command.state in OPEN:
        # Closing it would hide a command of which nobody knows whether it had an effect.
        acted = Acted(False, INSTEAD[Kind.UNCERTAIN], command.number)
    elif found.kind is Kind.DELETED:
        return _resolve(desk, number, Fate.LEAVE, None, reason)
    elif found.kind is Kind.MASS_CHANGE:
        # Closing it would hide that a scope is held.
        acted = Acted(False, INSTEAD[Kind.MASS_CHANGE])
    elif found.kind is Kind.FIELD and withholding.stands(desk, found):
        acted = Acted(False, WITHHELD)  # closing it would hide that a field is left out
    else:
        exceptions.close(desk.tx, number, reason)
        if found.kind is Kind.IMMUTABLE:
            conflicts.decide(desk.tx, int(found.subject), Keep.WINNER, reason)
        _give_up(desk, found)
        acted = Acted(True, "closed without sending; it counts as not delivered")
        if command is not None and command.state in OPEN:
            acted = Acted(True, f"closed; command {command.number} stays {command.state}", command.number)
    note(desk, f"exceptions close {number}", acted, reason)
    return acted


def _give_up(desk: Desk, found: Standing) -> None:
    """A refused document that a person closed will not be sent: its lane goes on without it."""
    if found.kind is not Kind.REJECTED:
        return
    before = entities.get(desk.tx, found.entity)
    after = replace(before, parked=before.parked | {f"{entities.PASSED}{found.system}"})
    entities.save(desk.tx, before, after)
    planning.let_pass(desk, found.entity, found.system)


def _standing(desk: Desk, number: int) -> Standing:
    found = exceptions.get(desk.tx, number)
    if found is None:
        raise InputError(
            f"there is no exception {number}", remedy="isthmus exceptions list shows those that are open"
        )
    return found


def _which_ruling(desk: Desk, found: Standing) -> str:
    """Why a conflict is not tried again, with the verb that settles it."""
    number = conflicts.waiting(desk.tx, found.entity, found.mark)
    verb = f"conflicts rule {number} --keep SYSTEM --reason TEXT" if number is not None else "conflicts list"
    return f"{INSTEAD[Kind.CONFLICT]}: isthmus {verb}"


def _rule(desk: Desk, number: int, keep: Keep, shown: Shown, reason: str) -> Acted:
    row = conflicts.get(desk.tx, number)
    if row is None:
        raise InputError(
            f"there is no conflict {number}", remedy="isthmus conflicts list shows those that are open"
        )
    match ruling.rule(desk, number, keep, shown, reason):
        case Ruled.DONE:
            acted = _ruled(desk, row, keep)
        case Ruled.CHANGED:
            look = f"isthmus conflicts show {number}"
            acted = Acted(False, f"conflict {number} has changed since it was shown: look again: {look}")
        case Ruled.IMMUTABLE:
            acted = Acted(False, INSTEAD[Kind.IMMUTABLE])
        case Ruled.NOT_OPEN:
            acted = Acted(False, f"conflict {number} is decided already")
    note(desk, f"conflicts rule {number}", acted, reason)
    return acted


def _ruled(desk: Desk, row: Recorded, keep: Keep) -> Acted:
    """What holds now, and who is told of it."""
    kept = row.winner_system if keep is Keep.WINNER else row.loser_system
    commands = outbox.standing(desk.tx, row.entity)
    told = {system: command.number for system, command in commands.items() if row.field in command.numbers}
    text = f"'{row.field}' is what {kept} holds; " + (
        f"told to {', '.join(sorted(told))}" if told else "nothing is to be sent now"
    )
    return Acted(True, text, told[min(told)] if len(told) == 1 else None)
