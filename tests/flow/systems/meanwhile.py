"""What happens while the agent waits for a system: between the call and the moment its answer is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

#: Where the agent waits for a system: its source, its reader, before and after sending.
PLACES = tuple(
    f"{system}.{call}"
    for system, calls in {
        "sf": ("read", "confirm", "prepare", "apply"),
        "erp": ("read", "confirm", "prepare", "apply"),
        "sap": ("read", "prepare", "apply"),
    }.items()
    for call in calls
)


@dataclass
class Meanwhile:
    """Things that are to happen once, the next time that the agent waits at a place.

    ``passed`` counts how often it waited where.
    """

    armed: dict[str, Callable[[], object]] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)

    def at(self, place: str) -> None:
        """The agent waits here: whatever is armed for this place happens now."""
        self.passed[place] += 1
        happens = self.armed.pop(place, None)
        if happens is not None:
            happens()
