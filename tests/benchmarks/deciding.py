"""The pure core: what one entity costs to decide, beside comparing dictionaries of the same values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

from agent.core.contract import EntityRules
from agent.core.entity import Entity, Image
from agent.core.mapping import Decoder
from agent.core.plan import Send, Surroundings, plan
from agent.core.rulebook import context_of
from agent.core.survivorship import merge
from tests.benchmarks.contract import CLOUD, ERP, IDENTITY_FIELD, SAP, TYPE, field_name, rules, source_name
from tests.benchmarks.figures import Figure, Rounds
from tests.benchmarks.peers import Peer
from tests.benchmarks.running import Run
from tests.benchmarks.workload import canonical_id, raw

SIZES = (10, 40)
TODAY = date(2026, 3, 1)
#: Field numbers that change: the first system's own.
CHANGED = (0, 1, 5, 6)


def deciding(run: Run) -> Iterator[Figure]:
    """Merging and planning an entity of few and of many fields in three systems."""
    for fields in SIZES:
        book = rules(fields, [Peer(name, IDENTITY_FIELD) for name in (CLOUD, ERP, SAP)])
        calm = _settled(book, fields)
        for name, entity in (
            (f"{fields} fields, equal", calm),
            (f"{fields} fields, 4 changed", _moved(calm)),
        ):
            times = max(run.records // 2_000, 5)
            ours, bare = [], []
            for _ in run.rounds(f"deciding: {name}"):
                ours.append(_timed(lambda e=entity, b=book: decide(e, b), times))  # type: ignore[misc] # bound now
                bare.append(_timed(lambda e=entity: compare(e), times))  # type: ignore[misc] # bound now
            yield Rounds(ours, bare).figure("deciding", name, "µs", 1e6)


def decide(entity: Entity, book: EntityRules) -> int:
    """Merge, then plan every target. Returns how many commands that makes."""
    context = context_of(entity, book, TODAY)
    merged = merge(entity, book, context).entity
    around = Surroundings()
    return sum(isinstance(plan(merged, target, book, context, around), Send) for target in book.systems)


def compare(entity: Entity) -> int:
    """The same question put to dictionaries: which values of the first system the others do not hold."""
    first, *others = entity.images.values()
    found = 0
    for image in others:
        differing = {name: value for name, value in first.fields.items() if image.fields.get(name) != value}
        found += bool(differing)
    return found


def _settled(book: EntityRules, fields: int) -> Entity:
    """An entity that all systems hold alike, as the core leaves it."""
    held = {source_name(number): raw(number, 1, 0) for number in range(fields)}
    held[IDENTITY_FIELD] = canonical_id(1)
    place = book.at(CLOUD)
    decoded = Decoder(book, place, lambda _type, _system, _key: None).decode(held, whole=True)
    images = {name: Image(fields=dict(decoded.fields), fresh=True) for name in book.systems}
    entity = Entity(canonical_id(1), TYPE, images=images, keys=dict.fromkeys(book.systems, "1"), birth=CLOUD)
    settled = merge(entity, book, context_of(entity, book, TODAY)).entity
    assert decide(settled, book) == 0, "an entity that is equal everywhere needs no command"
    return settled


def _moved(entity: Entity) -> Entity:
    """The same after a change in the first system: every other one is to be told."""
    image = entity.images[CLOUD]
    changed = {
        field_name(number): "new" if number < 2 else image.fields[field_name(number)] for number in CHANGED
    }
    return entity.with_image(CLOUD, replace(image, fields={**image.fields, **changed}))


def _timed(work: Callable[[], int], times: int) -> float:
    """Processor seconds of one call, out of many: nothing here waits."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times
