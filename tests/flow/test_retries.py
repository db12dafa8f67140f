"""When a command that certainly did nothing is tried again."""

from __future__ import annotations

import itertools

import pytest

from agent.core.delivery import Delivery, Outcome, OutcomeKind
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I12")
#: What the cloud asks for; far more than the engine's own pauses in these tests.
ASKED_S = 60.0


def busy(world: World) -> list[float]:
    """The cloud turns every update away and says when to come again; the moments at which it was asked."""
    asked: list[float] = []

    def apply(delivery: Delivery) -> Outcome:
        asked.append(world.clock.monotonic())
        return Outcome(OutcomeKind.RETRY, code="REQUEST_LIMIT_EXCEEDED", retry_after=ASKED_S)

    world.cloud._apply = apply  # type: ignore[method-assign] # an org that has used up its calls
    return asked


def test_a_server_that_names_its_waiting_time_is_not_asked_before_it_is_over(world: World) -> None:
    world.create()
    world.settle()
    world.edit_erp(0, "terms")
    world.intake("erp")
    asked = busy(world)
    for _ in range(14):
        world.deliver("sf")
        world.wait(10.0)
    assert len(asked) == 3
    assert all(later - earlier >= ASKED_S for earlier, later in itertools.pairwise(asked))
