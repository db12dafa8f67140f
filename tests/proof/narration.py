"""What is told while it runs: what is tried, how fast, and how much time is left."""

from __future__ import annotations

import time
from typing import TextIO

#: Seconds between two lines about the same thing.
EVERY_S = 5.0


class Narration:
    """Tells a stream, at most every few seconds."""

    def __init__(self, stream: TextIO, budget_s: float) -> None:
        self._stream = stream
        self._ends = time.monotonic() + budget_s
        self._said = 0.0

    def begin(self, what: str) -> None:
        """Something new is tried."""
        self._said = time.monotonic()
        print(f"{what} ({self._left()})", file=self._stream, flush=True)

    def progress(self, what: str, done: int, unit: str, seconds: float) -> None:
        """How far it is; said only now and then."""
        now = time.monotonic()
        if now - self._said < EVERY_S:
            return
        self._said = now
        rate = done / seconds if seconds > 0 else 0.0
        print(f"  {what}: {done} {unit}, {rate:.0f}/s, {self._left()}", file=self._stream, flush=True)

    def _left(self) -> str:
        left = max(self._ends - time.monotonic(), 0.0)
        return f"{int(left // 60)}:{int(left % 60):02d} left"
