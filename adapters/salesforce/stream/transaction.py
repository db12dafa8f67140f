"""Transactions that arrive in pieces: their changes wait for each other, so that they become durable at once.

A transaction ends when the next one begins, or when nothing more came for a moment: no event says that it is
the last (Change Data Capture guide, "Transaction-Based Replication").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from agent.core.change import Batch, Change

_log = structlog.get_logger(__name__)

#: What is held back for one transaction at most, in events and in bytes; beyond, it is handed on in parts.
MOST_EVENTS = 2_000
MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """One event in its stream.

    replay       its replay id
    size         its share of the bytes that arrived
    transaction  its transaction; None where it could not be read, which ends none
    changes      what is to be taken from it; none where nothing of it is wanted
    """

    replay: bytes
    size: int
    transaction: str | None
    changes: tuple[Change, ...]


class Assembly:
    """The events of one stream that were read and not handed on yet, in their order.

    ``idle_s``: after so long without another event the last transaction counts as whole.
    ``several``: the stream carries several objects; there an event may come apart into one for each of its
    records, with one replay id (CDC developer guide, "Event Enrichment Considerations"). Whoever went on
    behind that id would miss those that are still to come, so the place is behind it only when something
    else has followed.
    """

    def __init__(self, stream: str, idle_s: float, *, several: bool = False) -> None:
        self._stream = stream
        self._idle_s = idle_s
        self._several = several
        self._last = b""  # the replay id up to which everything was handed on
        self._items: list[Item] = []
        self._begin = 0  # where the last transaction begins
        self._key: str | None = None
        self._bytes = 0  # of the last transaction
        self._wanted = False  # it has changes for us
        self._arrived = 0.0
        self._split: str | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def due(self) -> float:
        """When the last transaction counts as whole if nothing more comes."""
        return self._arrived + self._idle_s

    def add(self, item: Item, arrived: float) -> None:
        """Take the next event of the stream, which arrived at that time of the loop's clock."""
        if item.transaction is not None and item.transaction != self._key:
            self._key = item.transaction
            self._begin, self._bytes, self._wanted = len(self._items), 0, False
        self._items.append(item)
        self._bytes += item.size
        self._wanted = self._wanted or bool(item.changes)
        self._arrived = arrived

    def finished(self) -> int:
        """How many events may be handed on now, whatever comes."""
        if self.is_full:
            if self._split != self._key:
                self._split = self._key
                _log.warning(
                    "a transaction is too large to be taken at once: it is taken in parts",
                    action="salesforce.transaction.split",
                    stream=self._stream,
                    transaction=self._key,
                    events=len(self._items) - self._begin,
                )
            return len(self._items)
        return self._begin if self._wanted else len(self._items)

    def take(self, count: int) -> tuple[Batch, int]:
        """Hand on the first events: as a batch whose position is the last of them, and their bytes."""
        taken, self._items = self._items[:count], self._items[count:]
        self._begin = max(0, self._begin - count)
        if not self._items:
            self._bytes, self._wanted = 0, False
        changes = tuple(change for item in taken for change in item.changes)
        batch = Batch(self._stream, changes, self._place(taken) or None)
        return batch, sum(item.size for item in taken)

    def passed(self, place: bytes) -> None:
        """The server has looked as far as this, and sent all that is before it."""
        self._last = place or self._last

    def _place(self, taken: Sequence[Item]) -> bytes:
        """Behind what everything is told: the last of these, or the last that something else has followed."""
        last, before = taken[-1].replay, self._last
        self._last = last or before
        if not self._several or (self._items and self._items[0].replay != last):
            return last
        return next((item.replay for item in reversed(taken) if item.replay != last), before)

    @property
    def is_full(self) -> bool:
        """Whether no more can be held back."""
        return len(self._items) - self._begin >= MOST_EVENTS or self._bytes >= MOST_BYTES
