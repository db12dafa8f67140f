"""How long a capture rests after a look that found nothing: shortly while something is going on there."""

from __future__ import annotations

#: Of the time since something was found last: so a trickle is met soon, and looks thin out behind its end.
_SHARE = 0.25
#: Of the longest rest: no pause is shorter.
_SHORTEST = 0.05
#: Times as long as a look took: looking in vain takes a fifth of the time at most.
_TAKEN = 4.0


class Pace:
    """The rests of one strategy. ``longest_s``: where nothing was found for a while; times by one clock.

    With 0.2 s: 5 looks a second at an ERP where nothing happens, 80 between changes that come at 10 a second.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._found: float | None = None

    def found(self, now: float) -> None:
        """Something was found."""
        self._found = now

    def rest(self, now: float, took_s: float) -> float:
        """Seconds until the next look, after one that took so long and found nothing."""
        if self._found is None:
            return self._longest_s
        since = max(now - self._found, 0.0)
        return min(self._longest_s, max(_SHARE * since, _SHORTEST * self._longest_s, _TAKEN * took_s))
