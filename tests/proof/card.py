"""The scorecard: what was tried, how often, and whether it held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line. ``tried`` counts what ``unit`` names; ``said`` is what was found, or why it falls short."""

    part: str
    name: str
    holds: bool
    tried: int
    unit: str
    said: str = ""
    script: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Card:
    """All lines, the seconds they took, the seed, and whether somebody stopped it before the end."""

    lines: tuple[Line, ...]
    seconds: float
    seed: int
    stopped: bool = False

    @property
    def holds(self) -> bool:
        """Whether every line holds and all parts were run."""
        return bool(self.lines) and not self.stopped and all(line.holds for line in self.lines)

    def text(self) -> str:
        """The table, what was tried in all, the scripts of what fell short, and the verdict last."""
        rows = [
            (line.part, line.name, f"{line.tried} {line.unit}", _mark(line), line.said) for line in self.lines
        ]
        widths = [max(len(row[column]) for row in rows) if rows else 0 for column in range(4)]
        table = [
            "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[4][:90]]) for row in rows
        ]
        failing = [line for line in self.lines if not line.holds]
        scripts = [f"\n{line.part} {line.name}: {list(line.script)}" for line in failing if line.script]
        held = len(self.lines) - len(failing)
        verdict = "every promise held" if self.holds else "fell short"
        if self.stopped:
            verdict = "stopped before the end"
        last = f"\n{held} of {len(self.lines)} lines hold, {self.seconds:.0f} s, seed {self.seed}: {verdict}"
        return "\n".join([*table, "", *self._totals(), *scripts, last])

    def totals(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """(part, unit) → how many were tried, in how many lines, and how many of these hold."""
        found: dict[tuple[str, str], tuple[int, int, int]] = {}
        for line in self.lines:
            tried, lines, held = found.get((line.part, line.unit), (0, 0, 0))
            found[line.part, line.unit] = (tried + line.tried, lines + 1, held + line.holds)
        return found

    def _totals(self) -> list[str]:
        return [
            f"{part:<12} {tried:>9,} {unit}, {held} of {lines} lines hold"
            for (part, unit), (tried, lines, held) in self.totals().items()
        ]

    def figures(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "holds": self.holds,
            "stopped": self.stopped,
            "seconds": round(self.seconds, 1),
            "seed": self.seed,
            "totals": [
                {"part": part, "unit": unit, "tried": tried, "lines": lines, "hold": held}
                for (part, unit), (tried, lines, held) in self.totals().items()
            ],
            "lines": [
                {
                    "part": line.part,
                    "name": line.name,
                    "holds": line.holds,
                    "tried": line.tried,
                    "unit": line.unit,
                    "said": line.said,
                    "script": [list(operation) for operation in line.script],
                }
                for line in self.lines
            ],
        }


def _mark(line: Line) -> str:
    return "holds" if line.holds else "FALLS SHORT"
