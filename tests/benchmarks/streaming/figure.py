"""One line of what was measured, and the statistics behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``ratio`` is ours to the reference's; more is better for speeds, less for the rest."""

    name: str
    unit: str
    ours: float
    reference: float
    what: str
    ratio: float

    def plain(self) -> dict[str, object]:
        """The same as plain data."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": round(self.ours, 2),
            "reference": round(self.reference, 2),
            "ratio": round(self.ratio, 3),
            "beside": self.what,
        }

    def line(self) -> str:
        """For the table."""
        ours, beside = _short(self.ours), f"{_short(self.reference)}, {self.what}"
        return f"{self.name:<44}{ours:>10} {self.unit:<8}{self.ratio:>8.2f} of {beside}"


def beside(name: str, unit: str, ours: float, reference: float, what: str) -> Figure:
    """A figure whose ratio is that of the two numbers."""
    return Figure(name, unit, ours, reference, what, ours / reference)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.2f}"
