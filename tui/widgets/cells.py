"""The one place where text becomes cells of the terminal: literal, without markup and control characters."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style

from agent.operations.wire import clean


def segment(text: str, style: Style) -> Segment:
    """A piece of a line. What would steer the terminal is made visible here, whatever let it through."""
    return Segment(clean(text), style)
