"""Without the business key nobody can tell whether a record is there already: it is not created (I20)."""

from __future__ import annotations

import pytest

from tests.flow.judge import judge
from tests.flow.test_withholding import exceptions, served, three
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I20")


def customers(world: World) -> int:
    """How many the ERP has."""
    return sum(kind == "customer" for kind, _ in world.erp.rows)


def test_nobody_is_created_without_the_key_by_which_duplicates_are_found(world: World) -> None:
    three(world)
    world.lack("erp", "name", True)
    world.edit_cloud(0, "Name")
    served(world, 3)
    world.create()
    name = world.cloud.records[world.customers[3]].fields["Name"]
    world.erp.user_create("customer", "theirs", {"name": name})
    served(world, 4)
    assert customers(world) == 4
    world.lack("erp", "name", False)
    world.settle()
    assert customers(world) == 4
    assert sorted(kind for kind, _, _ in exceptions(world)) == ["duplicate", "unbound"]


def test_a_question_that_is_refused_stops_only_who_asks(world: World) -> None:
    """The key is hidden before the agent has read anything without it."""
    three(world)
    world.create()
    world.intake("sf")
    world.erp.unasked = 1000
    world.cloud.user_edit(world.customers[0], "Phone", "new")
    for _ in range(5):
        served(world, 2)
        world.wait(60.0)
    assert world.erp.unasked > 980  # once a minute
    assert customers(world) == 3
    assert "new" in {row.get("phone") for row in world.erp.rows.values()}
    world.erp.unasked = 0
    world.settle()
    judge(world)
    assert customers(world) == 4
