"""A stretch of a stream is missing: exactly that is read, however the reading is interrupted (I3, I4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from agent import failpoints
from agent.core.change import ReadResult
from agent.errors import PositionLost
from agent.flow import snapshot
from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I3")

CUSTOMERS = 6


@pytest.fixture
def many(world: World) -> World:
    """Some customers have arrived everywhere, and the time in which they came is long gone."""
    for _ in range(CUSTOMERS):
        world.create()
    world.settle()
    world.wait(3_600.0)
    world.create()
    world.settle()
    world.wait(3_600.0)
    return world


def lost(world: World, **touched: Callable[[], object]) -> None:
    """The stored position is gone; what was touched meanwhile is in no event that is still to come."""
    for act in touched.values():
        act()
    world.cloud.forgotten = True
    world.intake("sf")


def reads(world: World) -> list[str]:
    """From now on the keys that are read at the cloud, one by one."""
    seen: list[str] = []
    real = world.cloud.result

    def result(keys: Sequence[str]) -> ReadResult:
        seen.extend(keys)
        return real(keys)

    world.cloud.result = result  # type: ignore[method-assign] # the same answers, counted
    return seen


def stale(world: World) -> int:
    """Customers that are not known to be what they are in the cloud."""
    return int(world.rows("SELECT count(*) FROM image WHERE system = 'sf' AND fresh = 0")[0][0])


def hidden(world: World) -> None:
    """The next events of the cloud are never delivered."""
    world.cloud._position = len(world.cloud.events)


@pytest.mark.parametrize("looked_at", [1, 2, 3, 4, 5, 500])
def test_only_what_was_touched_in_a_gap_is_read(
    many: World, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many images a transaction looks at: an entity has one at each system."""
    monkeypatch.setattr(snapshot, "LOOKED_AT", looked_at)
    world = many
    world.cloud.lists = True
    world.cloud.user_edit(world.customers[1], "Phone", "after")
    world.create()
    world.cloud.user_delete(world.customers[2])
    hidden(world)
    world.cloud.forgotten = True
    seen = reads(world)
    world.intake("sf")
    hidden(world)
    assert stale(world) == CUSTOMERS + 1
    world.snapshot("sf")
    last = world.customers[CUSTOMERS]  # the last that was heard of before the gap, so within the margin
    assert set(seen) == {world.customers[1], world.customers[2], last, world.customers[-1]}
    assert stale(world) == 0
    why = "SELECT why FROM journal WHERE subject_id = 'customer@sf' AND after = 'fresh' ORDER BY id DESC"
    assert world.rows(why)[0] == ("4 records were touched meanwhile, and read",)
    world.settle()
    judge(world)


def test_where_the_system_cannot_tell_everything_is_read(many: World) -> None:
    world = many
    world.cloud.lists = False
    world.cloud.user_edit(world.customers[1], "Phone", "after")
    hidden(world)
    lost(world)
    world.snapshot("sf")
    assert stale(world) == 0
    world.settle()
    judge(world)


def test_where_too_much_was_touched_everything_is_read(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = many
    monkeypatch.setattr(snapshot, "FEW", 1)
    world.cloud.lists = True
    for customer in world.customers[:4]:
        world.cloud.user_edit(customer, "Phone", "after")
    seen = reads(world)
    lost(world)
    world.snapshot("sf")
    assert not seen
    world.settle()
    judge(world)


def test_a_record_that_was_not_fresh_before_the_gap_is_read_whatever_was_touched(many: World) -> None:
    """Its own reason stands: that nothing was heard in the gap does not make it known."""
    world = many
    world.cloud.lists = True
    world.edit_erp(0, "terms")
    world.intake("erp")
    world.deliver("sf")
    hidden(world)
    world.wait(3_600.0)
    world.cloud.user_edit(world.customers[-1], "Phone", "later")
    world.intake("sf")
    world.wait(3_600.0)
    assert stale(world) == 1  # our own write was never seen, and is not in the list of the gap either
    lost(world)
    world.snapshot("sf")
    assert stale(world) == 1
    world.confirm("sf")
    assert stale(world) == 0
    world.settle()
    judge(world)


@pytest.mark.parametrize("hit", [1, 2, 3, 4])
@pytest.mark.parametrize("side", ["before_commit", "after_commit"])
def test_a_snapshot_goes_on_where_it_was_killed(many: World, side: str, hit: int) -> None:
    world = many
    world.cloud.lists = False
    lost(world, edited=lambda: world.cloud.user_edit(world.customers[1], "Phone", "after"))
    asked: list[str] = []
    real = world.cloud.page

    def page(object_: str, resume: str = "") -> object:
        if object_ == "Account":
            asked.append(resume)
        return real(object_, resume)

    world.cloud.page = page  # type: ignore[method-assign,assignment] # the same pages, noted
    failpoints.arm(f"snapshot.{side}", failpoints.Action.CRASH, hit)
    world.snapshot("sf")
    failpoints.disarm()
    world.snapshot("sf")
    durable = hit if side == "after_commit" else hit - 1
    assert asked == ["", ["", *sorted(world.customers)[1::2], world.customers[-1]][durable]]
    assert stale(world) == 0
    world.settle()
    judge(world)


def test_a_snapshot_whose_place_was_forgotten_begins_anew(many: World) -> None:
    world = many
    world.cloud.lists = False
    lost(world)
    failpoints.arm("snapshot.after_commit", failpoints.Action.CRASH, 2)
    world.snapshot("sf")
    failpoints.disarm()
    real = world.cloud.page

    def page(object_: str, resume: str = "") -> object:
        if resume:
            raise PositionLost("the job is gone", stream=object_, where="sf")
        return real(object_)

    world.cloud.page = page  # type: ignore[method-assign,assignment] # the org keeps jobs for 7 days
    world.snapshot("sf")
    assert stale(world) == 0
    assert world.rows("SELECT count(*) FROM gap") == [(0,)]
    world.settle()
    judge(world)


def test_a_record_that_something_waits_for_is_read_before_the_snapshot(many: World) -> None:
    world = many
    world.cloud.lists = False
    lost(world)
    world.edit_erp(0, "terms")
    world.intake("erp")
    seen = reads(world)
    world.confirm("sf")
    assert seen == [world.customers[0]]
    assert world.confirm("sf") == 0
    world.settle()
    judge(world)
