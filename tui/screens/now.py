"""Now: is anything wrong, and what is at stake? Answered without pressing a key."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from agent.operations import wire
from agent.operations.wire import Event, Overview, Reading, Status, SystemStatus, Withheld
from tui.look import Look, age, clock, money
from tui.screens.listed import line
from tui.screens.watched import LEFT, WIDE, Watched, bound
from tui.widgets.page import Row, beside

#: Cells of a bar.
BAR = 10
BAD = ("down", "degraded", "unknown")


class NowScreen(Watched):
    """The first screen."""

    PLACE: ClassVar[str] = "now"
    BINDINGS: ClassVar[list[BindingType]] = bound("now")

    def content(self, width: int, height: int) -> list[Row]:
        """Money, systems, the account; what happened last below, or beside it."""
        overview = self.overview
        if overview is None:
            return []
        if width < WIDE:
            left = [*_stakes(overview, width, self.look), *_figures(overview.status, width, self.look)]
            return [*left, *_events(overview.recent, width, max(height - len(left), 0), self.look)]
        left = [*_stakes(overview, LEFT, self.look), *_figures(overview.status, LEFT, self.look)]
        left += _account(overview.status, LEFT, self.look)
        right = _events(overview.recent, width - LEFT - 1, height, self.look)
        return beside(left, right, LEFT, self.look)


def _stakes(overview: Overview, width: int, look: Look) -> list[Row]:
    counts, at = overview.status.exceptions, overview.status.at
    sums = "   ".join(f"{currency} {money(amount)}" for currency, amount in counts.money.items())
    text = f" AT RISK   {sums or 'no money'}   in {counts.open} exceptions"
    if counts.open:
        text += f"   oldest {age(counts.oldest, at)}   {counts.late} LATE"
    rows = [Row.of(look.fit(text, width), "head")]
    rows += [Row(((look.fit(f"  {reason}", width), "warn"),)) for reason in overview.reasons[:3]]
    if len(overview.reasons) > 3:
        rows.append(Row.of(look.fit(f"  and {len(overview.reasons) - 3} reasons more", width), "warn"))
    rows += [Row.of(look.fit(f" {line(item, at)}", width)) for item in overview.worst[:3]]
    return rows


def _figures(status: Status, width: int, look: Look) -> list[Row]:
    head = f"    {'SYSTEM':<14} {'state':<9} {'for':>6} {'lag':>6} {'queue':>6} {'heard':>6}  note"
    rows = [Row.of(look.fit(head, width), "dim")]
    rows += [_system(system, status, width, look) for system in status.systems]
    account = status.conservation
    word = "BALANCED" if account.balanced else "NOT BALANCED"
    states = ", ".join(f"{count} {state}" for state, count in account.states.items() if count)
    text = f" ACCOUNT   {word}  {account.recorded} obligations: {states or 'none yet'}"
    rows.append(Row.of(look.fit(text, width), "" if account.balanced else "bad"))
    if not account.balanced:
        parts = (f"{n} {getattr(account, n)}" for n in ("mismatched", "orphans", "unexplained", "unproven"))
        text = f"  announced {account.observed}, recorded {account.recorded}, {', '.join(parts)}"
        rows.append(Row.of(look.fit(text, width), "bad"))
    text = f" IN FLIGHT {account.open_commands} commands, {status.uncertain} UNCERTAIN"
    text += f"   CONFLICTS {status.conflicts.open} open, {status.conflicts.decided} decided"
    rows.append(Row.of(look.fit(text, width)))
    rows += [
        Row.of(look.fit(f" READING   {_reading(reading, system.name)}", width), "warn")
        for system in status.systems
        for reading in system.readings
    ]
    rows += [
        Row.of(look.fit(f" FIELD     {system.name} {_withheld(one)}", width), "warn")
        for system in status.systems
        for one in system.withheld
    ]
    left = status.replay_headroom_s
    stock = [] if left is None else [f"REPLAY    {wire.age(left)} of 72h left"]
    stock += [text for system in status.systems for text in _calls(system)]
    if stock:
        rows.append(Row.of(look.fit(f" {'   '.join(stock)}", width)))
    return rows


def _reading(reading: Reading, system: str) -> str:
    """A gap that is being closed: how far, how fast, how long still."""
    text = f"{reading.type} at {system} "
    share = reading.share
    if share is not None:
        done = int(share * BAR)
        text += f"[{'#' * done}{'.' * (BAR - done)}] {share:.0%}"
    else:
        text += f"{reading.taken:,} rows"
    text += f"  {reading.rate:,.0f}/s" if reading.rate else ""
    return text + (f"  {wire.age(reading.left_s)} left" if reading.left_s is not None else "")


def _withheld(one: Withheld) -> str:
    """A field that is not sent or not seen, and how many records wait for it."""
    what = " and ".join(
        word for word, holds in (("NOT SENT", one.refused), ("NOT READ", one.unseen)) if holds
    )
    return f"{one.type}.{one.field} {what}, {one.waiting:,} wait (exception {one.exception})"


def _calls(system: SystemStatus) -> list[str]:
    if system.calls is None:
        return []
    used, limit = system.calls
    return [f"CALLS {system.name} {used:,.0f} of {limit:,.0f}"]


def _system(system: SystemStatus, status: Status, width: int, look: Look) -> Row:
    bad = system.state in BAD
    state = system.state.upper() if bad else system.state
    heard = max((at for at in (system.contact, system.event) if at is not None), default=None)
    text = (
        f" {'!!' if bad else '  '} {look.fit(system.name, 14)} {state:<9} {age(system.since, status.at):>6}"
    )
    text += f" {wire.age(system.lag_s):>6} {system.queue.total:>6} {_coarse(age(heard, status.at)):>6}"
    held = f"HELD by {system.held.actor}: {system.held.reason} " if system.held is not None else ""
    uncertain = f"{system.queue.uncertain} UNCERTAIN " if system.queue.uncertain else ""
    return Row.of(look.fit(f"{text}  {held}{uncertain}{system.reason}", width), "bad" if bad else "")


def _coarse(text: str) -> str:
    """A sign of life changes every second; what is painted changes every minute."""
    return "<1m" if text.endswith("s") else text


def _account(status: Status, width: int, look: Look) -> list[Row]:
    rows = [Row.of(""), Row.of(look.fit(" OBLIGATIONS  entity > target", width), "dim")]
    for entry in status.conservation.rows:
        states = ", ".join(f"{count} {state}" for state, count in entry.states.items())
        name = look.fit(f"{entry.type or 'no entity'} > {entry.target}", 30)
        rows.append(Row.of(look.fit(f"  {name} {states}", width)))
    return rows


def _events(events: tuple[Event, ...], width: int, height: int, look: Look) -> list[Row]:
    if height < 2:
        return []
    rows = [Row.of(look.fit(" LAST EVENTS", width), "dim")]
    for event in events[: height - 1]:
        change = f"{event.before} {look.arrow} {event.after}" if event.before else event.after
        who = f" by {event.actor}" if event.actor != "agent" else ""
        rows.append(Row.of(look.fit(f" {clock(event.at)} {event.subject}: {change} {event.why}{who}", width)))
    return rows
