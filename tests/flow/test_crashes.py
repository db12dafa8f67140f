"""The agent may die at any place: after a restart every promise still holds."""

from __future__ import annotations

import pytest

from tests.architecture.flanks import declared
from tests.architecture.source import python_sources
from tests.flow.reference import SCENARIO, SCENARIOS, crashed, places
from tests.flow.world import World

PASSED = {scenario: places(scenario) for scenario in SCENARIOS}
#: Every failpoint in the first scenario that passes it; ``make proof`` goes through all of its hits.
CASES = [
    (next(scenario for scenario in SCENARIOS if place in PASSED[scenario]), place)
    for place in sorted(set().union(*PASSED.values()))
]


#: Passed only where two agents run on copies of a store; tests/flow/test_rollback crashes there.
OF_TWO = frozenset({"fence.lost.before_commit", "fence.lost.after_commit"})


def test_the_scenarios_pass_every_failpoint_of_the_agent() -> None:
    named = set(declared(python_sources("agent")))
    assert len(named) >= 60
    assert sorted(named - {place for _, place in CASES} - OF_TWO) == []


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
@pytest.mark.parametrize(("scenario", "place"), CASES)
def test_every_promise_holds_after_a_crash_at(scenario: str, place: str) -> None:
    crashed(scenario, place, hit=1)
