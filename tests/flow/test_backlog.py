"""A deep backlog goes out in few large calls, in transactions that let others write in between (I16, I28)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent import failpoints
from agent.core.delivery import Delivery as Outgoing
from agent.core.delivery import Outcome
from agent.flow import delivery
from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I16")

CUSTOMERS = 24


def calls(world: World) -> list[int]:
    """From now on how many commands each call of the cloud carries."""
    seen: list[int] = []
    real = world.cloud.apply

    async def apply(deliveries: Sequence[Outgoing]) -> Sequence[Outcome]:
        seen.append(len(deliveries))
        return await real(deliveries)

    world.cloud.apply = apply  # type: ignore[method-assign] # the same answers, counted
    return seen


@pytest.fixture
def waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Many changes of the ERP wait for the cloud, which takes two in a call, or twenty of a backlog."""
    monkeypatch.setattr(delivery, "AT_ONCE", 3)
    monkeypatch.setattr(type(world.cloud), "backlog", 20)
    world.restart()
    for _ in range(CUSTOMERS):
        world.create()
    world.settle()
    for customer in range(CUSTOMERS):
        world.edit_erp(customer, "terms")
    while world.intake("erp"):
        pass
    return world


def test_a_deep_backlog_goes_out_in_few_calls(waiting: World) -> None:
    world = waiting
    seen = calls(world)
    world.deliver("sf")
    assert seen == [20]
    world.deliver("sf")
    assert seen == [20, 2]
    world.settle()
    judge(world)


@pytest.mark.parametrize("point", ["delivery.sent", "delivery.outcome"])
@pytest.mark.parametrize("side", ["before_commit", "after_commit"])
@pytest.mark.parametrize("hit", [1, 2, 7])
def test_a_crash_between_its_transactions_costs_nothing(
    waiting: World, point: str, side: str, hit: int
) -> None:
    """What was committed as sent and never left, or left and was not written down, is uncertain, not lost."""
    world = waiting
    failpoints.arm(f"{point}.{side}", failpoints.Action.CRASH, hit)
    world.deliver("sf")
    failpoints.disarm()
    world.settle()
    judge(world)
