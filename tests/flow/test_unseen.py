"""What a system does not show for a while is neither guessed nor overwritten (I10, I11, I12, I20)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.flow.judge import judge
from tests.flow.test_withholding import exceptions, served, three
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I10")


def phones(world: World) -> set[object]:
    """What the ERP holds as phones."""
    return {row.get("phone") for (kind, _), row in world.erp.rows.items() if kind == "customer"}


def hidden(world: World, name: str) -> None:
    """The cloud does not show a field any more, and the agent has noticed."""
    world.hide(name, True)
    world.overflow(0)
    world.cloud.user_edit(world.customers[0], "Terms", "noticed")
    world.gap(0)
    served(world, 3)
    assert [one[2] for one in exceptions(world)] == [f"customer.{name.lower()}"]


def test_our_own_write_that_is_not_shown_is_not_taken_back(world: World) -> None:
    """The field goes between our write and the read that is to confirm it: the old value is nobody's news."""
    three(world)
    world.edit_erp(0, "phone")
    wanted = phones(world)
    world.intake("erp")
    world.deliver("sf")
    world.gap(0)  # what the stream says of our own write does not tell the value
    world.hide("Phone", True)
    served(world, 4)
    assert phones(world) == wanted
    assert world.rows("SELECT field, loser FROM conflict") == []
    judge(world)
    assert phones(world) == wanted


def test_what_users_wrote_unseen_is_not_overwritten(world: World) -> None:
    """The guard of a write to a shared field can only be what was seen."""
    keys = three(world)
    hidden(world, "Phone")
    world.cloud.untold.add("Phone")  # the stream does not show it either
    world.cloud.user_edit(keys[0], "Phone", "by a user")
    served(world, 3)
    for number in range(3):
        world.edit_erp(number, "phone")
    served(world, 3)
    assert world.cloud.records[keys[0]].fields["Phone"] == "by a user"
    judge(world)
    known = {
        str(value).strip('"') for row in world.rows("SELECT loser, winner FROM conflict") for value in row
    }
    assert "by a user" in phones(world) | known


@pytest.mark.invariant("I20")
def test_a_record_whose_id_is_not_shown_is_not_born_until_it_is(world: World) -> None:
    """It may be one that was created by us: then another would be made of it."""
    three(world)
    world.hide("Isthmus_Id__c", True)
    world.overflow(0)
    world.cloud.user_edit(world.customers[0], "Phone", "noticed")
    world.gap(0)
    served(world, 3)
    assert [one[2] for one in exceptions(world)] == ["customer.isthmus_id"]
    world.create()
    served(world, 3)
    assert sum(kind == "customer" for kind, _ in world.erp.rows) == 3
    judge(world)
    assert sum(kind == "customer" for kind, _ in world.erp.rows) == 4
    assert exceptions(world) == []


@pytest.fixture
def looking(world: World) -> World:
    """Three customers are everywhere, and the cloud can tell what was touched."""
    three(world)
    world.cloud.lists = True
    world.look_for_missed("sf")
    world.wait(3_700.0)
    world.look_for_missed("sf")
    return world


def for_a_moment(world: World, name: str, act: Callable[[], object]) -> None:
    """A field is hidden while something happens, and shown again before the agent reads anything."""
    world.hide(name, True)
    world.cloud.untold.add(name)
    act()
    world.intake("sf")
    world.hide(name, False)
    world.cloud.untold.clear()


@pytest.mark.invariant("I3")
def test_what_users_wrote_while_a_field_was_hidden_for_a_moment_is_found_by_the_next_look(
    looking: World,
) -> None:
    """No event and no refusal tells that it was hidden; but the record was touched."""
    world, key = looking, looking.customers[0]
    for_a_moment(world, "Phone", lambda: world.cloud.user_edit(key, "Phone", "unheard"))
    served(world, 3)
    assert "unheard" not in phones(world)
    world.wait(3_700.0)
    world.look_for_missed("sf")
    served(world, 3)
    assert "unheard" in phones(world)
    judge(world)


@pytest.mark.invariant("I3")
def test_a_customer_born_while_a_field_was_hidden_for_a_moment_is_completed_by_the_next_look(
    looking: World,
) -> None:
    world = looking
    for_a_moment(world, "Phone", world.create)
    served(world, 3)
    assert sum(kind == "customer" for kind, _ in world.erp.rows) == 4
    wanted = world.cloud.records[world.customers[-1]].fields["Phone"]
    assert wanted not in phones(world)
    world.wait(3_700.0)
    world.look_for_missed("sf")
    served(world, 3)
    assert wanted in phones(world)
    judge(world)


def test_what_is_hidden_when_a_record_comes_back_is_not_taken_for_empty(looking: World) -> None:
    """The event of a record that was restored shows all of it, and what is hidden as empty."""
    world = looking
    world.wait(3_700.0)
    wanted = phones(world)
    world.cloud.user_delete(world.customers[0])
    world.intake("sf")
    world.confirm("sf")
    world.wait(60.0)
    for_a_moment(world, "Phone", lambda: world.undelete_cloud(0))
    assert phones(world) == wanted
    for _ in range(4):
        served(world, 1)
        assert phones(world) == wanted
    judge(world)
    assert phones(world) == wanted
