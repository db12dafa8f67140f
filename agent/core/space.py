"""Room on the store's disk: when intake stops, and when it may go on. Deliveries never stop for it.

What is taken in can be taken in later: its sources keep it. What was delivered has to be written down now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Room(StrEnum):
    """How much room there is."""

    ENOUGH = "enough"
    LOW = "low"  # the ballast is in place, and less than the reserve is free: intake stops
    FULL = "full"  # the ballast was given up, or there was never room for it: intake stops


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is kept free, in bytes. ``ballast``: the file that is given up when the disk is full; ``room``:
    what must be free besides for intake to begin. It goes on until half of that is used up.
    """

    ballast: int
    room: int

    @property
    def needed(self) -> int:
        """Free bytes that bring everything back, with the ballast given up."""
        return self.ballast + self.room


def judge(free: int, held: int, reserve: Reserve, before: Room) -> Room:
    """How much room there is, with ``free`` bytes on the disk and ``held`` bytes of ballast in place.

    ENOUGH with less ballast than there should be means: make it, then go on.
    """
    missing = max(reserve.ballast - held, 0)
    spare = free - missing
    if spare >= reserve.room:
        return Room.ENOUGH
    if missing:
        return Room.FULL
    if before is Room.ENOUGH and spare >= reserve.room // 2:
        return Room.ENOUGH
    return Room.LOW
