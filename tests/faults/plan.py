"""Where the agent is to be killed: every place by turns, in an order and at a hit that the seed decides."""

from __future__ import annotations

import random
from dataclasses import dataclass

#: A kill here leaves a command in state sent: whether it arrived is not known to the agent that starts next.
BEHIND_THE_SEND = (
    "delivery.sent.after_commit",
    "delivery.before_apply",
    "delivery.after_apply",
    "delivery.outcome.before_commit",
    "idoc.before_rename",
    "idoc.after_rename",
)
#: The other side of every other commit, rename and acknowledgement.
ELSEWHERE = (
    "intake.before_commit",
    "intake.after_commit",
    "intake.before_ack",
    "confirm.before_commit",
    "delivery.take.after_commit",
    "delivery.outcome.after_commit",
    "recovery.before_commit",
    "idoc.after_fsync",
    "idoc.before_archive",
    "salesforce.before_request",
    "salesforce.after_request",
)
#: A kill from outside, at whatever the agent does at that moment.
ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class Aim:
    """One kill: at the n-th time that a place is passed, or so many seconds after the agent answers."""

    point: str
    hit: int = 1
    after_s: float = 0.0

    @property
    def failpoints(self) -> str:
        """The agent's own environment variable for it; empty for a kill from outside."""
        return "" if self.point == ANYWHERE else f"{self.point}=kill@{self.hit}"


def aims(seed: int, *, behind: int = 6, elsewhere: int = 2, anywhere: int = 4) -> list[Aim]:
    """So many kills for each place of a kind, shuffled; the same seed aims the same."""
    dice = random.Random(f"{seed}/kills")
    chosen = [Aim(point, dice.randint(1, 5)) for point in BEHIND_THE_SEND for _ in range(behind)]
    chosen += [Aim(point, _hit(point, dice)) for point in ELSEWHERE for _ in range(elsewhere)]
    chosen += [Aim(ANYWHERE, after_s=dice.uniform(0.0, 1.5)) for _ in range(anywhere)]
    dice.shuffle(chosen)
    return chosen


def _hit(point: str, dice: random.Random) -> int:
    """A start recovers once; everything else is passed again and again."""
    return 1 if point.startswith("recovery.") else dice.randint(1, 6)
