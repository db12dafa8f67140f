"""Guarding: every command is written here, so that none passes by the question whether it is one too many."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation

from agent.core.delivery import DeliveryKind
from agent.core.guard import Judgement, Scope, judge, scope
from agent.flow.desk import Desk
from agent.store import exceptions, holds, outbox, planned
from agent.store.exceptions import Kind, Raised

#: Records whose money is added up at most; beyond that the sum is said to be a part.
SUMMED = 5_000
#: Stands for the currency of money that names none.
UNNAMED = "?"
WORDS = {DeliveryKind.CREATE: "created", DeliveryKind.UPDATE: "changed", DeliveryKind.DELETE: "deleted"}


def add(desk: Desk, new: outbox.New) -> int:
    """Write a ready command, held back where its scope is. Returns its number."""
    of = new.scope
    held = holds.standing(desk.tx, of.name) is not None
    number = outbox.add(desk.tx, replace(new, held=True) if held else new)
    if not held:
        _watch(desk, of)
    return number


def _watch(desk: Desk, of: Scope) -> None:
    """Hold the scope when this was one record too many. Up to the floor this reads a few counters."""
    limits = desk.book.of(of.type).mass
    count = planned.within(desk.tx, of, desk.terms.mass_window_ms)
    if count <= limits.floor(of.kind):
        return
    live = holds.live(desk.tx, of, desk.tx.now - planned.MINUTE_MS)
    judged = judge(of, limits, count, live, holds.approved(desk.tx, of))
    if judged.hold:
        _hold(desk, of, count, live, judged)


def _hold(desk: Desk, of: Scope, count: int, live: int, judged: Judgement) -> None:
    window = desk.terms.mass_window_ms // 60_000
    why = (
        f"{count} records of {of.type} to be {WORDS[of.kind]} at {of.target} within {window} min;"
        f" up to {judged.allowed} go unasked where it holds {live}"
    )
    holds.hold(desk.tx, of.name, why)
    holds.mark(desk.tx, of)
    _tell(desk, of, why)


def _tell(desk: Desk, of: Scope, why: str) -> None:
    """One exception stands for all that is held of a scope; told again, it says how much that is now."""
    standing = holds.count(desk.tx, of)
    money = _at_risk(desk, of)
    text = f"{why}; commands held: {standing}"
    if len(money) > 1:
        text += ", of " + ", ".join(f"{currency} {amount}" for currency, amount in sorted(money.items()))
    if standing > SUMMED and money:
        text += f"; the money is that of the first {SUMMED}"
    single = next(iter(money.items())) if len(money) == 1 else (None, None)
    exceptions.open_(
        desk.tx,
        Raised(
            kind=Kind.MASS_CHANGE,
            system=of.target,
            cause=text,
            subject=of.name,
            remedy=f"if it is meant: isthmus flow release {of.name} --reason TEXT; if not, put it right where"
            " it was written: what differs no more is withdrawn by itself",
            amount=single[1],
            currency=None if single[0] == UNNAMED else single[0],
            owner=desk.terms.exception_owner,
            due_ms=int(desk.terms.exception_due_h * 3_600_000),
        ),
    )


def _at_risk(desk: Desk, of: Scope) -> dict[str, str]:
    """Currency → money of the records behind the held commands, exactly, currencies apart."""
    rules = desk.book.of(of.type)
    if rules.amount is None:
        return {}
    sums: dict[str, Decimal] = {}
    for agreed in holds.agreed(desk.tx, of, SUMMED):
        try:
            amount = Decimal(str(agreed.get(rules.amount)))
        except InvalidOperation:
            continue
        currency = str(agreed.get(rules.currency or "") or UNNAMED)
        if amount.is_finite():
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    return {currency: f"{amount:f}" for currency, amount in sums.items()}


def release(desk: Desk, of: Scope, reason: str) -> int:
    """A person agrees to what is held of a scope and to the rest of that change. Returns how many go."""
    holds.release(desk.tx, of.name, f"approved: {reason}")
    holds.approve(desk.tx, of, approved=True)
    going = holds.unmark(desk.tx, of)
    resolution = f"approved by {desk.tx.actor}: {reason}"
    exceptions.close_subject(desk.tx, Kind.MASS_CHANGE, of.target, of.name, resolution)
    desk.effects.deliver.add(of.target)
    return going


def review(desk: Desk) -> int:
    """End the agreements whose change is over and the holds of which nothing is left; tell the rest anew.

    Returns how many scopes stay held. Done at the start and by every sweep.
    """
    planned.forget(desk.tx, desk.terms.mass_window_ms)
    for name in holds.agreed_to(desk.tx):
        _end_agreement(desk, scope(name))
    standing = 0
    for held in holds.all_(desk.tx):
        if "@" not in held.scope:
            continue
        of = scope(held.scope)
        if holds.count(desk.tx, of):
            standing += 1
            if of.type in desk.book.entities:
                _tell(desk, of, held.why)
            continue
        why = "nothing of it is left: what differed was put right"
        holds.release(desk.tx, held.scope, why)
        holds.unmark(desk.tx, of)
        exceptions.close_subject(desk.tx, Kind.MASS_CHANGE, of.target, of.name, why)
    return standing


def _end_agreement(desk: Desk, of: Scope) -> None:
    """An agreement ends as soon as no more is planned within a window than may go unasked."""
    if of.type in desk.book.entities:
        count = planned.within(desk.tx, of, desk.terms.mass_window_ms)
        live = holds.live(desk.tx, of, desk.tx.now - planned.MINUTE_MS)
        if judge(of, desk.book.of(of.type).mass, count, live, approved=True).mass:
            return
    holds.approve(desk.tx, of, approved=False)
    desk.tx.journal("flow", of.name, "approved", "open", "the mass change is over")
