"""How often a system is tried again: the schedule of its commands, and the pace of the rounds."""

from __future__ import annotations

from dataclasses import dataclass

#: However much waits, a system that refused a whole round is not asked more often than this, in seconds.
LEAST_S = 1.0
#: Rounds are never further apart than this, whatever a command's own schedule allows, in seconds.
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Seconds before the first new try; doubled at each further one, up to the cap."""

    base_s: float = 1.0
    cap_s: float = 300.0

    def back_off_ms(self, attempts: int, spread: float) -> int:
        """Milliseconds until the next try of a command; ``spread`` in [0, 1) is drawn outside and jitters."""
        ceiling = self._ceiling(attempts)
        return int(1000 * (self.base_s / 2 + spread * max(ceiling - self.base_s / 2, 0.0)))

    def pause(self, rounds: int, due_s: float | None, spread: float) -> Pause:
        """How long to rest after so many rounds in a row of which every command failed.

        ``due_s``: seconds until the next command is due, which may be past; None when none is. Where every
        command waits for a time of its own, that time paces the rounds, and new work is sent meanwhile.
        Where more are due all the same, the fault is the system's: the rounds move apart, whatever else
        comes in, or ten thousand waiting commands would knock ten thousand times.
        """
        if due_s is not None and due_s > 0:
            return Pause(min(max(due_s, LEAST_S), max(self.cap_s, LEAST_S), LONGEST_S), LEAST_S)
        longest = min(self._ceiling(rounds), LONGEST_S)
        seconds = max(LEAST_S, longest / 2 + spread * longest / 2)
        return Pause(seconds, seconds)

    def _ceiling(self, attempts: int) -> float:
        return min(self.cap_s, self.base_s * float(1 << min(max(attempts - 1, 0), 30)))


@dataclass(frozen=True, slots=True)
class Pause:
    """Rest for ``seconds``; new work may end it after ``least`` of them."""

    seconds: float
    least: float
