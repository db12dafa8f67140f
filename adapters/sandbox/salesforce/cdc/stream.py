"""The event bus of the org: events in commit order under opaque, non-contiguous replay ids.

A replay id is 10 bytes: an 8-byte big-endian counter and two zero bytes. Ids are handed out for events and
for the empty responses of quiet topics; only ids handed out since the last expiry or reset are known.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adapters.sandbox.salesforce.org.clock import OrgClock

if TYPE_CHECKING:
    from adapters.sandbox.salesforce.cdc.events import Change, Commit

ID_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Detail:
    """What a change event was made from: channels filter and enrich by it."""

    change: Change
    commit: Commit
    sequence: int


@dataclass(frozen=True, slots=True)
class Draft:
    """One event on its way to the bus. ``source`` is an object, or the name of a platform event."""

    source: str
    event_id: str
    schema_id: str
    payload: bytes
    detail: Detail | None = None


@dataclass(slots=True, eq=False)
class StoredEvent:
    """One event on the bus. ``event_id`` stays the same when the event is delivered twice; ``frame`` is what
    subscribers are sent, made when the first one is."""

    position: int
    source: str
    event_id: str
    schema_id: str
    payload: bytes
    committed: datetime
    detail: Detail | None = None
    frame: bytes = b""


@dataclass(slots=True)
class Subscribed:
    """What became of one subscription: where it began (``replay_id`` as hex, blank for a preset), how many
    events it was sent, the most credit it ever had, and whether it is still open."""

    topic: str
    preset: str = ""
    replay_id: str = ""
    sent: int = 0
    most_credit: int = 0
    open: bool = False


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
        self.retention = retention
        self._events: list[StoredEvent] = []
        self._issued: dict[int, datetime] = {}
        self._held: list[Draft] | None = None
        self._position = rng.randrange(1_000_000, 2_000_000)
        self.listeners: set[Callable[[], None]] = set()
        self.delivered = 0
        self.drops = 0
        self.silences = 0
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

    def publish(self, draft: Draft) -> bytes:
        """Appends an event and wakes the subscribers; its replay id (blank while the bus is held)."""
        if self._held is not None:
            self._held.append(draft)
            return b""
        now = self._clock.now()
        position = self.issue()
        self._events.append(
            StoredEvent(
                position, draft.source, draft.event_id, draft.schema_id, draft.payload, now, draft.detail
            )
        )
        self.wake()
        return replay_id(position)

    @property
    def oldest(self) -> int:
        """The position of the oldest event that is kept."""
        return self._events[0].position if self._events else self._position

    def newest(self, source: str) -> bytes:
        """Replay id of the newest event of an object or notice that is kept; blank where there is none."""
        return next(
            (replay_id(each.position) for each in reversed(self._events) if each.source == source), b""
        )

    def kept(self, position: int) -> list[StoredEvent]:
        """Events behind a position."""
        at = len(self._events)
        while at and self._events[at - 1].position > position:
            at -= 1
        return self._events[at:]

    def resume(self, position: int, events: list[StoredEvent]) -> None:
        """Goes on behind the events of an earlier life; their replay ids and the last one handed out stay
        known."""
        self._events = events
        self._issued = {each.position: each.committed for each in events}
        self._position = position
        self._issued[position] = self._clock.now()

    def hold(self, seconds: float) -> None:
        """Keeps back everything that is published from now on until the time is over."""
        if self._held is None:
            self._held = []
            asyncio.get_running_loop().call_later(seconds, self._release)

    def _release(self) -> None:
        held, self._held = self._held or [], None
        for draft in held:
            self.publish(draft)

    def wake(self) -> None:
        """Lets every subscriber look again."""
        for listener in self.listeners:
            listener()

    def resolve(self, identifier: bytes) -> int:
        """Position of a replay id of 8 or 10 bytes. Raises UnknownReplayId."""
        self._purge()
        if len(identifier) not in (8, ID_LENGTH) or any(identifier[8:]):
            raise UnknownReplayId("malformed")
        position = int.from_bytes(identifier[:8], "big")
        if position not in self._issued:
            raise UnknownReplayId("unknown")
        return position

    def after(self, position: int, sources: Mapping[str, object]) -> Iterator[StoredEvent]:
        """Events of these sources behind a position, in order."""
        self._purge()
        low, high = 0, len(self._events)
        while low < high:
            middle = (low + high) // 2
            if self._events[middle].position <= position:
                low = middle + 1
            else:
                high = middle
        events = self._events
        return (events[at] for at in range(low, len(events)) if events[at].source in sources)

    def expire(self) -> None:
        """Forgets all events and ids so far, as if the retention period had passed."""
        self._events = []
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
        self.drops += 1
        self.wake()

    def silence(self) -> None:
        """Lets every open subscription stay open and say nothing more, as behind a dead gateway."""
        self.silences += 1
        self.wake()

    def _purge(self) -> None:
        floor = self._clock.now() - self.retention
        if self._events and self._events[0].committed < floor:
            self._events = [event for event in self._events if event.committed >= floor]
        oldest = next(iter(self._issued.values()), floor)
        if oldest < floor:
            self._issued = {at: when for at, when in self._issued.items() if when >= floor}
