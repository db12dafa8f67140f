"""What a source is told to release is durable; what is not, comes again; a fault costs one change only."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from agent.core.entity import Entity
from agent.flow import planning
from agent.flow.desk import Desk
from tests.flow.judge import judge
from tests.flow.world import World

#: A value that the program cannot deal with, as no value should be.
POISON = "poison"


@pytest.mark.invariant("I1")
def test_a_journal_row_is_released_only_when_its_change_is_stored(world: World) -> None:
    """The agent dies just before the commit: the ERP still has the row, and the change arrives."""
    world.create()
    world.settle()
    world.edit_erp(0, "terms")
    said = world.erp.rows["customer", "e1"]["terms"]
    world.crash_at("intake.before_commit", 1)
    world.intake("erp")
    assert world.crashes == 1
    judge(world)
    assert world.cloud.records["A001"].fields["Terms"] == said


@pytest.mark.invariant("I3")
@pytest.mark.invariant("I12")
def test_a_change_that_the_program_fails_at_is_kept_whole_and_told_and_the_others_go_on(world: World) -> None:
    """Nothing of it stays half done; its record is read again, once the program can."""
    world.create()
    world.create()
    world.settle()
    real = planning.settle

    def settle(desk: Desk, before: Entity, after: Entity) -> None:
        image = after.images.get("sf")
        if image is not None and image.fields.get("name") == POISON:
            raise RuntimeError("a fault of the program")
        real(desk, before, after)

    world.cloud.user_edit("A001", "Name", POISON)
    world.edit_cloud(1, "Name")
    with patch.object(planning, "settle", settle):
        while world.intake("sf"):
            pass
    kept = world.rows("SELECT kind, raw FROM inbox WHERE key = 'A001' ORDER BY seq DESC LIMIT 1")
    assert kept == [("undecodable", repr({"Name": POISON}).encode())]
    told = "SELECT kind, subject FROM exception WHERE state = 'open'"
    assert world.rows(told) == [("undecodable", "Account/A001")]
    assert world.entity("A001").images["sf"].fields["name"] != POISON
    judge(world)
    assert world.erp.rows["customer", "e1"]["name"] == POISON
    assert world.rows(told) == []
