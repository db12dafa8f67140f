"""Tables whose records cannot be read now: why, since when, and when they are tried again."""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import dataclass

from adapters.odbc.capture.strategy import Stuck
from adapters.odbc.session import Session, SqlFault
from agent.errors import Refused

#: Seconds after which a table that could not be read is tried again: the first time, and at most.
_AGAIN_S = 1.0
_AGAIN_MOST_S = 30.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    """``since`` and ``due`` by the monotonic clock."""

    told: Stuck
    since: float
    due: float
    wait_s: float


class Refusals:
    """The tables of one stream that stand. Only a session that is still sound is asked about others."""

    def __init__(self) -> None:
        self._of: dict[str, _Refusal] = {}

    def clear(self) -> None:
        """Nothing is known of any table."""
        self._of.clear()

    def add(self, session: Session, name: str, error: Refused | SqlFault) -> None:
        """A table could not be read. Raises the error where the connection went with it."""
        session.forget(name)
        if isinstance(error, SqlFault):
            session.rollback()
            if session.lost:
                raise error
        before, now = self._of.get(name), time.monotonic()
        wait_s = min(before.wait_s * 2, _AGAIN_MOST_S) if before else _AGAIN_S
        if isinstance(error, Refused):
            told = Stuck(error.message, error.remedy, refused=True)
        else:
            told = Stuck(str(error), "see the table's locks and the user's rights", refused=False)
        self._of[name] = _Refusal(told, before.since if before else now, now + wait_s, wait_s)

    def over(self, name: str) -> None:
        """The table can be read."""
        self._of.pop(name, None)

    @property
    def names(self) -> Set[str]:
        """Tables that could not be read when they were tried last."""
        return self._of.keys()

    @property
    def resting(self) -> list[str]:
        """Those of them that are not tried again yet."""
        now = time.monotonic()
        return [name for name, refusal in self._of.items() if refusal.due > now]

    def lasted_s(self, name: str) -> float:
        """For how many seconds a table could not be read; 0 for one that can."""
        refusal = self._of.get(name)
        return time.monotonic() - refusal.since if refusal else 0.0

    def told(self) -> list[str]:
        """A sentence for each."""
        return [
            f"{name} is not captured: {one.told.message} ({one.told.remedy})"
            for name, one in self._of.items()
        ]
