"""What a system does not show for a while is neither guessed nor overwritten (I10, I11, I12, I20)."""

from __future__ import annotations

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
