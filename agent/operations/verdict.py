"""From the figures to one word and an exit code, as monitoring expects it (Nagios plug-in guidelines)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from agent.operations.wire import Status


class Code(IntEnum):
    """The exit code of ``isthmus status``."""

    HEALTHY = 0
    DEGRADED = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a figure is bad, in seconds.

    silent      a loop that made no progress for so long stands still
    headroom_*  what is left of the replay window
    """

    silent: float = 120.0
    headroom_warning: float = 24 * 3600.0
    headroom_critical: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The code and every reason for it, the gravest first."""

    code: Code
    reasons: tuple[str, ...]

    @property
    def word(self) -> str:
        """The code as a word: no sign by colour or number alone."""
        return self.code.name


def verdict(status: Status | None, limits: Limits | None = None) -> Verdict:
    """Judge a status. None means that it could not be found out."""
    if status is None:
        return Verdict(Code.UNKNOWN, ("the status could not be read",))
    limits = limits or Limits()
    critical = _critical(status, limits)
    degraded = _degraded(status, limits)
    if critical:
        return Verdict(Code.CRITICAL, (*critical, *degraded))
    return Verdict(Code.DEGRADED if degraded else Code.HEALTHY, degraded)


def _critical(status: Status, limits: Limits) -> tuple[str, ...]:
    found = []
    if status.fenced:
        found.append(
            f"FENCED: this agent ({status.host}) was taken over from by {status.fenced}; it sends nothing any"
            " more. Stop and remove one of the two; if this one is to go on: isthmus run --take-over"
        )
    if status.service == "down":
        found.append(f"SERVICE DOWN: {status.note}" if status.note else "SERVICE DOWN")
    if not status.conservation.balanced:
        found.append(f"conservation does not balance: {imbalance(status)}")
    if status.service == "up":
        found += [
            f"{loop} has made no progress for {_seconds(status.at, mark):.0f} s"
            for loop, mark in sorted(status.progress.items())
            if _seconds(status.at, mark) > limits.silent
        ]
    headroom = status.replay_headroom_s
    if headroom is not None and headroom < limits.headroom_critical:
        found.append(f"{max(headroom, 0) / 3600:.1f} h of the replay window left")
    return tuple(found)


def _degraded(status: Status, limits: Limits) -> tuple[str, ...]:
    found = []
    if status.service == "up":
        found += [
            f"{system.name} is {system.state}" + (f": {system.reason}" if system.reason else "")
            for system in status.systems
            if system.state != "up"
        ]
    found += [
        f"{one.cause or f'{system.name} does not take {one.type}.{one.field}'}: {one.remedy}"
        for system in status.systems
        for one in system.withheld
    ]
    found += [
        f"{system.name} is held by {system.held.actor}: {system.held.reason}"
        for system in status.systems
        if system.held is not None
    ]
    headroom = status.replay_headroom_s
    if headroom is not None and limits.headroom_critical <= headroom < limits.headroom_warning:
        found.append(f"{headroom / 3600:.1f} h of the replay window left")
    if status.uncertain:
        found.append(f"uncertain commands: {status.uncertain} (asked again by themselves)")
    if status.exceptions.open:
        found.append(f"exceptions: {status.exceptions.open} open, {status.exceptions.late} late")
    if status.conflicts.open:
        found.append(f"conflicts: {status.conflicts.open} wait for a ruling")
    return tuple(found)


def imbalance(status: Status) -> str:
    """In which respects the account of I15 does not come out."""
    account = status.conservation
    parts = []
    if account.observed != account.recorded:
        parts.append(f"{account.observed} announced, {account.recorded} recorded")
    for name in ("mismatched", "orphans", "unexplained", "unproven"):
        if getattr(account, name):
            parts.append(f"{getattr(account, name)} {name}")
    return ", ".join(parts)


def _seconds(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds()
