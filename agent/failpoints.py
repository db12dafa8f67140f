"""Named places on both sides of every commit, rename and send, where a test may stop the world.

``ISTHMUS_FAILPOINTS="delivery.after_sent=kill@3,idoc.before_rename=error@1"`` arms them in a process: at the
n-th hit the process kills itself, or the place raises. Not armed, a hit costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class Crash(BaseException):
    """The process is to be taken as dead at this place (in-process crash tests)."""


class Action(StrEnum):
    """What an armed failpoint does."""

    KILL = "kill"  # SIGKILL to this process
    CRASH = "crash"  # raise Crash
    ERROR = "error"  # raise OSError


@dataclass(frozen=True, slots=True)
class Armed:
    """A failpoint that acts at its n-th hit."""

    action: Action
    at: int = 1


VARIABLE = "ISTHMUS_FAILPOINTS"
_armed: dict[str, Armed] = {}
hits: Counter[str] = Counter()
_watching = False


def hit(name: str) -> None:
    """Pass a failpoint."""
    if not _watching:
        return
    hits[name] += 1
    armed = _armed.get(name)
    if armed is None or hits[name] != armed.at:
        return
    if armed.action is Action.KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action is Action.CRASH:
        raise Crash(name)
    raise OSError(f"failpoint {name}")


def arm(name: str, action: Action, at: int = 1) -> None:
    """Make a failpoint act at its n-th hit from now."""
    global _watching
    _watching = True
    hits[name] = 0
    _armed[name] = Armed(action, at)


def watch() -> None:
    """Count hits without acting."""
    global _watching
    _watching = True


def disarm() -> None:
    """Forget everything armed and counted."""
    global _watching
    _watching = False
    _armed.clear()
    hits.clear()


def arm_from_environment() -> None:
    """Arm what ISTHMUS_FAILPOINTS names; raises ValueError for one that cannot be read."""
    for item in filter(None, os.environ.get(VARIABLE, "").split(",")):
        name, _, rest = item.partition("=")
        action, _, count = rest.partition("@")
        arm(name.strip(), Action(action.strip()), int(count or "1"))
