"""What happens while the agent waits for the answer of a read: the answer never undoes it (I4, I8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from agent.core.change import ChangeKind, ReadResult
from agent.errors import Unreachable
from tests.flow.judge import judge
from tests.flow.world import World, now


@pytest.fixture
def settled(world: World) -> World:
    """One customer has arrived everywhere."""
    world.create()
    world.settle()
    return world


def spoiled(world: World, kind: ChangeKind) -> None:
    """The newest event of the cloud says only that something happened."""
    event = world.cloud.events[-1]
    keys = event.keys if kind is ChangeKind.GAP else ()
    world.cloud.events[-1] = replace(event, kind=kind, keys=keys, fields={}, raw=b"?", reason="lost")


def edited_and_heard_of(world: World) -> None:
    """A user edits, long after the read, and the agent takes the event."""
    world.nested += 1
    try:
        world.wait(30.0)
        world.edit_cloud(0, "Name")
        world.intake("sf")
    finally:
        world.nested -= 1


def while_a_page_is_read(world: World, happens: Callable[[World], None]) -> None:
    """This happens once, when the next page is under way."""
    real, left = world.cloud.page, [happens]

    async def page(object_: str, resume: str = "") -> AsyncIterator[ReadResult]:
        async for found in real(object_, resume):
            if left:
                left.pop()(world)
            yield found

    world.cloud.page = page  # type: ignore[method-assign,assignment] # the same pages, later


@pytest.mark.invariant("I8")
def test_a_confirming_read_does_not_undo_what_was_heard_of_meanwhile(settled: World) -> None:
    world = settled
    world.edit_cloud(0, "Name")
    spoiled(world, ChangeKind.GAP)
    world.intake("sf")
    world.meanwhile.armed["sf.confirm"] = lambda: edited_and_heard_of(world)
    world.confirm("sf")
    assert not world.meanwhile.armed
    judge(world)
    assert world.erp.rows["customer", "e1"]["name"] == world.cloud.records["A001"].fields["Name"]


@pytest.mark.invariant("I4")
def test_a_page_of_a_snapshot_does_not_undo_what_was_heard_of_meanwhile(settled: World) -> None:
    world = settled
    world.edit_cloud(0, "Name")
    spoiled(world, ChangeKind.OVERFLOW)
    world.intake("sf")
    world.cloud.lists = False
    while_a_page_is_read(world, edited_and_heard_of)
    world.snapshot("sf")
    judge(world)
    assert world.erp.rows["customer", "e1"]["name"] == world.cloud.records["A001"].fields["Name"]


def born_in_another_gap(world: World) -> None:
    """A customer is created behind the page that is under way, and its event is lost."""
    world.nested += 1
    try:
        world.create()
        spoiled(world, ChangeKind.OVERFLOW)
        world.intake("sf")
    finally:
        world.nested -= 1


@pytest.mark.invariant("I3")
def test_a_gap_that_opens_while_a_snapshot_is_read_needs_another_snapshot(settled: World) -> None:
    world = settled
    world.edit_cloud(0, "Name")
    spoiled(world, ChangeKind.OVERFLOW)
    world.intake("sf")
    world.cloud.lists = False
    while_a_page_is_read(world, born_in_another_gap)
    world.snapshot("sf")
    assert world.rows("SELECT count(*) FROM gap") == [(1,)]
    judge(world)
    assert world.rows("SELECT count(*) FROM gap") == [(0,)]
    assert len(world.erp.rows) == 2


@pytest.mark.invariant("I12")
def test_an_object_that_cannot_be_read_does_not_starve_the_others(settled: World) -> None:
    """Accounts cannot be read; the documents that refer to them are confirmed all the same."""
    world = settled
    world.edit_cloud(0, "Name")
    spoiled(world, ChangeKind.GAP)
    world.intake("sf")
    world.book_document(0)
    world.intake("erp")
    world.deliver("sf")
    world.wait(5.0)
    real = world.cloud.result

    def result(keys: Sequence[str]) -> ReadResult:
        if any(world.cloud.records[key].object == "Account" for key in keys):
            raise Unreachable("accounts cannot be read now", where="sf")
        return real(keys)

    world.cloud.result = result  # type: ignore[method-assign] # an index of the org is being rebuilt
    stale = "SELECT type FROM image JOIN entity ON entity.id = entity WHERE system = 'sf' AND fresh = 0"
    assert sorted(world.rows(stale)) == [("customer",), ("document",)]
    with pytest.raises(Unreachable):
        now(world.confirms["sf"].step())
    assert world.rows(stale) == [("customer",)]
