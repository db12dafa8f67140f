"""How things are written: ages, times, money, widths. Pure, and in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len, set_cell_size

from agent.operations import wire


@dataclass(frozen=True, slots=True)
class Look:
    """Characters to draw with; ``ascii`` for consoles that have no others."""

    ascii: bool = False

    @property
    def dots(self) -> str:
        """Stands for what was cut off."""
        return "~" if self.ascii else "…"

    @property
    def arrow(self) -> str:
        """From here to there."""
        return "->" if self.ascii else "→"

    def plain(self, text: str) -> str:
        """The text as this console can show it."""
        return text.encode("ascii", "replace").decode() if self.ascii else text

    def fit(self, text: str, width: int, *, right: bool = False) -> str:
        """Text of exactly this width in cells; what does not fit ends in dots."""
        text = self.plain(text)
        length = cell_len(text)
        if length > width:
            return set_cell_size(text, max(width - 1, 0)) + self.dots if width > 0 else ""
        pad = " " * (width - length)
        return pad + text if right else text + pad

    def wrap(self, text: str, width: int) -> list[str]:
        """Text in lines of at most this width, cut between words where there are any."""
        lines, line = [], ""
        for word in self.plain(text).split(" "):
            joined = f"{line} {word}" if line else word
            if cell_len(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            while cell_len(word) > width:
                lines.append(set_cell_size(word, width).rstrip())
                word = word[len(lines[-1]) :]
            line = word
        return [*lines, line] if line or not lines else lines


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, in at most six letters."""
    return "-" if then is None else wire.age((now - then).total_seconds())


def money(amount: str) -> str:
    """An amount with its thousands apart; text that is no number stays as it is."""
    whole, point, cents = amount.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    if not digits.isdecimal():
        return amount
    return f"{sign}{int(digits):,}{point}{cents}"


def clock(at: datetime, *, precise: bool = False) -> str:
    """The time of day in the operator's zone; the head of the screen names the zone."""
    local = at.astimezone()
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}" if precise else f"{local:%H:%M:%S}"


def zone(at: datetime) -> str:
    """The operator's zone as an offset."""
    return f"{at.astimezone():%z}"[:3]
