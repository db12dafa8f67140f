"""A batch on its way to the worker, and what it tells while it works, by the places in the batch.

Deliveries and outcomes travel as plain tuples: pickle asks every object of a slotted class for its state by a
function in Python, which costs more than a row of a large statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from agent.core.delivery import Delivery, Guard, Outcome

_NAMES = tuple(field.name for field in fields(Delivery))
_GUARD = _NAMES.index("guard")
_DELIVERY = attrgetter(*_NAMES)
_OUTCOME = attrgetter(*(field.name for field in fields(Outcome)))


def flattened(deliveries: Iterable[Delivery]) -> list[tuple[Any, ...]]:
    """Deliveries as they are sent."""
    return [_flat(delivery) for delivery in deliveries]


def _flat(delivery: Delivery) -> tuple[Any, ...]:
    values: tuple[Any, ...] = _DELIVERY(delivery)
    guard = delivery.guard
    if guard is None:
        return values
    return *values[:_GUARD], (guard.version, guard.values), *values[_GUARD + 1 :]


def restored(flat: Iterable[Sequence[Any]]) -> list[Delivery]:
    """Deliveries as they were."""
    return [_whole(values) for values in flat]


def _whole(values: Sequence[Any]) -> Delivery:
    parts = list(values)
    if parts[_GUARD] is not None:
        parts[_GUARD] = Guard(*parts[_GUARD])
    return Delivery(*parts)


@dataclass(frozen=True, slots=True)
class Begun:
    """A transaction of these begins. Those of the one before it that have no outcome had no effect."""

    places: frozenset[int]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of some of them."""

    outcomes: Mapping[int, Outcome]

    def __reduce__(self) -> tuple[Any, ...]:
        return _done, ({place: _OUTCOME(outcome) for place, outcome in self.outcomes.items()},)


def _done(flat: Mapping[int, Sequence[Any]]) -> Done:
    return Done({place: Outcome(*values) for place, values in flat.items()})
