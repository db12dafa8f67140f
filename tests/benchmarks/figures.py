"""What came of a run: figures, each beside its bare reference and its goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Goal:
    """What a figure should reach. ``held``: it has been reached, and missing it again is a failure."""

    number: str
    text: str
    met: bool
    held: bool = False

    def mark(self) -> str:
        """In a word or two."""
        if self.met:
            return "met"
        return "MISSED" if self.held else "not met yet"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    value   in ``unit``;  bare: the reference's, of the same run and in the same unit
    ratio   how it compares, as the part says; for speeds the share of the reference's: 1 is as fast as that
    spread  the smallest and the largest ratio among the rounds, of the value where there is no ratio
    """

    part: str
    name: str
    value: float
    unit: str
    bare: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    goal: Goal | None = None
    said: str = ""

    @property
    def fails(self) -> bool:
        """Whether a goal that was reached before is missed."""
        return self.goal is not None and self.goal.held and not self.goal.met

    def plain(self) -> dict[str, Any]:
        """The same as plain data."""
        goal = self.goal
        return {
            "part": self.part,
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "bare": self.bare,
            "ratio": self.ratio,
            "spread": list(self.spread) if self.spread else None,
            "said": self.said,
            "goal": None
            if goal is None
            else {"number": goal.number, "text": goal.text, "met": goal.met, "held": goal.held},
        }


@dataclass(frozen=True)
class Rounds:
    """Seconds per piece of work of each round: the engine's and the bare reference's, taken in turns."""

    ours: Sequence[float]
    bare: Sequence[float]

    @property
    def ratio(self) -> float:
        """The share of the bare reference's speed, the median of the rounds."""
        return median(self._ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest ratio."""
        return min(self._ratios), max(self._ratios)

    @property
    def _ratios(self) -> list[float]:
        return [bare / ours for ours, bare in zip(self.ours, self.bare, strict=True)]

    def figure(self, part: str, name: str, unit: str, scale: float = 1.0, goal: Goal | None = None) -> Figure:
        """The line: time per piece, in ``unit`` of which a second has ``scale``, beside the reference's."""
        ours, bare = median(self.ours) * scale, median(self.bare) * scale
        return Figure(part, name, ours, unit, bare, self.ratio, self.spread, goal)


@dataclass(frozen=True)
class Table:
    """All figures, what could not be run and why, and the seconds that it took."""

    figures: tuple[Figure, ...]
    failed: dict[str, str]
    seconds: float
    profiles: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every part was run and no goal that was reached before is missed."""
        return not self.failed and not any(figure.fails for figure in self.figures)

    def text(self) -> str:
        """The profiles, the table, and the verdict last."""
        head = ("part", "figure", "here", "bare", "ratio", "spread", "goal", "")
        rows = [head, *(_cells(figure) for figure in self.figures)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        failed = [f"{part} could not be run: {why}" for part, why in self.failed.items()]
        goals = [figure.goal for figure in self.figures if figure.goal is not None]
        met = sum(goal.met for goal in goals)
        missed = sum(figure.fails for figure in self.figures)
        verdict = "nothing fell behind" if self.holds else f"{missed} fell behind, {len(failed)} not run"
        last = f"{met} of {len(goals)} goals met, {self.seconds:.0f} s: {verdict}"
        return "\n".join([*self.profiles, *lines, *failed, "", last])

    def plain(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "holds": self.holds,
            "seconds": round(self.seconds, 1),
            "failed": self.failed,
            "figures": [figure.plain() for figure in self.figures],
            "profiles": list(self.profiles),
        }


def _cells(figure: Figure) -> tuple[str, ...]:
    unit = f" {figure.unit}"
    return (
        figure.part,
        figure.name,
        _short(figure.value) + unit,
        "" if figure.bare is None else _short(figure.bare) + unit,
        "" if figure.ratio is None else _short(figure.ratio),
        "" if figure.spread is None else "–".join(_short(end) for end in figure.spread),
        "" if figure.goal is None else f"#{figure.goal.number} {figure.goal.text}: {figure.goal.mark()}",
        figure.said,
    )


def _short(number: float) -> str:
    """Three figures that count, and no more."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    if abs(number) >= 10:
        return f"{number:.1f}"
    return f"{number:.2f}" if abs(number) >= 0.1 or number == 0 else f"{number:.4f}"
