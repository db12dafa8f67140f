"""The figures of the status, made of what one snapshot of the store says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from agent.clock import milliseconds, moment
from agent.core.guard import EVERYTHING
from agent.core.obligation import ObligationState
from agent.operations.wire import (
    ConflictCounts,
    Conservation,
    ConservationRow,
    ExceptionCounts,
    FlowPage,
    FlowSystem,
    Held,
    HeldScope,
    Queue,
    Reading,
    SystemStatus,
    Withheld,
    clean,
)
from agent.store import reads
from agent.store.reads import Snapshot

#: How long Salesforce keeps events (Pub/Sub API documentation, "Event Message Durability"), in seconds.
REPLAY_WINDOW_S = 72 * 3600.0


def _no_marks() -> Mapping[str, datetime]:
    return {}


def _no_ailments() -> Mapping[str, Sequence[str]]:
    return {}


def _no_gauges() -> Mapping[str, Mapping[str, float]]:
    return {}


@dataclass(frozen=True)
class Life:
    """What only the running process knows. ``progress``: loop → when it last got somewhere.

    kinds    every configured system → its kind
    gauges   system → figures of now that it tells itself
    ailments system → what does not work there while the rest does
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    started: datetime | None = None
    progress: Callable[[], Mapping[str, datetime]] = _no_marks
    gauges: Callable[[], Mapping[str, Mapping[str, float]]] = _no_gauges
    ailments: Callable[[], Mapping[str, Sequence[str]]] = _no_ailments
    service: Literal["up", "down"] = "up"
    note: str = ""


async def systems(snapshot: Snapshot, life: Life, now: datetime) -> tuple[SystemStatus, ...]:
    """Every system that is configured or was seen, with its queue and its lag."""
    known = {str(row["name"]): row for row in await snapshot.rows(reads.SYSTEMS)}
    oldest = {str(row["target"]): int(row["at"]) for row in await snapshot.rows(reads.OLDEST_OPEN)}
    queues: dict[str, dict[str, int]] = {}
    for row in await snapshot.rows(reads.QUEUES):
        queues.setdefault(str(row["target"]), {})[str(row["state"])] = int(row["count"])
    holds = await held(snapshot)
    retrying = {str(row["target"]): row for row in await snapshot.rows(reads.RETRYING)}
    reading, gauges = await readings(snapshot, now), life.gauges()
    withheld, ailments = await _withheld(snapshot), life.ailments()
    found = []
    for name in sorted({*life.kinds, *known, *queues, *oldest}):
        row = known.get(name, {})
        state = str(row.get("state", "unknown"))
        reason = clean(row.get("reason", "nothing was heard of it yet"))
        if life.service == "down":
            state, reason = "unknown", f"last known: {state}" + (f", {reason}" if reason else "")
        ill = "; ".join(clean(one) for one in ailments.get(name, ()))
        if ill and state == "up":
            state, reason = "degraded", ill
        lag = (milliseconds(now) - oldest[name]) / 1000 if name in oldest else 0.0
        found.append(
            SystemStatus.model_validate(
                {
                    "name": clean(name),
                    "kind": str(row.get("kind") or life.kinds.get(name, "")),
                    "state": state,
                    "since": _time(row.get("since")),
                    "reason": reason,
                    "lag_s": max(round(lag, 3), 0.0),
                    "queue": Queue(**queues.get(name, {})),
                    "contact": _time(row.get("contact")),
                    "event": _time(row.get("event")),
                    "held": holds.get(EVERYTHING) or holds.get(name),
                    "retrying": retrying[name]["count"] if name in retrying else 0,
                    "next_try": _time(retrying[name]["next"]) if name in retrying else None,
                    "readings": reading.get(name, ()),
                    "withheld": withheld.get(name, ()),
                    "gauges": dict(gauges.get(name, {})),
                }
            )
        )
    return tuple(found)


async def readings(snapshot: Snapshot, now: datetime) -> dict[str, list[Reading]]:
    """System → the gaps that are being closed there, each with its rate and the time that is left."""
    found: dict[str, list[Reading]] = {}
    for row in await snapshot.rows(reads.GAPS):
        taken, total, going = int(row["taken"]), row["total"], row["going"]
        seconds = (milliseconds(now) - int(going)) / 1000 if going is not None else 0.0
        rate = max(taken - int(row["paced"]), 0) / seconds if seconds > 0 else 0.0
        left = max(int(total) - taken, 0) / rate if total is not None and rate > 0 else None
        found.setdefault(str(row["system"]), []).append(
            Reading(
                type=clean(row["type"]),
                since=moment(row["since"]),
                reason=clean(row["why"]),
                taken=taken,
                total=total,
                rate=round(rate, 1),
                left_s=None if left is None else round(left, 1),
            )
        )
    return found


async def _withheld(snapshot: Snapshot) -> dict[str, list[Withheld]]:
    """System → the fields that it does not take or show."""
    found: dict[str, list[Withheld]] = {}
    for row in await snapshot.rows(reads.WITHHELD):
        found.setdefault(str(row["system"]), []).append(
            Withheld(
                type=clean(row["type"]),
                field=clean(row["field"]),
                since=moment(row["since"]),
                refused=bool(row["refused"]),
                unseen=bool(row["unseen"]),
                waiting=int(row["waiting"]),
                cause=clean(row["cause"]),
                remedy=clean(row["remedy"]),
                exception=int(row["exception"]),
            )
        )
    return found


