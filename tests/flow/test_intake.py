"""What a source is told to release is durable; what is not, comes again (I1)."""

from __future__ import annotations

import pytest

from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I1")


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
