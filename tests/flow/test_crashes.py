"""The agent may die at any place: after a restart every promise still holds."""

from __future__ import annotations

import pytest

from tests.architecture.flanks import declared
from tests.architecture.source import python_sources
from tests.flow.reference import SCENARIO, crashed, places
from tests.flow.world import World

#: How many of a failpoint's first hits are crashed at; ``make proof`` goes through all of them.
HITS = 1
PASSED = places()
CASES = [(place, hit) for place in sorted(PASSED) for hit in range(1, min(PASSED[place], HITS) + 1)]


def test_the_reference_scenario_passes_every_failpoint_of_the_agent() -> None:
    named = set(declared(python_sources("agent")))
    assert len(named) >= 60
    assert sorted(named - PASSED.keys()) == []


def test_the_reference_scenario_has_conflicts_documents_answers_and_lost_answers(world: World) -> None:
    for name, arguments in SCENARIO:
        getattr(world, name)(*arguments)
    rules = {str(row[0]).partition(":")[0] for row in world.rows("SELECT rule FROM conflict")}
    assert {"prefer", "manual"} <= rules
    moved = set(world.rows("SELECT DISTINCT before, after FROM journal WHERE subject = 'command'"))
    assert {
        ("sent", "uncertain"),
        ("uncertain", "sent"),
        ("stored", "accepted"),
        ("stored", "stored"),
    } <= moved
    assert world.documents == 2


@pytest.mark.invariant("I16")
@pytest.mark.parametrize(("place", "hit"), CASES, ids=[f"{place}@{hit}" for place, hit in CASES])
def test_every_promise_holds_after_a_crash_at(place: str, hit: int) -> None:
    crashed(place, hit)
