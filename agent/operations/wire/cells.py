"""The one place where cells are made: what data may not do to a terminal, and what nobody may see."""

from __future__ import annotations

import re
from datetime import timedelta

#: Stands for a value that is there and is not shown.
MASKED = "***"
#: Characters that steer a terminal or reorder text: C0 with DEL, C1, bidi controls, line separators, BOM.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
_LONE = re.compile("[\ud800-\udfff]")
_SHORTEST_SECRET = 3


def clean(text: object) -> str:
    """Text that a terminal shows literally: each control character becomes a visible one."""
    return _LONE.sub("�", _CONTROLS.sub(_visible, str(text)))


def mask(value: object) -> str:
    """What is shown for personal data: that there is a value, or that there is none. Never its length."""
    return "" if value is None or value == "" else MASKED


def scrub(text: str, secrets: frozenset[str]) -> str:
    """The text without the values given: a refusal may repeat what it refuses."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = re.sub(re.escape(secret), MASKED, text, flags=re.IGNORECASE)
    return text


def age(seconds: float) -> str:
    """A duration in at most six letters: 3s, 4m, 9h12, 3d04."""
    whole = timedelta(seconds=max(int(seconds), 0))
    minutes = whole.seconds // 60
    if whole.days:
        return f"{whole.days}d{minutes // 60:02d}"
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}"
    return f"{minutes}m" if minutes else f"{whole.seconds}s"


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:  # the control pictures U+2400 to U+241F show the C0 set one by one
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"
