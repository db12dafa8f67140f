"""Is everything everywhere, once, and the same?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .findings import Different, Doubled, Missing, shown
from .mapping import KEPT_BY, OBJECTS
from .world import Holding, World

_EXTERNAL_ID = "Isthmus_Id__c"
_Groups = Mapping[str, Mapping[str, Sequence[Holding]]]


@dataclass(slots=True)
class Comparison:
    """What the comparison found. ``fields`` counts values compared with another system's."""

    entities: int = 0
    fields: int = 0
    missing: list[Missing] = field(default_factory=list)
    different: list[Different] = field(default_factory=list)
    doubled: list[Doubled] = field(default_factory=list)


def compare(world: World) -> Comparison:
    """Every record of every object, across all systems that keep the object."""
    found = Comparison()
    for object_name in OBJECTS:
        groups = _by_number(world, object_name)
        found.missing += _unnumbered(world, object_name)
        numbers = sorted({number for group in groups.values() for number in group})
        found.entities += len(numbers)
        for number in numbers:
            _compare_one(found, object_name, number, groups)
    found.doubled += _created_twice(world)
    found.doubled += [Doubled("idoc", name, "sap", "posted", 2) for name in world.posted_twice]
    return found


def _by_number(world: World, object_name: str) -> _Groups:
    groups: dict[str, dict[str, list[Holding]]] = {system: {} for system in KEPT_BY[object_name]}
    for system, group in groups.items():
        for holding in world.holdings[object_name][system]:
            if holding.number:
                group.setdefault(holding.number, []).append(holding)
    return groups


def _unnumbered(world: World, object_name: str) -> Iterator[Missing]:
    for system in KEPT_BY[object_name]:
        for holding in world.holdings[object_name][system]:
            if not holding.number:
                yield Missing(object_name, "", system, holding.own_key)


def _compare_one(found: Comparison, object_name: str, number: str, groups: _Groups) -> None:
    present: dict[str, Holding] = {}
    for system, group in groups.items():
        rows = group.get(number, ())
        if not rows:
            found.missing.append(Missing(object_name, number, system))
            continue
        present[system] = rows[0]
        if len(rows) > 1:
            found.doubled.append(Doubled(object_name, number, system, "exists", len(rows)))
    for each in OBJECTS[object_name]:
        values = {system: row.fields[each.name] for system, row in present.items() if system in each.places}
        found.fields += max(0, len(values) - 1)
        if len(set(values.values())) > 1:
            visible = {system: shown(value, each) for system, value in values.items()}
            found.different.append(Different(object_name, number, each.name, visible))


def _created_twice(world: World) -> Iterator[Doubled]:
    """Creates under one external id, deleted again or not; external ids are compared without case."""
    creates = Counter(
        (str(entry["object"]), str(entry["fields"][_EXTERNAL_ID]).lower())
        for entry in world.writes
        if entry["operation"] == "create" and entry["fields"].get(_EXTERNAL_ID)
    )
    for (sobject, key), count in sorted(creates.items()):
        if count > 1:
            yield Doubled(sobject, key, "salesforce", "created", count)
