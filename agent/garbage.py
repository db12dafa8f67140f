"""How often a long-running process looks for garbage that refers to itself."""

from __future__ import annotations

import gc

#: Objects made and not given up yet before the youngest are looked at, and how often each generation is
#: before the next one. What a batch makes is given up by counting references; errors and tasks leave cycles.
THRESHOLDS = (20_000, 20, 20)


def settle() -> None:
    """Call when a process is set up: what it consists of is not looked at again, the rest less often.

    A look at everything stops every thread: 80 ms in an agent with its libraries, a fifth of the work of
    taking events in (``python -m tests.benchmarks.streaming``). Python's own advice (``gc.freeze``).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
