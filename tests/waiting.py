"""Waiting for a condition: the one loop behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def first(look: Callable[[], T | None], within_s: float, every_s: float) -> T | None:
    """The first thing found that is neither None nor False; None where it never came. Looks at least once."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            return None
        time.sleep(every_s)
