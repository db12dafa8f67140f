"""A target that can be read and answers later: its row may be seen before the answer, or behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow.judge import judge
from tests.flow.systems.staged import Staged
from tests.flow.world import World


class StagedWorld(World):
    """The world with an ERP that is written through a staging table."""

    erp: Staged

    def _start(self) -> None:
        if not isinstance(self.erp, Staged):
            self.erp = Staged(meanwhile=self.meanwhile)
        super()._start()


@pytest.fixture(params=["row", "answer"])
def world(request: pytest.FixtureRequest) -> Iterator[StagedWorld]:
    """A customer of the cloud that the ERP has not got yet."""
    built = StagedWorld()
    built.erp.told_first = request.param
    built.create()
    built.intake("sf")
    yield built
    built.close()


def _states(world: World) -> list[str]:
    found = world.rows("SELECT state FROM outbox WHERE target = 'erp' ORDER BY number")
    return [str(state) for (state,) in found]


@pytest.mark.invariant("I14")
def test_a_record_is_made_once_whichever_is_heard_first(world: StagedWorld) -> None:
    world.deliver("erp")
    assert _states(world) == ["stored"] and not world.erp.rows
    world.settle()
    assert _states(world) == ["accepted"]
    assert len(world.erp.rows) == 1
    judge(world)


def test_updates_wait_for_their_answers_and_both_sides_agree(world: StagedWorld) -> None:
    world.settle()
    for _ in range(3):
        world.edit_cloud(0, "Name")
        world.intake("sf")
        world.deliver("erp")
        world.edit_erp(0, "terms")
    judge(world)
    assert set(_states(world)) <= {"accepted", "superseded", "withdrawn"}


@pytest.mark.invariant("I16")
def test_a_lost_answer_of_the_insert_is_sent_again_and_is_one_row(world: StagedWorld) -> None:
    world.fault("erp", "answer-lost")
    world.deliver("erp")
    assert _states(world) == ["uncertain"]
    judge(world)
    assert len(world.erp.given) == len({one.reference for one in world.erp.given.values()})


def test_a_refusal_of_the_program_is_a_persons_matter_and_nothing_else_stands(world: StagedWorld) -> None:
    world.erp.refuse = 1
    world.settle()
    kinds = world.rows("SELECT kind, code FROM exception WHERE system = 'erp' AND state = 'open'")
    assert kinds == [("rejected", "refused")]
    judge(world)
