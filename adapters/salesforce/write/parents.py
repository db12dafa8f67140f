"""Which records a write touches besides its own, and how commands are laid into requests by them."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.salesforce.table import Table, is_id, long_id
from adapters.salesforce.write.sender import Lot
from agent.core.delivery import Delivery, DeliveryKind
from agent.core.objects import FieldType


def parents(table: Table, delivery: Delivery) -> tuple[str, ...]:
    """Ids of the records that the command makes it refer to, in the order of the mapping."""
    found = []
    for name, kind in table.kinds.items():
        value = delivery.fields.get(name) if kind is FieldType.REFERENCE else None
        if isinstance(value, str) and is_id(value):
            found.append(long_id(value))
    return tuple(found)


def own(delivery: Delivery) -> str:
    """What names the record of a command: its id, or of a create the external id, whatever its case."""
    if delivery.kind is DeliveryKind.CREATE or delivery.key is None:
        return f"{delivery.object}:{delivery.reference.casefold()}"
    return long_id(delivery.key)


def touched(table: Table, delivery: Delivery) -> Iterator[str]:
    """Every record that the write locks, as far as the command tells."""
    yield own(delivery)
    yield from parents(table, delivery)


def chunks(table: Table, lot: Lot, most: int) -> list[dict[int, Delivery]]:
    """Commands of one object and kind in as few requests as may be: children of a parent beside each other.

    No record is named twice in one of them: that refuses both rows (vendor: SOAP API ``upsert()``).
    """
    ordered = sorted(lot, key=lambda place: (parents(table, lot[place]), place))
    found: list[dict[int, Delivery]] = []
    named: set[str] = set()
    for place in ordered:
        name = own(lot[place])
        if not found or len(found[-1]) == most or name in named:
            found.append({})
            named = set()
        found[-1][place] = lot[place]
        named.add(name)
    return found
