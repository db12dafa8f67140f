"""What came of one scenario, and how scenarios are named."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

#: Ends the name of a scenario in which the agent is killed too.
KILL = "+kill"


@dataclass
class Played:
    """What came of one scenario. ``told``: the line that named it;  ``wrong``: "" where nothing was."""

    name: str
    seconds: float = 0.0
    told: str = ""
    wrong: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        return asdict(self)
