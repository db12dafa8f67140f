"""The event bus of the org: change events in commit order under opaque, non-contiguous replay ids.

A replay id is 10 bytes: an 8-byte big-endian counter and two zero bytes. Ids are handed out for events
and for
the empty responses of quiet topics; only ids handed out since the last expiry or reset are known.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.sandbox.salesforce.org.clock import OrgClock

ID_LENGTH = 10


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event on the bus. ``event_id`` stays the same when the event is delivered twice."""

    position: int
    object_name: str
    event_id: str
    schema_id: str
    payload: bytes
    committed: datetime


class UnknownReplayId(ValueError):
    """The replay id was never handed out, is past retention, or belongs to a stream before a reset."""


def replay_id(position: int) -> bytes:
    """The 10 wire bytes of a position."""
    return position.to_bytes(8, "big") + b"\0\0"


class Stream:
    """Events within the retention period, and the wake-up of everyone who waits for more."""

    def __init__(self, clock: OrgClock, rng: random.Random, retention: timedelta) -> None:
        self._clock = clock
        self._rng = rng
        self._retention = retention
        self._events: list[StoredEvent] = []
        self._issued: dict[int, datetime] = {}
        self._position = rng.randrange(1_000_000, 2_000_000)
        self._arrival = asyncio.Event()
        self._drop = asyncio.Event()
        self.delivered = 0
        self.issue()

    @property
    def position(self) -> int:
        """The newest position handed out."""
        return self._position

    def issue(self) -> int:
        """Hands out the next position without an event; ids are not contiguous."""
        self._position += self._rng.randrange(1, 7)
        self._issued[self._position] = self._clock.now()
        return self._position

    def publish(self, event: StoredEvent) -> None:
        """Appends an event whose position was issued, and wakes the subscribers."""
        self._events.append(event)
        self.wake()

    def wake(self) -> None:
        """Lets every waiting subscriber look again."""
        arrival, self._arrival = self._arrival, asyncio.Event()
        arrival.set()

    def arrival(self) -> asyncio.Event:
        """Set at the next wake-up. Take it before looking, so that nothing slips between."""
        return self._arrival

    def resolve(self, identifier: bytes) -> int:
        """Position of a replay id of 8 or 10 bytes. Raises UnknownReplayId."""
        self._purge()
        if len(identifier) not in (8, ID_LENGTH) or any(identifier[8:]):
            raise UnknownReplayId("malformed")
        position = int.from_bytes(identifier[:8], "big")
        if position not in self._issued:
            raise UnknownReplayId("unknown")
        return position

    def after(self, position: int, object_names: frozenset[str]) -> Iterator[StoredEvent]:
        """Events of these objects behind a position, in order."""
        self._purge()
        low, high = 0, len(self._events)
        while low < high:
            middle = (low + high) // 2
            if self._events[middle].position <= position:
                low = middle + 1
            else:
                high = middle
        return (event for event in self._events[low:] if event.object_name in object_names)

    def expire(self) -> None:
        """Forgets all events and ids so far, as if the retention period had passed."""
        self._events.clear()
        self._issued.clear()
        self.issue()

    def reset(self) -> None:
        """Starts a new stream, as after an instance move: other counter, nothing known, open streams
        dropped."""
        self.expire()
        self._issued.clear()
        self._position = self._rng.randrange(10_000_000, 20_000_000)
        self.issue()
        self.drop()

    def drop(self) -> None:
        """Ends every open subscription with UNAVAILABLE."""
        drop, self._drop = self._drop, asyncio.Event()
        drop.set()

    def dropped(self) -> asyncio.Event:
        """Set when the subscriptions that are open now are dropped."""
        return self._drop

    def _purge(self) -> None:
        floor = self._clock.now() - self._retention
        if self._events and self._events[0].committed < floor:
            self._events = [event for event in self._events if event.committed >= floor]
        oldest = next(iter(self._issued.values()), floor)
        if oldest < floor:
            self._issued = {at: when for at, when in self._issued.items() if when >= floor}
