"""Date literals (``TODAY``, ``LAST_N_DAYS:7``, ``THIS_FISCAL_QUARTER``) as spans of days, and the date
functions. Weeks begin on Sunday, fiscal years in January, days are those of UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from adapters.sandbox.salesforce.org.values import Value

_NAME = re.compile(r"(?:(LAST|NEXT)_(?:N_)?|(THIS)_|(N)_)?(?:FISCAL_)?(DAY|WEEK|MONTH|QUARTER|YEAR)S?(_AGO)?")
_FIXED = {"TODAY": 0, "YESTERDAY": -1, "TOMORROW": 1}
Span = tuple[date, date]


def span(name: str, count: int, today: date) -> Span | None:
    """First day and the day behind the last one; None for a word that is no date literal."""
    if name in _FIXED:
        day = today + timedelta(days=_FIXED[name])
        return day, day + timedelta(days=1)
    if name in ("LAST_90_DAYS", "NEXT_90_DAYS"):
        name, count = f"{name[:4]}_N_DAYS", 90
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    direction, this, ago, unit, behind = match.groups()
    numbered = name.endswith("S") or bool(behind)
    if numbered != (count > 0 or bool(behind)) or bool(ago) != bool(behind):
        return None
    if behind:
        first = _step(_first(today, unit), unit, -count)
        return first, _step(first, unit, 1)
    start = _first(today, unit)
    if this:
        return start, _step(start, unit, 1)
    steps = count or 1
    if direction == "LAST":
        # The days of LAST_N_DAYS include today, the weeks and months do not include the present one.
        end = today + timedelta(days=1) if unit == "DAY" else start
        return _step(start, unit, -steps), end
    if direction == "NEXT":
        begin = _step(start, unit, 1)
        return begin, _step(begin, unit, steps)
    return None


def _first(day: date, unit: str) -> date:
    if unit == "WEEK":
        return day - timedelta(days=(day.weekday() + 1) % 7)
    if unit == "MONTH":
        return day.replace(day=1)
    if unit == "QUARTER":
        return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return date(day.year, 1, 1) if unit == "YEAR" else day


def _step(day: date, unit: str, count: int) -> date:
    try:
        if unit in ("DAY", "WEEK"):
            return day + timedelta(days=count * (7 if unit == "WEEK" else 1))
        months = count * {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
        number = day.year * 12 + day.month - 1 + months
        return date(number // 12, number % 12 + 1, 1)
    except (ValueError, OverflowError):
        return date.min if count < 0 else date.max


def midnight(day: date) -> datetime:
    """The beginning of a day."""
    return datetime.combine(day, time(), UTC)


def _day(value: Value) -> date | None:
    return value.date() if isinstance(value, datetime) else value if isinstance(value, date) else None


def _of_day(part: Callable[[date], Value]) -> Callable[[Value], Value]:
    def take(value: Value) -> Value:
        day = _day(value)
        return None if day is None else part(day)

    return take


FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "CALENDAR_YEAR": _of_day(lambda day: day.year),
    "CALENDAR_QUARTER": _of_day(lambda day: (day.month - 1) // 3 + 1),
    "CALENDAR_MONTH": _of_day(lambda day: day.month),
    "FISCAL_YEAR": _of_day(lambda day: day.year),
    "FISCAL_QUARTER": _of_day(lambda day: (day.month - 1) // 3 + 1),
    "FISCAL_MONTH": _of_day(lambda day: day.month),
    "WEEK_IN_YEAR": _of_day(lambda day: (day.timetuple().tm_yday - 1) // 7 + 1),
    "WEEK_IN_MONTH": _of_day(lambda day: (day.day - 1) // 7 + 1),
    "DAY_IN_MONTH": _of_day(lambda day: day.day),
    "DAY_IN_WEEK": _of_day(lambda day: (day.weekday() + 1) % 7 + 1),
    "DAY_IN_YEAR": _of_day(lambda day: day.timetuple().tm_yday),
    "DAY_ONLY": _of_day(lambda day: day),
    "HOUR_IN_DAY": lambda value: value.hour if isinstance(value, datetime) else None,
    "TOLABEL": lambda value: value,
    "FORMAT": lambda value: value,
    "CONVERTTIMEZONE": lambda value: value,
}
