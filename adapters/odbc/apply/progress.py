"""A batch on its way to the worker, and what it tells while it works, by the places in the batch.

Deliveries and outcomes travel as plain tuples: pickle asks every object of a slotted class for its state by a
function in Python, which costs more than a row of a large statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from agent.core.delivery import Delivery, Outcome

_DELIVERY = attrgetter(*(field.name for field in fields(Delivery)))
_OUTCOME = attrgetter(*(field.name for field in fields(Outcome)))


def flattened(deliveries: Iterable[Delivery]) -> tuple[Any, ...]:
    """Deliveries as they are sent."""
    return tuple(_DELIVERY(delivery) for delivery in deliveries)


def restored(flat: Iterable[Sequence[Any]]) -> list[Delivery]:
    """Deliveries as they were."""
    return [Delivery(*values) for values in flat]


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
