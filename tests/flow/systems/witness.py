"""A witness as an ERP or a directory keeps it: the mark of the life that acted last, compared and set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.core.delivery import Mark
from agent.errors import Unreachable


@dataclass
class MarkRow:
    """The mark that stands at a system. ``silent``: it cannot be reached; ``past``: as it was told last.

    lost  so many of the next marks are written, and the answer is lost
    """

    name: str
    mark: Mark = field(default_factory=Mark)
    past: Mapping[str, int] = field(default_factory=dict)
    silent: bool = False
    lost: int = 0

    async def last(self) -> Mark:
        """What stands there."""
        self._reach()
        return self.mark

    async def take(self, mark: Mark, instead_of: Mark, past: Mapping[str, int]) -> bool:
        """Write the mark over the expected one."""
        self._reach()
        if self.mark != instead_of:
            return False
        self.mark, self.past = mark, dict(past)
        if self.lost:
            self.lost -= 1
            raise Unreachable("the answer was lost", where=self.name)
        return True

    def _reach(self) -> None:
        if self.silent:
            raise Unreachable("no answer", where=self.name)
