"""Bounces: a program of a target that alters whatever is written there is not corrected for ever.

A command carries, per field, the number of the agreed value that it delivers. The same number sent once more
means that the target took it and says something else since. Once is a user who may not write the field; so
often within minutes only a program does it, and it does it for ever (I9).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

#: So many times one agreed value is delivered within the window, and no more.
LIMIT = 5
WINDOW_MS = 600_000
#: So many of the latest commands are looked at.
HISTORY = 50


def bouncing(sent: Sequence[Mapping[str, int]], numbers: Mapping[str, int]) -> frozenset[str]:
    """Fields that have been delivered too often. ``sent``: field → number of each command of the window."""
    if len(sent) < LIMIT:
        return frozenset()
    counts = Counter((name, number) for one in sent for name, number in one.items())
    return frozenset(name for name, number in numbers.items() if counts[name, number] >= LIMIT)
