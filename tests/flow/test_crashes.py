"""The agent may die at any place: after a restart every promise still holds."""

from __future__ import annotations

import pytest

from tests.flow.reference import SCENARIO, crashed, places
from tests.flow.world import World

#: How many of a failpoint's first hits are crashed at.
HITS = 3
PASSED = places()
CASES = [(place, hit) for place in sorted(PASSED) for hit in range(1, min(PASSED[place], HITS) + 1)]
#: What the flow does: the reference scenario must pass all of it, or the sweep would be blind there.
NEEDED = {
    "intake.before_commit",
    "intake.after_commit",
    "intake.before_ack",
    "intake.after_ack",
    "confirm.before_commit",
    "confirm.after_commit",
    "delivery.take.before_commit",
    "delivery.take.after_commit",
    "delivery.after_prepare",
    "delivery.sent.before_commit",
    "delivery.sent.after_commit",
    "delivery.before_apply",
    "delivery.after_apply",
    "delivery.outcome.before_commit",
    "delivery.outcome.after_commit",
    "delivery.resolve.before_commit",
    "delivery.resolve.after_commit",
    "blind.before_rename",
    "blind.after_rename",
    "recovery.before_commit",
    "recovery.after_commit",
    "recovery.plan.before_commit",
    "recovery.plan.after_commit",
    "ruling.before_commit",
    "ruling.after_commit",
    "sweep.overdue.before_commit",
    "sweep.unbound.after_commit",
}


def test_the_reference_scenario_passes_every_place_of_the_flow() -> None:
    assert not NEEDED - PASSED.keys()


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
