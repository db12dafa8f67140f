"""A program at a target that alters whatever is written there: it is told, not fought for ever (I9, I12)."""

from __future__ import annotations

import pytest

from agent.core.bounce import LIMIT, WINDOW_MS, bouncing
from agent.core.delivery import Delivery
from agent.flow.acts import INSTEAD
from agent.store.exceptions import Kind
from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I9")


@pytest.fixture
def fought(world: World) -> World:
    """A Flow in the cloud sets the terms back whenever the agent writes them."""
    world.create()
    world.settle()
    real = world.cloud._agent_writes

    def writes(key: str, delivery: Delivery) -> None:
        real(key, delivery)
        if "Terms" in delivery.fields:
            world.cloud.user_edit(key, "Terms", "NET14")

    world.cloud._agent_writes = writes  # type: ignore[method-assign] # what a Flow does behind every write
    return world


def rounds(world: World, count: int) -> None:
    """So many rounds of every loop, a second each."""
    for _ in range(count):
        world.wait(1.5)
        for step in (world.intake, world.deliver, world.confirm):
            for system in world.systems:
                step(system)


def loops(world: World) -> list[tuple[object, ...]]:
    """Exceptions about loops."""
    return world.rows("SELECT mark, state FROM exception WHERE kind = 'loop' ORDER BY id")


def test_the_field_is_parked_and_told_and_everything_else_goes_on(fought: World) -> None:
    world = fought
    world.edit_erp(0, "terms")
    rounds(world, 20)
    assert loops(world) == [("sf.terms", "open")]
    before = world.total_writes
    rounds(world, 10)
    assert world.total_writes == before
    [(cause, remedy)] = world.rows("SELECT cause, remedy FROM exception WHERE kind = 'loop'")
    assert cause == f"sf changes 'terms' whenever it is written: {LIMIT} times in the last minutes"
    assert "Flow" in remedy
    world.edit_erp(0, "phone")
    world.edit_cloud(0, "Name")
    rounds(world, 6)
    row = world.cloud.records[world.customers[0]].fields
    assert world.erp.rows["customer", "e1"]["name"] == row["Name"]
    assert world.erp.rows["customer", "e1"]["phone"] == row["Phone"]


def test_a_person_who_has_switched_it_off_lets_it_be_tried_again_at_once(fought: World) -> None:
    world = fought
    world.edit_erp(0, "terms")
    rounds(world, 20)
    del world.cloud._agent_writes  # the Flow is switched off
    world.retry()
    world.settle()
    assert loops(world) == [("sf.terms", "closed")]
    assert (
        world.cloud.records[world.customers[0]].fields["Terms"] == world.erp.rows["customer", "e1"]["terms"]
    )
    judge(world)


def test_where_it_is_still_there_it_is_told_again(fought: World) -> None:
    world = fought
    world.edit_erp(0, "terms")
    rounds(world, 20)
    world.retry()
    rounds(world, 20)
    assert loops(world) == [("sf.terms", "closed"), ("sf.terms", "open")]


def test_a_user_who_may_not_write_the_field_is_corrected_as_ever(world: World) -> None:
    """Now and then somebody does: that is drift."""
    world.create()
    world.settle()
    world.edit_erp(0, "terms")
    world.settle()
    for _ in range(LIMIT * 2):
        world.wait(WINDOW_MS / 1000 / 2)
        world.cloud.user_edit(world.customers[0], "Terms", "wrong")
        world.settle()
    assert not loops(world)


def test_only_the_same_agreed_value_bounces() -> None:
    sent = [{"terms": 7, "name": number} for number in range(LIMIT)]
    assert bouncing(sent, {"terms": 7, "name": LIMIT - 1}) == {"terms"}
    assert bouncing(sent[1:], {"terms": 7}) == frozenset()
    assert bouncing(sent, {"terms": 8}) == frozenset()


def test_every_kind_of_exception_says_what_helps_instead_of_another_try() -> None:
    tried = {Kind.REJECTED, Kind.LOOP, Kind.UNMAPPED, Kind.FIELD}
    assert set(Kind) - set(INSTEAD) == tried
