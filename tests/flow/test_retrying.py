"""Technical failures are tried again by a schedule in rows; business refusals never by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.delivery import Delivery, Outcome, OutcomeKind, Reason
from agent.core.retry import Retry
from tests.flow.judge import judge
from tests.flow.world import World

BUSY = Outcome(OutcomeKind.RETRY, code="40P01")


def answers(world: World, outcome: Outcome) -> list[Delivery]:
    """From now on the ERP answers this to everything; what it was given."""
    given: list[Delivery] = []
    world.erp._apply = lambda delivery: given.append(delivery) or outcome  # type: ignore[method-assign, func-returns-value] # a fault
    return given


def schedule(world: World) -> tuple[int, int]:
    """(attempts, ms until the next try) of the one command to the ERP."""
    [(attempts, due)] = world.rows(
        "SELECT attempts, not_before FROM outbox WHERE target = 'erp' AND state IN ('ready', 'uncertain')"
    )
    return int(attempts), int(due) - world.engine.now_ms()


def born(world: World, retry: Retry) -> None:
    """A customer that is to be created in the ERP, which is tried by this schedule."""
    world.engine.terms = replace(world.engine.terms, retry={"erp": retry})
    world.create()
    world.intake("sf")


def test_the_schedule_of_a_command_is_that_of_its_system(world: World) -> None:
    born(world, Retry(8.0, 100.0))
    answers(world, BUSY)
    waits = []
    for _ in range(8):
        world.deliver("erp")
        waits.append(schedule(world)[1])
        world.wait(200.0)
    assert 4_000 <= waits[0] <= 8_000
    assert all(4_000 <= wait <= 100_000 for wait in waits)
    assert max(waits) > 20_000
    assert schedule(world)[0] == 8


def test_a_target_that_says_when_is_not_asked_before(world: World) -> None:
    born(world, Retry(1.0, 4.0))
    answers(world, replace(BUSY, retry_after=30.0))
    world.deliver("erp")
    assert schedule(world) == (1, 30_000)


def test_the_schedule_survives_a_restart(world: World) -> None:
    born(world, Retry(60.0, 600.0))
    given = answers(world, BUSY)
    world.deliver("erp")
    before = schedule(world)
    world.restart()
    world.deliver("erp")
    assert (schedule(world), len(given)) == (before, 1)
    world.wait(600.0)
    world.deliver("erp")
    assert (schedule(world)[0], len(given)) == (2, 2)


def test_a_newer_plan_inherits_the_schedule_of_the_one_it_replaces(world: World) -> None:
    born(world, Retry(60.0, 600.0))
    answers(world, BUSY)
    world.deliver("erp")
    before = schedule(world)
    world.edit_cloud(0, "Name")
    world.intake("sf")
    assert schedule(world) == before


@pytest.mark.invariant("I16")
def test_a_try_that_certainly_failed_after_a_lost_answer_leaves_the_command_uncertain(world: World) -> None:
    """The adapter speaks of its own try; that an earlier one may have had its effect the engine knows."""
    born(world, Retry(1.0, 4.0))
    real = world.erp._apply
    world.fault("erp", "answer-lost")
    world.deliver("erp")
    given = answers(world, replace(BUSY, retry_after=30.0))
    world.wait(10.0)
    world.deliver("erp")
    assert given[0].uncertain
    assert world.rows("SELECT state, code FROM outbox WHERE target = 'erp'") == [("uncertain", "40P01")]
    assert schedule(world) == (2, 30_000)
    world.erp._apply = real  # type: ignore[method-assign] # it answers again
    judge(world)
    assert len(world.erp.rows) == 1


@pytest.mark.invariant("I12")
def test_a_business_refusal_is_never_tried_again_by_itself(world: World) -> None:
    """Not by time, not by the sweep, not by a restart: only a person or another value brings another try."""
    born(world, Retry(1.0, 4.0))
    given = answers(world, Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="23514"))
    world.deliver("erp")
    for _ in range(5):
        world.wait(86_400.0)
        world.sweep()
        world.restart()
        for system in ("sf", "erp", "sap"):
            world.intake(system)
            world.deliver(system)
    assert len(given) == 1
    assert world.rows("SELECT kind, state FROM exception WHERE system = 'erp'") == [("rejected", "open")]
