"""A deep backlog goes out in few large calls, in transactions that let others write in between (I16, I28)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest

from agent import failpoints
from agent.core.delivery import Delivery as Outgoing
from agent.core.delivery import Outcome
from agent.errors import Unreachable
from agent.flow import delivery
from agent.store import outbox
from agent.store.transaction import Transaction
from agent.store.writer import DirectWriter
from tests.flow import world as worlds
from tests.flow.judge import judge
from tests.flow.world import World

T = TypeVar("T")

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


class Late(DirectWriter):
    """Whoever hands work over waits before it is done, so that a call under way goes on meanwhile."""

    async def write(self, label: str, work: Callable[[Transaction], T], actor: str = "agent") -> T:
        async def later() -> T:
            for _ in range(3):
                await asyncio.sleep(0)
            return await DirectWriter.write(self, label, work, actor)

        return await asyncio.shield(later())  # as behind the queue of the writer's thread


class Unforeseen(Exception):
    """Something nobody thought of."""


def in_a_loop(awaitable: Awaitable[T]) -> T:
    """Run what waits for others."""

    async def waits() -> T:
        return await awaitable

    return asyncio.run(waits())


@pytest.fixture(params=[DirectWriter, Late], ids=["at-once", "late"])
def waiting(world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """Many changes of the ERP wait for the cloud, which takes two in a call, or seven of a backlog."""
    monkeypatch.setattr(delivery, "AT_ONCE", 3)
    monkeypatch.setattr(type(world.cloud), "backlog", 7)
    monkeypatch.setattr(worlds, "DirectWriter", request.param)
    monkeypatch.setattr(worlds, "now", in_a_loop)
    world.restart()
    for _ in range(CUSTOMERS):
        world.create()
    world.settle()
    for customer in range(CUSTOMERS):
        world.edit_erp(customer, "terms")
    while world.intake("erp"):
        pass
    return world


def states(world: World) -> Counter[str]:
    """How many commands to the cloud are in which state, of those that were made last."""
    return Counter(
        state
        for (state,) in world.rows(
            f"SELECT state FROM outbox WHERE target = 'sf' ORDER BY number DESC LIMIT {CUSTOMERS}"
        )
    )


def at_call(world: World, number: int, what: Callable[[], None]) -> None:
    """Something happens as a call of the cloud begins."""
    real, begun = world.cloud.apply, 0

    async def apply(deliveries: Sequence[Outgoing]) -> Sequence[Outcome]:
        nonlocal begun
        begun += 1
        if begun == number:
            await asyncio.sleep(0)  # as every call over a line does
            what()
        return await real(deliveries)

    world.cloud.apply = apply  # type: ignore[method-assign] # the same answers, and something beside them


def test_a_deep_backlog_goes_out_in_few_calls(waiting: World) -> None:
    world = waiting
    seen = calls(world)
    world.deliver("sf")
    assert seen == [7, 7, 7, 3]
    assert states(world) == {"accepted": CUSTOMERS}
    world.settle()
    judge(world)


def test_a_step_makes_no_more_calls_than_others_can_wait_for(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = waiting
    monkeypatch.setattr(delivery, "CALLS", 2)
    seen = calls(world)
    world.deliver("sf")
    assert seen == [7, 7]
    assert states(world) == {"accepted": 14, "ready": CUSTOMERS - 14}
    world.settle()
    judge(world)


def test_nothing_is_marked_as_sent_that_no_call_carries_yet(waiting: World) -> None:
    world = waiting
    seen: list[Counter[str]] = []
    for number in (1, 2, 3, 4):
        at_call(world, number, lambda: seen.append(states(world)))
    world.deliver("sf")
    assert [counted["sent"] <= 14 for counted in seen] == [True] * 4  # one lot out, one being written down
    assert seen[0]["ready"] == CUSTOMERS - 7
    assert seen[3]["ready"] == 0


def test_a_call_that_fails_holds_back_what_is_behind_it_and_nothing_else(waiting: World) -> None:
    world = waiting

    def fail() -> None:
        raise Unreachable("the line is cut", where="sf")

    at_call(world, 2, fail)
    world.deliver("sf")
    assert states(world) == {"accepted": 7, "uncertain": 7, "ready": CUSTOMERS - 14}
    world.settle()
    judge(world)


def test_a_call_of_which_nothing_is_taken_is_the_last_of_its_step(waiting: World) -> None:
    world = waiting
    world.cloud.faults += [""] * 7 + ["busy"] * 7
    seen = calls(world)
    world.deliver("sf")
    assert seen == [7, 7]
    assert states(world) == {"accepted": 7, "ready": CUSTOMERS - 7}
    world.settle()
    judge(world)


def test_a_target_that_takes_nothing_is_left_alone_after_one_call(waiting: World) -> None:
    world = waiting
    world.cloud.faults += ["busy"] * 7
    seen = calls(world)
    world.deliver("sf")
    assert seen == [7]
    assert world.deliveries["sf"].refused_all is not None
    world.settle()
    judge(world)


def stop(step: asyncio.Task[int]) -> None:
    """Somebody stops the agent."""
    step.cancel()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_whoever_stops_the_agent_loses_no_answer_that_was_given(waiting: World, number: int) -> None:
    world = waiting
    seen = calls(world)

    async def stopped() -> None:
        step = asyncio.create_task(world.deliveries["sf"].step())
        at_call(world, number, lambda: stop(step))
        with pytest.raises(asyncio.CancelledError):
            await step

    asyncio.run(stopped())
    assert states(world)["accepted"] == sum(seen)
    assert states(world)["uncertain"] == 0
    world.restart()
    world.settle()
    judge(world)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_fault_beside_a_call_loses_no_answer_that_was_given(
    waiting: World, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next lot cannot be prepared: what came of the last one is written down all the same."""
    world = waiting
    seen = calls(world)
    prepared = 0

    async def prepare(deliveries: Sequence[Outgoing]) -> None:
        nonlocal prepared
        prepared += 1
        if prepared == number:
            raise Unforeseen

    with monkeypatch.context() as patched:
        patched.setattr(world.cloud, "prepare", prepare)
        with pytest.raises(Unforeseen):
            world.deliver("sf")
    assert states(world) == {"accepted": sum(seen), "ready": CUSTOMERS - sum(seen)}
    world.settle()
    judge(world)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_store_that_cannot_be_read_for_a_moment_loses_no_answer(
    waiting: World, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next lot cannot be taken while a call is under way: that one ends, and what came of it is kept."""
    world = waiting
    seen = calls(world)
    taken = 0
    real = outbox.ready

    def ready(tx: Transaction, target: str, limit: int) -> list[outbox.Command]:
        nonlocal taken
        taken += 1
        if taken >= number:
            raise Unforeseen
        return real(tx, target, limit)

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "ready", ready)
        with pytest.raises(Unforeseen):
            world.deliver("sf")
    assert states(world) == {"accepted": sum(seen), "ready": CUSTOMERS - sum(seen)}
    world.settle()
    judge(world)


def test_calls_end_in_time_for_somebody_to_see_progress(waiting: World) -> None:
    world = waiting
    seen = calls(world)
    at_call(world, 2, lambda: world.clock.move(delivery.CALLS_S))
    world.deliver("sf")
    assert seen[:2] == [7, 7]
    assert len(seen) == 3  # the third was taken beside the second
    world.settle()
    judge(world)


def test_a_backlog_of_what_cannot_be_sent_is_looked_at_once(
    waiting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one is refused before the call: no call is made of it."""
    world = waiting
    seen = calls(world)
    prepared = 0

    async def prepare(deliveries: Sequence[Outgoing]) -> None:
        nonlocal prepared
        prepared += 1

    monkeypatch.setattr(world.cloud, "prepare", prepare)
    monkeypatch.setattr(delivery, "_outgoing", lambda desk, command, life: None)
    world.deliver("sf")
    assert seen == []
    assert prepared == 0


POINTS = (
    *(
        f"delivery.{work}.{side}"
        for work in ("take", "sent", "outcome")
        for side in ("before_commit", "after_commit")
    ),
    "delivery.after_prepare",
    "delivery.before_apply",
    "delivery.after_apply",
)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("hit", [1, 2, 3, 4, 7, 11])
def test_a_crash_at_any_place_costs_nothing(waiting: World, point: str, hit: int) -> None:
    """What was committed as sent and never left, or left and was not written down, is uncertain, not lost."""
    world = waiting
    failpoints.arm(point, failpoints.Action.CRASH, hit)
    world.deliver("sf")
    failpoints.disarm()
    world.settle()
    judge(world)
