"""The status as text, for people and for monitoring: the verdict first, every state a word."""

from __future__ import annotations

from datetime import datetime

from agent.core.obligation import ObligationState
from agent.operations.verdict import Verdict
from agent.operations.wire import Conservation, Reading, Status, SystemStatus, Withheld, age

#: Cells of a bar.
BAR = 20


def status_text(status: Status, judged: Verdict) -> str:
    """Many lines: verdict with performance data (Nagios plug-in guidelines), reasons, systems, account."""
    lines = [f"ISTHMUS {judged.word} - {_summary(status, judged)} | {_performance(status)}"]
    lines += [f"  {reason}" for reason in judged.reasons[1:]]
    lines += ["", *_table(status)]
    account = status.conservation
    states = ", ".join(f"{count} {state}" for state, count in account.states.items() if count)
    word = "BALANCED" if account.balanced else "NOT BALANCED"
    lines += ["", f"Conservation  {word}: {account.recorded} obligations ({states or 'none'})"]
    lines += [f"  {line}" for line in _accounts(account)]
    counts = status.exceptions
    money = "".join(f", {currency} {amount}" for currency, amount in counts.money.items())
    lines.append(f"Exceptions    {counts.open} open, {counts.late} late{money}")
    lines.append(f"Conflicts     {status.conflicts.open} open, {status.conflicts.decided} decided by rules")
    for system in status.systems:
        lines += [f"Reading       {_reading(reading, system.name)}" for reading in system.readings]
        lines += [f"Field         {_withheld(one, system.name)}" for one in system.withheld]
        lines += [f"API calls     {text}" for text in _calls(system)]
    if status.replay_headroom_s is not None:
        lines.append(f"Replay        {age(status.replay_headroom_s)} of 72h left")
    life = f", life {status.life} on {status.host}" if status.life else ""
    lines.append(f"Service       {status.service}, version {status.version}, epoch {status.epoch}{life}")
    return "\n".join(lines)


def _summary(status: Status, judged: Verdict) -> str:
    return (
        judged.reasons[0] if judged.reasons else f"{len(status.systems)} systems up, nothing waits too long"
    )


def _performance(status: Status) -> str:
    figures = [f"'lag_{system.name}'={system.lag_s}s" for system in status.systems]
    figures += [f"'queue_{system.name}'={system.queue.total}" for system in status.systems]
    figures += [f"exceptions={status.exceptions.open}", f"uncertain={status.uncertain}"]
    if status.replay_headroom_s is not None:
        figures.append(f"replay_headroom={status.replay_headroom_s:.0f}s")
    return " ".join(figures)


def _table(status: Status) -> list[str]:
    rows = [("System", "kind", "state", "for", "lag", "queue", "note")]
    rows += [_row(system, status.at) for system in status.systems]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return [
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[6]]).rstrip() for row in rows
    ]


def _accounts(account: Conservation) -> list[str]:
    """What became of every observation, per entity and target: one column for each state that occurs."""
    states = [state for state in ObligationState if any(row.states.get(state) for row in account.rows)]
    if not states:
        return []
    rows = [("entity", "target", *states)]
    rows += [(row.type, row.target, *(str(row.states.get(s, 0)) for s in states)) for row in account.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_aligned(row, widths)) for row in rows]


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [
        cell.ljust(width) if place < 2 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(system: SystemStatus, now: datetime) -> tuple[str, str, str, str, str, str, str]:
    since = age((now - system.since).total_seconds()) if system.since else "-"
    state = system.state.upper() if system.state in ("down", "degraded", "unknown") else system.state
    queue = f"{system.queue.total}"
    if system.queue.uncertain:
        queue += f" ({system.queue.uncertain} uncertain)"
    notes = [system.reason] if system.reason else []
    if system.held is not None:
        for_ = age((now - system.held.since).total_seconds())
        notes.insert(0, f"HELD for {for_} by {system.held.actor}: {system.held.reason}")
    if system.retrying:
        notes.append(f"{system.retrying} tried again{_when(system.next_try, now)}")
    return system.name, system.kind, state, since, age(system.lag_s), queue, "; ".join(notes)


def _reading(reading: Reading, system: str) -> str:
    """A bar where the end is known, rows, rate and time left, and why it is read."""
    text = f"{reading.type} at {system}  "
    share = reading.share
    if share is not None:
        done = int(share * BAR)
        text += f"{'█' * done}{'░' * (BAR - done)} {share:.0%}  {reading.taken:,} of {reading.total:,} rows"
    else:
        text += f"{reading.taken:,} rows"
    if reading.rate:
        text += f", {reading.rate:,.0f}/s"
    if reading.left_s is not None:
        text += f", {age(reading.left_s)} left"
    return f"{text}: {reading.reason}"


def _withheld(one: Withheld, system: str) -> str:
    """A field that does not go there, or cannot be seen there, and how many records wait for it."""
    what = " and ".join(word for word, holds in (("sent", one.refused), ("read", one.unseen)) if holds)
    text = f"{one.type}.{one.field} is not {what} at {system}, {one.waiting:,} records wait for it"
    return f"{text}: exception {one.exception}" if one.exception else text


def _calls(system: SystemStatus) -> list[str]:
    """How many calls of the day are used, and how many the agent leaves to people."""
    if system.calls is None:
        return []
    used, limit = system.calls
    kept = system.gauges.get("api_calls_reserve", 0.0)
    return [f"{system.name}: {used:,.0f} of {limit:,.0f} used today, {kept:,.0f} are left to people"]


def _when(then: datetime | None, now: datetime) -> str:
    return "" if then is None or then <= now else f" in {age((then - now).total_seconds())}"
