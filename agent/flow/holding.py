"""Holding: a person stops all writes to a system, or to all of them, and lets them go on.

A hold is a row; the very next delivery step sees it. Commands that the target was given already finish,
nothing is taken or sent again, and everything else goes on: what is planned meanwhile stands ready.
"""

from __future__ import annotations

from agent.config.problems import nearest
from agent.core.delivery import DeliveryKind
from agent.core.guard import EVERYTHING, covered, scope
from agent.errors import InputError
from agent.flow import guarding
from agent.flow.acted import Acted, note
from agent.flow.desk import Desk
from agent.store import holds, outbox

UNSAID = "no reason given"


def hold(desk: Desk, named: str, reason: str) -> Acted:
    """Send nothing more to the named system, or to any (``*``)."""
    if "@" in named:
        raise InputError(
            f"'{named}' is a scope: only systems are held by hand",
            remedy=f"isthmus flow hold {named.partition('@')[2].partition(':')[0]}",
        )
    _known(desk, named)
    acted = _hold(desk, named, reason)
    note(desk, f"flow hold {named}", acted, reason)
    return acted


def _hold(desk: Desk, named: str, reason: str) -> Acted:
    words = "all systems" if named == EVERYTHING else named
    if not holds.hold(desk.tx, named, reason or UNSAID):
        found = holds.standing(desk.tx, named)
        return Acted(True, f"{words}: held already, by {found.actor}: {found.why}" if found else words)
    waiting, gone = 0, 0
    for system in sorted(systems(desk) if named == EVERYTHING else {named}):
        ready, flying = outbox.standing_at(desk.tx, system)
        waiting, gone = waiting + ready, gone + flying
    text = f"{words}: nothing more is sent from now on; {waiting} commands wait"
    if gone:
        text += f"; {gone} were given away before and finish there"
    return Acted(True, text)


def release(desk: Desk, named: str, reason: str) -> Acted:
    """Let the named system go on, or all (``*``), or agree to a mass change (``customer@erp``)."""
    if "@" in named:
        acted = _approve(desk, named, reason)
    else:
        _known(desk, named)
        acted = _release_all(desk, reason) if named == EVERYTHING else _release(desk, named, reason)
    note(desk, f"flow release {named}", acted, reason)
    return acted


def _release_all(desk: Desk, reason: str) -> Acted:
    found = [held for held in holds.all_(desk.tx) if "@" not in held.scope]
    for held in found:
        holds.release(desk.tx, held.scope, reason or UNSAID)
    desk.effects.deliver |= systems(desk)
    names = ", ".join("all systems" if held.scope == EVERYTHING else held.scope for held in found)
    text = f"released: {names}" if found else "no system was held"
    still = [held.scope for held in holds.all_(desk.tx)]
    return Acted(True, f"{text}; these still wait for an approval: {', '.join(still)}" if still else text)


def _release(desk: Desk, system: str, reason: str) -> Acted:
    """One system. Where all are held, the others stay so, each by a hold of its own."""
    released = holds.release(desk.tx, system, reason or UNSAID)
    whole = holds.standing(desk.tx, EVERYTHING)
    others = sorted(systems(desk) - {system})
    if whole is not None:
        holds.release(desk.tx, EVERYTHING, f"{system} was released: {reason or UNSAID}")
        for other in others:
            holds.keep(desk.tx, other, whole)
    if not released and whole is None:
        return Acted(True, f"{system} was not held")
    desk.effects.deliver.add(system)
    ready, _ = outbox.standing_at(desk.tx, system)
    text = f"{system} goes on; {ready} commands stand ready"
    return Acted(True, f"{text}; still held: {', '.join(others)}" if whole is not None and others else text)


def _approve(desk: Desk, named: str, reason: str) -> Acted:
    if not reason:
        raise InputError("an approval needs a reason", remedy="say why with --reason; it is kept")
    _check(desk, named)
    found = [scope(held.scope) for held in holds.all_(desk.tx) if covered(named, held.scope)]
    if not found:
        return Acted(True, f"{named} was not held")
    going = {of.name: guarding.release(desk, of, reason) for of in found}
    text = ", ".join(f"{count} commands of {name}" for name, count in going.items())
    return Acted(True, f"approved: {text}; the rest of this change too, until it is over")


def systems(desk: Desk) -> set[str]:
    """Systems that an entity is stored in."""
    return {name for rules in desk.book.entities.values() for name in rules.systems}


def _known(desk: Desk, system: str) -> None:
    known = systems(desk)
    if system == EVERYTHING or system in known or holds.standing(desk.tx, system) is not None:
        return
    near = nearest(system, known)
    raise InputError(
        f"there is no system '{system}'" + (f"; did you mean '{near}'?" if near else ""),
        remedy=f"say one of: {', '.join(sorted(known))}",
    )


def _check(desk: Desk, named: str) -> None:
    held = [hold.scope for hold in holds.all_(desk.tx) if "@" in hold.scope]
    places = {f"{t}@{s}" for t, rules in desk.book.entities.items() for s in rules.systems}
    known = {*places, *held, *(f"{place}:{kind}" for place in places for kind in DeliveryKind)}
    if named not in known and not any(covered(named, name) for name in held):
        near = nearest(named, held or known)
        raise InputError(
            f"there is no scope '{named}'" + (f"; did you mean '{near}'?" if near else ""),
            remedy=f"these are held: {', '.join(held)}" if held else "nothing is held for an approval",
        )