async def held(snapshot: Snapshot) -> dict[str, Held]:
    """What is held: ``*``, a system, or the name of a scope → the hold."""
    return {
        str(row["scope"]): Held(
            scope=clean(row["scope"]),
            reason=clean(row["why"]),
            since=moment(row["since"]),
            actor=clean(row["actor"]),
        )
        for row in await snapshot.rows(reads.HOLDS)
    }


async def flow(snapshot: Snapshot, life: Life) -> FlowPage:
    """Every system with the hold on it, and every scope that waits for an approval."""
    holds = await held(snapshot)
    queues = await snapshot.rows(reads.QUEUES)
    ready = {str(row["target"]): int(row["count"]) for row in queues if row["state"] == "ready"}
    known = {str(row["name"]) for row in await snapshot.rows(reads.SYSTEMS)}
    names = {*life.kinds, *known, *ready, *(name for name in holds if "@" not in name)} - {EVERYTHING}
    waiting = {str(row["scope"]): int(row["count"]) for row in await snapshot.rows(reads.HELD)}
    return FlowPage(
        systems=tuple(
            FlowSystem(
                name=clean(name), held=holds.get(EVERYTHING) or holds.get(name), ready=ready.get(name, 0)
            )
            for name in sorted(names)
        ),
        scopes=tuple(
            HeldScope(scope=clean(name), held=hold, commands=waiting.get(name, 0))
            for name, hold in holds.items()
            if "@" in name
        ),
    )


async def headroom_s(snapshot: Snapshot, systems: tuple[SystemStatus, ...], now: datetime) -> float | None:
    """Seconds until the oldest Salesforce position cannot be replayed from any more."""
    streaming = {system.name for system in systems if system.kind == "salesforce"}
    moved = [int(r["moved"]) for r in await snapshot.rows(reads.POSITIONS) if r["system"] in streaming]
    return REPLAY_WINDOW_S - (milliseconds(now) - min(moved)) / 1000 if moved else None


async def conservation(snapshot: Snapshot, now: datetime) -> Conservation:
    """Count where every obligation is, and check the account against what else the store holds (I15)."""
    rows: dict[tuple[str, str], dict[str, int]] = {}
    states = {str(state): 0 for state in ObligationState}
    for row in await snapshot.rows(reads.OBLIGATIONS):
        of = rows.setdefault((str(row["type"]), str(row["target"])), {})
        of[str(row["state"])] = int(row["count"])
        states[str(row["state"])] += int(row["count"])
    observed, recorded = await snapshot.count(reads.OBSERVED), sum(states.values())
    mismatched = await snapshot.count(reads.MISMATCHED)
    orphans = await snapshot.count(reads.ORPHANS)
    unexplained = await snapshot.count(reads.UNEXPLAINED)
    unproven = await snapshot.count(reads.UNCONFIRMED) + await snapshot.count(reads.UNSUPERSEDED)
    faults = (mismatched, orphans, unexplained, unproven)
    return Conservation(
        balanced=observed == recorded and not any(faults),
        observed=observed,
        recorded=recorded,
        states=states,
        open_commands=sum(int(row["count"]) for row in await snapshot.rows(reads.QUEUES)),
        mismatched=mismatched,
        orphans=orphans,
        unexplained=unexplained,
        unproven=unproven,
        rows=tuple(ConservationRow(type=t, target=s, states=counts) for (t, s), counts in rows.items()),
        checked=now,
    )


async def exceptions(snapshot: Snapshot, now: datetime) -> ExceptionCounts:
    """Open exceptions by kind, and the money behind them per currency."""
    kinds = await snapshot.rows(reads.EXCEPTION_KINDS, now=milliseconds(now))
    money: dict[str, Decimal] = {}
    counted: set[tuple[str, str]] = set()
    for row in await snapshot.rows(reads.EXCEPTION_MONEY):
        currency = clean(row["currency"] or "?")
        amount = _amount(row["amount"])
        if amount is not None and (row["whose"], currency) not in counted:
            counted.add((row["whose"], currency))
            money[currency] = money.get(currency, Decimal(0)) + amount
    return ExceptionCounts(
        open=sum(int(row["count"]) for row in kinds),
        late=sum(int(row["late"]) for row in kinds),
        by_kind={str(row["kind"]): int(row["count"]) for row in kinds},
        money={currency: f"{amount:f}" for currency, amount in sorted(money.items())},
        oldest=_time(min((int(row["oldest"]) for row in kinds), default=None)),
    )


async def conflicts(snapshot: Snapshot) -> ConflictCounts:
    """Conflicts by state."""
    found = {str(row["state"]): int(row["count"]) for row in await snapshot.rows(reads.CONFLICTS)}
    return ConflictCounts(decided=found.get("decided", 0), open=found.get("open", 0))


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _time(ms: Any) -> datetime | None:
    return None if ms is None else moment(int(ms))
