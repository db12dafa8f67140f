"""A growing pause after refusals: who asks again and again with what was refused locks a user out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Seconds of rest after the first refusal, the second, and so on; the last holds for all further ones.
STEPS_S = (60.0, 300.0, 1800.0, 7200.0, 21_600.0)
#: Wall clock and interval clock differ by more than this from before: somebody has set the clock.
_CLOCK_SET_S = 30.0


class Hold:
    """Refusals in a row and the rest that follows. It ends early when a person acted: another secret was put
    in place, or the clock was set.

    ``clock`` gives seconds since the epoch, ``monotonic`` seconds for intervals.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._until = 0.0
        self._shown_until = 0.0
        self._offset = 0.0
        self._evidence = b""
        self.count = 0

    def strike(self, evidence: str) -> None:
        """Refused once more, with this secret, of which only a digest is kept.

        A refusal during the rest is of a try that began before it, and is counted with that.
        """
        if self.active(evidence):
            return
        step = STEPS_S[min(self.count, len(STEPS_S) - 1)]
        self.count += 1
        self._until = self._monotonic() + step
        self._shown_until = self._clock() + step
        self._offset = self._clock() - self._monotonic()
        self._evidence = _digest(evidence)

    def clear(self) -> None:
        """Let in again: the next refusal is the first one."""
        self.count, self._until = 0, 0.0

    def active(self, evidence: str) -> bool:
        """Whether asking now, with this secret, would only repeat what was refused."""
        if not self.count or self._monotonic() >= self._until:
            return False
        moved = abs(self._clock() - self._monotonic() - self._offset)
        return moved <= _CLOCK_SET_S and _digest(evidence) == self._evidence

    @property
    def until(self) -> str:
        """When the rest ends, for people: hour and minute, with the day where that is another one."""
        # Rounded up: at the minute that is shown the rest is over.
        moment = datetime.fromtimestamp(self._shown_until, UTC) + timedelta(seconds=59)
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        return moment.strftime("%H:%M UTC" if moment.date() == today else "%Y-%m-%d %H:%M UTC")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
