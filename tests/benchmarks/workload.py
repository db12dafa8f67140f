"""What comes in: records, and events like those of Change Data Capture on records that are in the mirror.

A record is known by its number; everything that is text in it names the number, with a fixed width.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from agent.core.change import Batch, Change, ChangeKind, Operation, RawValue
from agent.core.message_id import entity_id
from agent.core.objects import FieldType
from tests.benchmarks.contract import CLOUD, FIELDS, IDENTITY_FIELD, OBJECT, TYPE, field_type, source_name

#: Digits of a record's number.
WIDTH = 12
#: Fields in a row that an update goes through: about six of them are the cloud's to write, and named.
REACH = 10
#: Shares of events that create and that delete a record; the others update one.
CREATES, DELETES = 0.08, 0.03


def digits(record: int) -> str:
    """A record's number in full width."""
    return f"{record:0{WIDTH}d}"


def cloud_key(record: int) -> str:
    """The key of a record where it was born."""
    return f"001{digits(record)}AAA"


def canonical_id(record: int) -> str:
    """The canonical id of a record."""
    return entity_id(TYPE, CLOUD, cloud_key(record))


def raw(number: int, record: int, edition: int) -> RawValue:
    """The value of a field in an edition of a record."""
    match field_type(number):
        case FieldType.DECIMAL:
            return Decimal(edition * 100 + number) / 4
        case FieldType.DATE:
            return date(2026, 1 + edition % 12, 1 + number % 28)
        case FieldType.BOOLEAN:
            return edition % 2 == 0
        case _:
            return f"value {edition} of {digits(record)}"


def created(record: int, order: int) -> Change:
    """A user creates a record with all fields."""
    fields = {source_name(number): raw(number, record, 0) for number in range(FIELDS)}
    return _event(record, order, Operation.CREATE, fields)


def updated(record: int, order: int, edition: int) -> Change:
    """A user changes fields of a record, never the business key."""
    numbers = [1 + (edition + record + step) % (FIELDS - 1) for step in range(REACH)]
    named = [number for number in numbers if number % 5 in (0, 1, 4)]  # the cloud's own, and the shared ones
    return _event(record, order, Operation.UPDATE, {source_name(n): raw(n, record, edition) for n in named})


def deleted(record: int, order: int) -> Change:
    """A user deletes a record."""
    return _event(record, order, Operation.DELETE, {})


def known(record: int) -> dict[str, RawValue]:
    """A record as both systems have held it since before the agent came, its canonical id in it."""
    return {**created(record, 1).fields, IDENTITY_FIELD: canonical_id(record)}


def _event(record: int, order: int, operation: Operation, fields: dict[str, RawValue]) -> Change:
    return Change(
        source_id=f"event-{digits(record)}-{order}",
        stream="events",
        kind=ChangeKind.EVENT,
        object=OBJECT,
        keys=(cloud_key(record),),
        operation=operation,
        fields=fields,
        order=order,
        at=datetime.now(UTC),
        version=f"{order}",
        origin="user",
    )


def batches(changes: Sequence[Change], size: int) -> list[Batch]:
    """Changes as a source gives them, each batch with the position behind it."""
    return [
        Batch("events", tuple(changes[at : at + size]), str(changes[at].order + size).encode())
        for at in range(0, len(changes), size)
    ]


class Events:
    """Events on records of a mirror, each on another one. ``mixed``: some create and delete records, too.

    size  records that there were at first
    """

    def __init__(self, free: range, *, mixed: bool = False, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self.size = len(free)
        self._free = list(free)
        self._chance.shuffle(self._free)
        self._mixed = mixed
        self._born = free.stop
        self._order = 1_000

    def take(self, count: int) -> list[Change]:
        """The next events; fewer where every record had its event."""
        return [self._next() for _ in range(min(count, len(self._free)))]

    @property
    def left(self) -> int:
        """How many records had no event yet."""
        return len(self._free)

    def _next(self) -> Change:
        self._order += 1
        drawn = self._chance.random() if self._mixed else 1.0
        if drawn < CREATES:
            self._born += 1
            return created(self._born + 10**9, self._order)
        record = self._free.pop()
        if drawn < CREATES + DELETES:
            return deleted(record, self._order)
        return updated(record, self._order, 1 + self._order % 97)
