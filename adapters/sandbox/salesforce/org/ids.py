"""Record ids: 15 case-sensitive characters, and the 18-character form that survives case folding.

The suffix holds one character per group of five; bit i of its value says that character i of the group is
an upper-case letter (vendor help: "15-character and 18-character record ids").
"""

from __future__ import annotations

import re

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def checksum(short: str) -> str:
    """The three suffix characters of a 15-character id."""
    number = 0
    for at in range(14, -1, -1):
        number = number << 1 | short[at].isupper()
    return _SUFFIX[number & 31] + _SUFFIX[number >> 5 & 31] + _SUFFIX[number >> 10]


def full(identifier: str) -> str | None:
    """The 18-character form, or None when the text is no id. A folded case is restored from the suffix."""
    if not _SHAPE.fullmatch(identifier):
        return None
    if len(identifier) == 15:
        return identifier + checksum(identifier)
    short, suffix = identifier[:15], identifier[15:].upper()
    if any(character not in _SUFFIX for character in suffix):
        return None
    restored = "".join(
        c.upper() if _SUFFIX.index(suffix[i // 5]) >> (i % 5) & 1 else c.lower() for i, c in enumerate(short)
    )
    return restored + suffix


def base62(number: int, width: int) -> str:
    """A number in the id alphabet, zero padded to ``width``."""
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text.rjust(width, "0")


class IdMaker:
    """Hands out ids per key prefix; the same seed gives the same ids."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._next: dict[str, int] = {}

    def make(self, prefix: str) -> str:
        """The next 18-character id with that 3-character key prefix."""
        number = self._next.get(prefix, 0x1D000)
        self._next[prefix] = number + 1
        short = f"{prefix}{self._instance}{base62(number, 15 - len(prefix) - len(self._instance))}"
        return short + checksum(short)

    def counters(self) -> dict[str, int]:
        """The next number of each prefix."""
        return dict(self._next)

    def resume(self, counters: dict[str, int]) -> None:
        """Goes on from these numbers."""
        self._next = dict(counters)
