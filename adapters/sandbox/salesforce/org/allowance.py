"""The calls that an org may answer in any 24 hours, and of these its share for our app (vendor: "API Request
Limits and Allocations", "Limit Info Header")."""

from __future__ import annotations

from collections import deque

from adapters.sandbox.salesforce.org.clock import OrgClock
from adapters.sandbox.salesforce.org.errors import ApiError

#: A large org; the smallest one has 15,000.
CALLS = 5_000_000
_HOURS = 24


class _Window:
    """Calls of the last 24 hours, by the hour of the org's clock. ``limit`` 0: as many as one likes."""

    def __init__(self, clock: OrgClock, limit: int) -> None:
        self._clock = clock
        self._hours: deque[list[int]] = deque()
        self.limit = limit

    @property
    def used(self) -> int:
        self._hour()
        return sum(count for _, count in self._hours)

    @property
    def empty(self) -> bool:
        return bool(self.limit) and self.used >= self.limit

    def add(self, count: int) -> None:
        hour = self._hour()
        if not self._hours or self._hours[-1][0] != hour:
            self._hours.append([hour, 0])
        self._hours[-1][1] += count

    def set(self, used: int, limit: int) -> None:
        self._hours.clear()
        self.add(used)
        self.limit = limit

    def _hour(self) -> int:
        hour = int(self._clock.now().timestamp()) // 3600
        while self._hours and self._hours[0][0] <= hour - _HOURS:
            self._hours.popleft()
        return hour


class Allowance:
    """What the org and our app have used."""

    def __init__(self, clock: OrgClock) -> None:
        self.org = _Window(clock, CALLS)
        self.app = _Window(clock, 0)

    @property
    def remaining(self) -> int:
        """Calls of the org that are left."""
        return max(0, self.org.limit - self.org.used)

    def take(self) -> None:
        """Counts a call. Raises ApiError REQUEST_LIMIT_EXCEEDED when none is left."""
        if self.org.empty or self.app.empty:
            raise ApiError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.org.add(1)
        self.app.add(1)

    def info(self) -> str:
        """The header of every answer."""
        text = f"api-usage={self.org.used}/{self.org.limit}"
        if self.app.limit:
            text += f"; per-app-api-usage={self.app.used}/{self.app.limit}(appName=isthmus)"
        return text
