"""The loop of a delivery: back at once while there is work, at a command's own time, apart in a storm."""

from __future__ import annotations

import random

import pytest

from agent.core.delivery import Delivery, Outcome, OutcomeKind
from agent.core.retry import LEAST_S, Retry
from agent.errors import Refused, Unreachable
from agent.flow.health import Health
from agent.flow.rounds import IDLE_S, Rounds, after
from tests.flow.world import World, now

BUSY = Outcome(OutcomeKind.RETRY, code="40P01", text="deadlock")


def rounds(world: World, system: str = "erp", retry: Retry | None = None) -> Rounds:
    """The delivery loop of a system, driven by hand."""
    if retry is not None:
        world.engine.terms = world.engine.terms.__class__(retry={system: retry})
    delivery = world.deliveries[system]
    return Rounds(
        world.engine,
        Health(world.engine),
        system,
        "delivery",
        delivery.step,
        delivery.next_due_ms,
        world.engine.deliver[system],
        refused=lambda: delivery.refused_all,
        chance=random.Random(1),
    )


def always(world: World, outcome: Outcome) -> list[Delivery]:
    """From now on the ERP answers this to everything; what it was given."""
    given: list[Delivery] = []

    def answer(delivery: Delivery) -> Outcome:
        given.append(delivery)
        return outcome

    world.erp._apply = answer  # type: ignore[method-assign] # a busy ERP
    return given


def state(world: World, system: str = "erp") -> tuple[str, str]:
    [(found, reason)] = world.rows(f"SELECT state, reason FROM system WHERE name = '{system}'")
    return str(found), str(reason)


def declared(world: World) -> World:
    now(Health(world.engine).declare())
    return world


def test_while_there_is_work_the_loop_does_not_rest(world: World) -> None:
    world.create()
    world.intake("sf")
    loop = rounds(world)
    assert now(loop.once()).seconds == 0.0
    assert now(loop.once()).seconds == IDLE_S


def test_a_failed_command_is_tried_again_at_its_own_time_and_not_later(world: World) -> None:
    world.create()
    world.intake("sf")
    always(world, BUSY)
    loop = rounds(declared(world), retry=Retry(4.0, 60.0))
    for _ in range(6):
        pause = now(loop.once())
        [(due,)] = world.rows("SELECT not_before FROM outbox WHERE target = 'erp'")
        assert pause.seconds == pytest.approx(max((due - world.engine.now_ms()) / 1000, LEAST_S))
        assert pause.least == LEAST_S
        world.clock.move(pause.seconds)


def test_new_work_is_not_kept_waiting_by_one_command_that_fails(world: World) -> None:
    world.create()
    world.intake("sf")
    given = always(world, BUSY)
    loop = rounds(declared(world), retry=Retry(60.0, 60.0))
    pause = now(loop.once())
    world.create()
    world.intake("sf")
    assert world.engine.deliver["erp"].event.is_set(), "new work wakes the loop"
    world.clock.move(pause.least)
    now(loop.once())
    assert len({delivery.reference for delivery in given}) == 2


def test_a_target_that_answers_later_to_everything_is_asked_ever_less_often(world: World) -> None:
    for _ in range(60):
        world.create()
    while world.intake("sf"):
        pass
    given = always(world, BUSY)
    loop = rounds(declared(world), retry=Retry(0.5, 20.0))
    pauses = []
    for _ in range(12):
        pause = now(loop.once())
        assert pause.least == pause.seconds
        pauses.append(pause.seconds)
        world.clock.move(pause.seconds)
    assert pauses[-1] > 5 * pauses[0]
    assert max(pauses) <= 20.0
    assert len(given) <= 12 * 2, "a batch per round"
    assert len({delivery.reference for delivery in given}) > 2, "those behind the first get their turn"


def test_a_system_stays_degraded_until_a_try_succeeds_or_nothing_is_left_to_try(world: World) -> None:
    world.create()
    world.intake("sf")
    real = world.erp._apply
    always(world, BUSY)
    loop = rounds(declared(world), retry=Retry(10.0, 60.0))
    now(loop.once())
    assert state(world)[0] == "degraded"
    now(loop.once())  # woken early: nothing is due, and nothing is better
    assert state(world)[0] == "degraded"
    world.erp._apply = real  # type: ignore[method-assign] # it answers again
    world.clock.move(60.0)
    now(loop.once())
    assert state(world)[0] == "up"


def test_a_held_system_that_failed_is_not_degraded_for_what_is_not_tried(world: World) -> None:
    world.create()
    world.intake("sf")
    always(world, BUSY)
    loop = rounds(declared(world), retry=Retry(10.0, 60.0))
    now(loop.once())
    world.hold("erp")
    assert now(loop.once()).seconds == IDLE_S
    assert state(world)[0] == "up"


def test_a_system_that_does_not_answer_is_asked_again_within_its_cap() -> None:
    retry = Retry(1.0, 8.0)
    gone = Unreachable("no answer")
    assert after(gone, 1, retry, 0.999) <= 1.0
    assert max(after(gone, failures, retry, 0.999) for failures in range(40)) <= 8.0
    assert after(Refused("no"), 1, retry, 0.999) == pytest.approx(8.0, rel=0.01)
    assert after(Unreachable("later", retry_after=120.0), 1, retry, 0.5) == 120.0


def test_a_system_that_is_down_is_told_by_what_stopped_its_intake(world: World) -> None:
    health = Health(world.engine)
    now(health.declare())
    now(health.ill("erp", "delivery", "erp: commit not answered"))
    now(health.ill("erp", "intake", "erp: no connection (check the server)"))
    assert state(world) == ("down", "no connection (check the server)")
    now(health.well("erp", "intake"))
    assert state(world) == ("degraded", "commit not answered")


LATER = Outcome(OutcomeKind.RETRY, code="Refused", text="the next sign-in is tried later", retry_after=60.0)


def waiting(world: World) -> int:
    """Milliseconds until the one command for the ERP is due."""
    [(due,)] = world.rows("SELECT not_before FROM outbox WHERE target = 'erp'")
    return int(due) - world.engine.now_ms()


@pytest.mark.parametrize("restarted", [False, True])
def test_what_waited_for_a_system_that_was_down_is_due_once_it_is_back(world: World, restarted: bool) -> None:
    """A command that was told to come later waits no longer than its system is down, after a restart too."""
    world.create()
    world.intake("sf")
    real = world.erp._apply
    always(world, LATER)
    loop = rounds(declared(world))
    now(loop.once())
    health = Health(world.engine)
    now(health.ill("erp", "intake", "the sign-in was refused"))
    assert waiting(world) > 50_000
    if restarted:
        health = Health(world.engine)
        now(health.declare())
    world.erp._apply = real  # type: ignore[method-assign] # it is back
    world.engine.deliver["erp"].event.clear()
    now(health.well("erp", "intake"))
    assert waiting(world) <= 0
    assert world.engine.deliver["erp"].event.is_set(), "the loop is woken"
    now(loop.once())
    assert world.rows("SELECT state FROM outbox WHERE target = 'erp'") == [("accepted",)]


def test_one_command_that_rests_is_not_hurried_by_a_system_that_was_up_all_the_time(world: World) -> None:
    world.create()
    world.intake("sf")
    always(world, LATER)
    now(rounds(declared(world)).once())
    health = Health(world.engine)
    now(health.declare())
    now(health.ill("erp", "delivery", "the sign-in was refused"))
    now(health.well("erp", "delivery"))
    assert waiting(world) > 50_000
