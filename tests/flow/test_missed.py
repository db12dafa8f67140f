"""An event that was never sent: what it told is found by looking at what was touched (I3)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.core.change import ReadResult
from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I3")
HOUR = 3_700.0


@pytest.fixture
def quiet(world: World) -> World:
    """Two customers have arrived everywhere, and the agent knows since when it has to look."""
    for _ in range(2):
        world.create()
    world.settle()
    world.cloud.lists = True
    world.look_for_missed("sf")
    world.wait(HOUR)
    return world


def never_sent(world: World) -> None:
    """What happened last in the cloud is in no event."""
    del world.cloud.events[world.cloud._position :]


def test_a_change_whose_event_was_never_sent_is_found(quiet: World) -> None:
    world = quiet
    world.cloud.user_edit(world.customers[0], "Name", "never told")
    world.create()
    never_sent(world)
    world.settle()
    assert "never told" not in {row.get("name") for row in world.erp.rows.values()}
    world.look_for_missed("sf")
    world.settle()
    judge(world)
    assert "never told" in {row["name"] for row in world.erp.rows.values()}
    assert len(world.erp.rows) == 3


def test_a_deletion_whose_event_was_never_sent_is_found(quiet: World) -> None:
    world = quiet
    world.cloud.user_delete(world.customers[1])
    never_sent(world)
    world.look_for_missed("sf")
    world.settle()
    judge(world)


def test_what_the_stream_told_is_written_nowhere_again(quiet: World) -> None:
    """It is read, and nothing comes of it."""
    world = quiet
    world.edit_cloud(0, "Name")
    world.settle()
    before = world.total_writes
    world.wait(HOUR)
    assert world.look_for_missed("sf") >= 1
    world.settle()
    assert world.total_writes == before
    judge(world)


def test_it_looks_only_where_that_is_due_and_no_further_back_than_it_must(quiet: World) -> None:
    world = quiet
    seen: list[str] = []
    real = world.cloud.result

    def result(keys: Sequence[str]) -> ReadResult:
        seen.extend(keys)
        return real(keys)

    world.cloud.result = result  # type: ignore[method-assign] # the same answers, counted
    world.edit_cloud(0, "Name")
    world.wait(400.0)
    world.look_for_missed("sf")
    assert seen == [world.customers[0]]
    assert world.look_for_missed("sf") == 0
    world.wait(HOUR)
    seen.clear()
    world.look_for_missed("sf")
    assert not seen


def test_an_event_that_is_only_late_changes_nothing_when_it_comes(quiet: World) -> None:
    world = quiet
    world.edit_cloud(0, "Name")
    world.look_for_missed("sf")
    world.settle()
    judge(world)
