"""What the programs of benchmarks say: a line on stderr for each figure, and all of them as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from tests.benchmarks.streaming.figure import Figure


class Beside(Protocol):
    """A figure beside its reference."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def ours(self) -> float: ...
    @property
    def reference(self) -> float: ...
    @property
    def ratio(self) -> float: ...
    @property
    def what(self) -> str: ...


F = TypeVar("F", bound=Beside)


def told(found: Iterable[F], line: Callable[[F], str]) -> list[dict[str, object]]:
    """Tell each as soon as it is known; all of them as plain data."""
    figures: list[dict[str, object]] = []
    for figure in found:
        figures.append(
            {
                "name": figure.name,
                "unit": figure.unit,
                "ours": round(figure.ours, 1),
                "reference": round(figure.reference, 1),
                "ratio": round(figure.ratio, 3),
                "beside": figure.what,
            }
        )
        _say(line(figure))
    return figures


async def told_later(found: AsyncIterator[Figure]) -> list[Figure]:
    """Tell each as soon as it is known."""
    figures = []
    async for figure in found:
        figures.append(figure)
        _say(figure.line())
    return figures


def keep(file: Path | None, document: Mapping[str, object]) -> None:
    """Write the figures, where a file was named."""
    if file is not None:
        file.write_text(json.dumps(document, indent=2) + "\n")


def keep_under_load(file: Path | None, command: str, figures: Sequence[Figure]) -> None:
    """The same, with what else the machine had to do."""
    keep(
        file,
        {"command": command, "load": os.getloadavg()[0], "figures": [figure.plain() for figure in figures]},
    )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
