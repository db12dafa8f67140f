"""Identities of commands over a restore: none is given twice, and what was planned keeps its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.core.delivery import Delivery
from agent.store.database import FILE
from tests.flow.world import World

pytestmark = [pytest.mark.invariant("I14"), pytest.mark.invariant("I22")]


def backup(world: World, to: Path) -> Path:
    """A copy of the store, made while the agent is stopped."""
    world.engine.store.close()
    shutil.copy(world.directory / FILE, to / "backup.db")
    world.restart()
    return to / "backup.db"


def restore(world: World, copy: Path) -> None:
    """Somebody puts the copy in the place of the store, and starts the agent."""
    world.engine.store.close()
    shutil.copy(copy, world.directory / FILE)
    world.restart()


def taken_at_the_erp(world: World) -> list[Delivery]:
    """From now on, every command that reaches the ERP."""
    seen: list[Delivery] = []
    real = world.erp._apply

    def apply(delivery: Delivery) -> object:
        seen.append(delivery)
        return real(delivery)

    world.erp._apply = apply  # type: ignore[method-assign,assignment] # the same answer, noted
    return seen


def numbers(world: World) -> dict[int, str]:
    """Every command of the store, and its message id."""
    return dict(world.rows("SELECT number, message_id FROM outbox"))


def test_a_restored_store_never_gives_a_message_id_of_the_lost_life_again(
    world: World, tmp_path: Path
) -> None:
    world.create()
    world.settle()
    copy = backup(world, tmp_path)
    kept = numbers(world)
    world.edit_cloud(0, "Name")
    world.settle()
    lost = {message for number, message in numbers(world).items() if number not in kept}
    restore(world, copy)
    world.edit_cloud(0, "Phone")
    world.settle()
    new = {message for number, message in numbers(world).items() if number not in kept}
    assert new and lost
    assert not new & lost, "an effect of the lost life answers for another command"


def test_what_an_earlier_life_sent_keeps_its_epoch_and_is_sent_again_under_the_fence_of_now(
    world: World, tmp_path: Path
) -> None:
    world.create()
    world.intake("sf")
    world.fault("erp", "answer-lost")
    world.deliver("erp")
    copy = backup(world, tmp_path)
    [(message,)] = world.rows("SELECT message_id FROM outbox WHERE state = 'uncertain'")
    world.create()
    world.intake("sf")
    restore(world, copy)
    seen = taken_at_the_erp(world)
    world.wait(5.0)
    world.deliver("erp")
    [again] = [one for one in seen if one.message_id == message]
    assert (again.epoch, again.fence, again.uncertain) == (1, 2, True)
    assert len(world.erp.rows) == 1
