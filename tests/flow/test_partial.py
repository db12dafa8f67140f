"""A command that cannot carry everything that differs settles only what it carried (I15)."""

from __future__ import annotations

import pytest

from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I15")


def test_what_a_command_had_to_leave_out_is_still_owed_when_it_is_accepted(world: World) -> None:
    """The block of SAP goes, the terms of the ERP cannot: nobody may count them as delivered."""
    world.create()
    world.settle()
    world.edit_sap(0, "AUFSD")
    world.intake("sap")
    world.erp.user_edit("customer", "e1", "terms", "half\0read")
    world.intake("erp")
    [(seen,)] = world.rows("SELECT max(seq) FROM inbox WHERE system = 'erp'")
    world.deliver("sf")
    world.settle()
    key = world.customers[0]
    assert world.cloud.records[key].fields["Block"] == world.sap.records["0000000001"]["AUFSD"]
    owed = f"SELECT state FROM obligation WHERE inbox = {seen} AND target = 'sf'"
    assert world.rows(owed) == [("excepted",)]
    assert world.rows("SELECT kind FROM exception WHERE state = 'open'") == [("unmapped",)]
    world.erp.user_edit("customer", "e1", "terms", "whole")
    judge(world)
    assert world.cloud.records[key].fields["Terms"] == "whole"
