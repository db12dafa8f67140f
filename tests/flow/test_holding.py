"""One command stops all writes: from the very next step on, over restarts, while everything else goes on."""

from __future__ import annotations

import pytest

from agent.errors import InputError
from agent.flow.acted import Acted
from agent.flow.acts import ExceptionActs
from tests.flow.judge import judge
from tests.flow.world import SYSTEMS, World, now


def hold(world: World, system: str = "*", reason: str = "the ERP is restored") -> Acted:
    return now(ExceptionActs(world.engine).hold(system, "op1", reason))


def release(world: World, scope: str = "*", reason: str = "done") -> Acted:
    return now(ExceptionActs(world.engine).release(scope, "op1", reason))


def calls(world: World) -> dict[str, int]:
    """How often each system was handed something."""
    return {system: world.meanwhile.passed[f"{system}.apply"] for system in SYSTEMS}


def ready(world: World, target: str) -> int:
    """Commands that stand ready for a target."""
    [(count,)] = world.rows(f"SELECT count(*) FROM outbox WHERE target = '{target}' AND state = 'ready'")
    return int(count)


def goes_on(world: World) -> None:
    """Everything that an agent does, once."""
    for system in SYSTEMS:
        world.intake(system)
        world.deliver(system)
    for system in ("sf", "erp"):
        world.confirm(system)


def test_a_held_system_is_sent_nothing_while_reading_and_planning_go_on(world: World) -> None:
    hold(world, "erp")
    world.create()
    goes_on(world)
    assert calls(world)["erp"] == 0
    assert ready(world, "erp") == 1
    assert calls(world)["sap"] == 1
    release(world, "erp")
    judge(world)
    assert len(world.erp.rows) == 1


def test_all_systems_are_stopped_in_one_step(world: World) -> None:
    world.create()
    world.intake("sf")
    acted = hold(world)
    assert acted.done
    assert "all systems: nothing more is sent from now on; 3 commands wait" in acted.text
    goes_on(world)
    assert sum(calls(world).values()) == 0
    release(world)
    judge(world)


@pytest.mark.invariant("I16")
def test_a_hold_between_taking_and_sending_stops_the_command(world: World) -> None:
    world.create()
    world.intake("sf")
    world.happens_at("erp.prepare", "hold", "erp")
    world.deliver("erp")
    assert calls(world)["erp"] == 0
    assert ready(world, "erp") == 1
    release(world, "erp")
    judge(world)


def test_what_was_handed_over_already_is_written_down_when_it_is_answered(world: World) -> None:
    world.create()
    world.intake("sf")
    world.happens_at("erp.apply", "hold", "erp")
    world.deliver("erp")
    assert world.rows("SELECT state FROM outbox WHERE target = 'erp'") == [("accepted",)]
    judge(world)


@pytest.mark.invariant("I16")
def test_an_uncertain_command_is_not_sent_again_while_its_system_is_held(world: World) -> None:
    world.create()
    world.intake("sf")
    world.fault("erp", "never-arrived")
    world.deliver("erp")
    hold(world, "erp")
    before = calls(world)["erp"]
    for _ in range(5):
        world.wait(130.0)
        world.deliver("erp")
    assert calls(world)["erp"] == before
    assert world.rows("SELECT state FROM outbox WHERE target = 'erp'") == [("uncertain",)]
    release(world, "erp")
    judge(world)


def test_a_lost_answer_is_still_looked_up_by_reading_while_its_system_is_held(world: World) -> None:
    world.create()
    world.settle()
    world.edit_erp(0, "terms")
    world.intake("erp")
    world.fault("sf", "answer-lost")
    world.deliver("sf")
    hold(world, "sf")
    world.wait(130.0)
    for _ in range(3):
        world.deliver("sf")
        world.confirm("sf")
        world.wait(2.0)
    assert world.rows("SELECT count(*) FROM outbox WHERE state = 'uncertain'") == [(0,)]
    judge(world)


def test_a_hold_survives_restarts(world: World) -> None:
    hold(world, "erp")
    world.restart()
    world.create()
    goes_on(world)
    assert calls(world)["erp"] == 0
    assert ready(world, "erp") == 1


def test_a_held_system_does_not_keep_its_loop_busy(world: World) -> None:
    world.create()
    world.intake("sf")
    assert now(world.deliveries["erp"].next_due_ms()) is not None
    hold(world, "erp")
    assert world.deliver("erp") == 0
    assert now(world.deliveries["erp"].next_due_ms()) is None


def test_a_release_wakes_the_delivery(world: World) -> None:
    hold(world, "erp")
    world.engine.deliver["erp"].event.clear()
    release(world, "erp")
    assert world.engine.deliver["erp"].event.is_set()


def test_letting_one_system_go_leaves_the_others_held_as_they_were(world: World) -> None:
    hold(world)
    acted = release(world, "erp")
    assert "still held: sap, sf" in acted.text
    held = world.rows("SELECT scope, actor, why FROM hold ORDER BY scope")
    assert held == [("sap", "op1", "the ERP is restored"), ("sf", "op1", "the ERP is restored")]
    world.create()
    goes_on(world)
    assert (calls(world)["erp"], calls(world)["sap"]) == (1, 0)


def test_holding_twice_keeps_the_first_reason_and_releasing_nothing_says_so(world: World) -> None:
    hold(world, "erp", "first")
    assert "held already, by op1: first" in hold(world, "erp", "second").text
    assert release(world).text == "released: erp"
    assert release(world).text == "no system was held"
    assert release(world, "erp").text == "erp was not held"


def test_every_hold_and_release_is_in_the_journal_with_actor_and_reason(world: World) -> None:
    hold(world, "erp", "the ERP is restored")
    release(world, "erp", "it is back")
    rows = world.rows("SELECT subject_id, before, after, why, actor FROM journal WHERE subject = 'flow'")
    assert rows == [
        ("erp", "open", "held", "the ERP is restored", "op1"),
        ("erp", "held", "open", "it is back", "op1"),
    ]
    verbs = world.rows("SELECT subject_id, after FROM journal WHERE subject = 'verb'")
    assert verbs == [("flow hold erp", "done"), ("flow release erp", "done")]


def test_a_system_that_does_not_exist_is_refused_with_the_nearest_name(world: World) -> None:
    with pytest.raises(InputError, match="no system 'erpp'; did you mean 'erp'"):
        hold(world, "erpp")
    with pytest.raises(InputError, match="no system 'spa'; did you mean 'sap'"):
        release(world, "spa")
    with pytest.raises(InputError, match="is a scope: only systems are held by hand"):
        hold(world, "customer@erp")
    assert world.rows("SELECT * FROM hold") == []
