"""What is left of the org's allowances that the agent lives on (REST API developer guide, "Limits")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.ports import Check

#: Share that is used up from which a person should look.
_WARN = 0.8
_EVENTS = "DailyDeliveredPlatformEvents"
_MONTH = "MonthlyPlatformEventsUsageEntitlement"


def calls(limits: Mapping[str, Any]) -> Check:
    """API calls of the last 24 hours, of all programs together."""
    most, left = _entry(limits, "DailyApiRequests")
    if not most:
        return Check("api calls", True, "not told")
    return _check(
        "api calls",
        most,
        left,
        "in 24 h",
        "see who uses them: Setup > Company Settings > Company Information > API Requests, Last 24 Hours",
    )


def allocation(limits: Mapping[str, Any]) -> Check:
    """Events that may still be delivered, to all subscribers together.

    With the add-on an org counts by the month, and the day's number is no longer a wall.
    """
    remedy = "drop other subscribers, or buy the add-on for event delivery"
    most, left = _entry(limits, _MONTH)
    per = "a month"
    if not most:
        most, left = _entry(limits, _EVENTS)
        per = "in 24 h"
    if not most:
        return Check("event delivery", True, "not told")
    return _check("event delivery", most, left, per, remedy)


def _entry(limits: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Most and left of one allowance; 0 and 0 where it is not told."""
    entry = limits.get(name)
    if not isinstance(entry, Mapping):
        return 0, 0
    most, left = entry.get("Max"), entry.get("Remaining")
    return (most, left) if isinstance(most, int) and isinstance(left, int) else (0, 0)


def _check(name: str, most: int, left: int, per: str, remedy: str) -> Check:
    used = max(0, most - left)
    share = used / most
    text = f"{used:,} of {most:,} {per} used ({share:.0%})"
    return Check(name, share < _WARN, text, "" if share < _WARN else remedy)
