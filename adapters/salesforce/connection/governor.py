"""Who may spend the day's API calls: people before delivery, delivery before reads, reads before snapshots.

An org has so many calls in any 24 hours for all its programs together, and answers each call with how many of
them are used (REST API developer guide, "Limit Info Header"). What a restart forgets is in the first answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import structlog

from agent.errors import Unreachable

_log = structlog.get_logger(__name__)

_ORG = re.compile(r"(?<![\w-])api-usage\s*=\s*(\d+)\s*/\s*(\d+)")
_APP = re.compile(r"(?<![\w-])per-app-api-usage\s*=\s*(\d+)\s*/\s*(\d+)")
#: What is known of the budget is asked for anew after this long: the window of 24 hours rolls on. In seconds.
LOOK_AGAIN_S = 900.0
#: A call that is to find out whether there is budget again keeps the others waiting for at most this long.
TRIAL_S = 30.0
#: First and longest pause after too many requests at a time, in seconds.
_BURST_S = (10.0, 60.0)
#: Longest that a refusal may stop us on its own word, in seconds.
_LONGEST_S = 3600.0


class Priority(IntEnum):
    """For whom a call is made; the lower, the longer it goes on."""

    PEOPLE = 0  # somebody waits for it: ``isthmus check``
    DELIVERY = 1
    CONFIRM = 2  # reads of single records
    SNAPSHOT = 3  # reads of whole objects

    @property
    def label(self) -> str:
        """The class in words."""
        return ("people", "delivery", "confirm reads", "snapshots")[self]


@dataclass(frozen=True, slots=True)
class Shares:
    """What is left to whom, as shares of one.

    reserve    of the day's calls: for people and for the org's other programs
    confirm    of the rest: used up to here, single records are read
    snapshot   of the rest: used up to here, whole objects are read
    """

    reserve: float = 0.2
    confirm: float = 0.9
    snapshot: float = 0.7

    def ceiling(self, priority: Priority, limit: int) -> int:
        """From how many used calls on a class waits."""
        part = {Priority.DELIVERY: 1.0, Priority.CONFIRM: self.confirm, Priority.SNAPSHOT: self.snapshot}
        return int(limit * (1.0 - self.reserve) * part[priority]) if priority in part else limit


@dataclass(slots=True)
class _Quota:
    """A number of calls: how many are used of how many; 0 of 0 while unknown."""

    used: int = 0
    limit: int = 0


class Governor:
    """The budget of one org, asked before every call and told of every answer.

    ``clock`` gives seconds for intervals. Nothing is kept over a restart.
    """

    def __init__(
        self, name: str, shares: Shares | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._shares = shares or Shares()
        self._clock = clock
        self._org = _Quota()
        self._app = _Quota()
        self._batches = _Quota()
        self._heard_at = 0.0
        self._paused_until = 0.0
        self._pause_why = ""
        self._burst_s = 0.0
        self._trial_until = 0.0
        self._waiting: set[Priority] = set()

    def check(self, priority: Priority) -> None:
        """Raises Unreachable where a call of this class would have to wait now."""
        blocked = self._blocked(priority)
        if blocked is not None:
            raise self._wait(priority, *blocked)

    def admit(self, priority: Priority) -> None:
        """Count one call about to be made. Raises Unreachable where this class has to wait; nothing is sent.

        When a wait is over one call is let through, and its answer tells about the others.
        """
        self.check(priority)
        if priority is not Priority.PEOPLE and (self._paused_until or self._exceeds(priority)):
            self._trial_until = self._clock() + TRIAL_S
        self._org.used += 1
        self._app.used += 1

    def heard(self, usage: str) -> None:
        """Learn from the header ``Sforce-Limit-Info`` of an answer that was no refusal."""
        self._learn(usage)
        if self._clock() >= self._paused_until:  # else it was asked for before the refusal
            self._paused_until = self._trial_until = self._burst_s = 0.0
            self._tell_open()

    def refused(self, text: str, usage: str = "", wait: float | None = None) -> float:
        """Learn from REQUEST_LIMIT_EXCEEDED with this text. Returns the seconds for which calls rest.

        Of the day's calls a few get free every minute, so it is asked again four times an hour; sooner at
        first where the figures say that there are some. Too many at a time is over with the first of them.
        """
        self._learn(usage)
        now, day = self._clock(), "TotalRequests" in text
        if now >= self._paused_until:  # the others of the same burst say nothing new
            longest = LOOK_AGAIN_S if day else _BURST_S[1]
            self._burst_s = min(max(self._burst_s * 2, _BURST_S[0]), longest)
        rest = LOOK_AGAIN_S if day and not self._some_left() else self._burst_s
        if wait is not None:
            rest = min(max(wait, 0.0), _LONGEST_S)
        why = "the API calls of 24 hours are used up" if day else "too many requests ran at a time"
        self._pause_why = f"REQUEST_LIMIT_EXCEEDED, {why}"
        if now >= self._paused_until:
            _log.warning("API calls refused", action="salesforce.budget", system=self._name, why=why, s=rest)
        self._trial_until = 0.0
        self._paused_until = max(self._paused_until, now + rest)
        return rest

    def limits(self, body: Any) -> None:
        """Learn from the answer to ``/limits``."""
        calls, batches = _entry(body, "DailyApiRequests"), _entry(body, "DailyBulkApiBatches")
        if calls.limit > 0:
            self._org, self._heard_at = calls, self._clock()
            self._tell_open()
        self._batches = batches

    def jobs_left(self) -> bool:
        """Whether the day's bulk batches allow a job; true while nothing is known of them."""
        return not self._batches.limit or self._batches.used < self._batches.limit

    def tight(self) -> bool:
        """Whether calls are worth saving: snapshots would have to wait already."""
        return self._exceeds(Priority.SNAPSHOT) is not None

    def gauges(self) -> dict[str, float]:
        """Figures of now for people; none while nothing was heard."""
        if not self._org.limit:
            return {}
        return {
            "api_calls_used": float(self._org.used),
            "api_calls_limit": float(self._org.limit),
            "api_calls_reserve": float(
                self._org.limit - self._shares.ceiling(Priority.DELIVERY, self._org.limit)
            ),
        }

    def _blocked(self, priority: Priority) -> tuple[str, float] | None:
        """Why a class may not call now, and for how many seconds; None where it may."""
        now = self._clock()
        if priority is Priority.PEOPLE:
            return None
        if now < self._paused_until:
            return self._pause_why, self._paused_until - now
        why = self._pause_why if self._paused_until else self._exceeds(priority)
        if why is None:
            return None
        age = now - self._heard_at
        if not self._paused_until and age < LOOK_AGAIN_S:
            return why, LOOK_AGAIN_S - age
        return (why, self._trial_until - now) if now < self._trial_until else None

    def _exceeds(self, priority: Priority) -> str | None:
        """Why a class has to save calls; None where it need not."""
        for quota, whose in ((self._org, "the org's"), (self._app, "this app's")):
            ceiling = self._shares.ceiling(priority, quota.limit)
            if quota.limit and quota.used >= ceiling:
                return (
                    f"{quota.used} of {whose} {quota.limit} API calls of 24 hours are used; "
                    f"from {ceiling} on the rest is kept for what matters more"
                )
        return None

    def _some_left(self) -> bool:
        """Whether calls are left by what the server's own figures say."""
        told = [one for one in (self._org, self._app) if one.limit]
        return bool(told) and all(one.used < one.limit for one in told)

    def _wait(self, priority: Priority, why: str, seconds: float) -> Unreachable:
        if priority not in self._waiting:
            self._waiting.add(priority)
            _log.warning(
                "calls held back", action="salesforce.budget", system=self._name, what=priority.label, why=why
            )
        return Unreachable(
            f"{priority.label} wait: {why}",
            where=self._name,
            remedy="find the other consumers of API calls, buy more, or lower api_reserve",
            retry_after=max(seconds, 1.0),
        )

    def _learn(self, usage: str) -> None:
        for pattern, quota in ((_ORG, self._org), (_APP, self._app)):
            found = pattern.search(usage)
            if found is not None and int(found[2]) > 0:
                quota.used, quota.limit = int(found[1]), int(found[2])
                self._heard_at = self._clock()

    def _tell_open(self) -> None:
        free = {one for one in self._waiting if self._exceeds(one) is None}
        if free:
            self._waiting -= free
            names = ", ".join(one.label for one in sorted(free))
            _log.info("calls go on", action="salesforce.budget", system=self._name, what=names)


def _entry(body: Any, name: str) -> _Quota:
    """One allowance of ``/limits``; nothing where it is not told."""
    entry = body.get(name) if isinstance(body, Mapping) else None
    most, left = (entry.get("Max"), entry.get("Remaining")) if isinstance(entry, Mapping) else (0, 0)
    return _Quota(max(0, most - left), most) if isinstance(most, int) and isinstance(left, int) else _Quota()
