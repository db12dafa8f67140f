"""How soon a command whose answer was lost in a crash is resolved (I16)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow.systems.cloud import MAX_REQUEST_S
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I16")


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    try:
        yield found
    finally:
        found.close()


def _state(world: World, target: str) -> str:
    return str(world.rows(f"SELECT state FROM outbox WHERE target = '{target}' ORDER BY number DESC")[0][0])


def test_a_ledger_is_asked_at_once(world: World) -> None:
    """Nothing has to be waited out where a lost request holds its ledger row."""
    world.create()
    world.intake("sf")
    world.crash_at("delivery.after_apply", 1)
    world.deliver("erp")
    assert world.crashes == 1 and _state(world, "erp") == "uncertain"
    world.deliver("erp")
    assert _state(world, "erp") == "accepted" and len(world.erp.rows) == 1


def test_a_try_that_was_turned_away_says_nothing_about_the_one_before(world: World) -> None:
    """It is certain only that the second try did nothing: the command stays what it was."""
    world.create()
    world.intake("sf")
    world.fault("erp", "answer-lost")
    world.fault("erp", "busy")
    world.deliver("erp")
    assert _state(world, "erp") == "uncertain"
    world.wait(5.0)
    world.deliver("erp")
    assert world.erp.faults == [] and _state(world, "erp") == "uncertain"
    world.settle()
    assert len(world.erp.rows) == 1


@pytest.mark.parametrize("looks", [0, 1, 5])
def test_the_longest_request_is_waited_out_once_after_a_crash(world: World, looks: int) -> None:
    """However often or seldom the loop looks meanwhile: the wait starts when the agent does."""
    world.create()
    world.intake("sf")
    world.deliver("erp")
    world.confirm("erp")
    world.edit_erp(0, "phone")
    world.intake("erp")
    world.crash_at("delivery.after_apply", 1)
    world.deliver("sf")
    assert world.crashes == 1 and _state(world, "sf") == "uncertain"
    asked = "SELECT count(*) FROM image WHERE system = 'sf' AND stale = 'changed'"
    for _ in range(looks):
        world.wait(MAX_REQUEST_S / (looks + 1))
        world.deliver("sf")
        assert world.rows(asked) == [(0,)], "read while the server may still be at work"
    world.wait(MAX_REQUEST_S / (looks + 1) + 0.001)
    world.deliver("sf")
    assert world.rows(asked) == [(1,)]


def test_a_command_whose_every_try_is_lost_is_told_in_time(world: World) -> None:
    """The due date stands from the first lost answer on; a try more does not move it."""
    world.create()
    world.intake("sf")
    world.erp.faults = ["never-arrived"] * 100
    for _ in range(10):
        world.wait(600.0)
        world.deliver("erp")
        world.sweep()
    assert world.rows("SELECT kind, system FROM exception") == [("overdue", "erp")]
