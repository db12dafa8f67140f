"""Families that something happens to between the plan and the call (I18)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import failpoints
from tests.flow.test_cycles import hire
from tests.flow.test_families import PLACES, Firm

pytestmark = pytest.mark.invariant("I18")


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[Firm]:
    built = Firm(tmp_path / "store")
    yield built
    built.store.close()


def test_a_parent_that_is_planned_anew_before_it_is_sent_leaves_its_child(firm: Firm) -> None:
    hire(firm, {"a": None, "b": "a"})
    firm.take_up()

    def renamed() -> None:
        firm.hr.user_edit("person", "a", "name", "a2")
        firm.take_up()

    firm.org.meanwhile.armed["erp.prepare"] = renamed
    firm.settle()
    assert firm.bosses() == {"a2": None, "b": "a2"}


def test_a_parent_that_is_deleted_before_it_is_sent_leaves_its_child(firm: Firm) -> None:
    hire(firm, {"a": None, "b": "a"})
    firm.take_up()

    def deleted() -> None:
        firm.hr.user_edit("person", "b", "boss_key", "b")
        firm.hr.user_delete("person", "a")
        firm.take_up()

    firm.org.meanwhile.armed["erp.prepare"] = deleted
    firm.settle()
    assert firm.bosses() == {"b": "b"}


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_while_the_org_is_asked_everybody_ends_once(firm: Firm, seed: int) -> None:
    dice = random.Random(seed)
    people: list[str] = []

    def something() -> None:
        who = dice.choice(people)
        if dice.random() < 0.5:
            firm.hr.user_edit("person", who, "name", f"{who}.{dice.randrange(99)}")
        else:
            firm.hr.user_edit("person", who, "boss_key", dice.choice(people))
        firm.take_up()

    for number in range(dice.randrange(3, 9)):
        name = f"p{number}"
        hire(firm, {name: dice.choice([*people, None, f"p{number + 1}"])})
        people.append(name)
        if dice.random() < 0.6:
            firm.org.meanwhile.armed[f"erp.{dice.choice(('prepare', 'apply', 'applied'))}"] = something
        if dice.random() < 0.3:
            firm.org.faults.append(dice.choice(("refused", "rolled-back", "answer-lost", "never-sent")))
        if dice.random() < 0.2:
            failpoints.arm(dice.choice(PLACES), failpoints.Action.CRASH, dice.randrange(1, 4))
        if dice.random() < 0.4:
            firm.settle()
    hire(firm, {f"p{len(people)}": None})
    firm.settle()
    firm.org.meanwhile.armed.clear()
    firm.org.faults.clear()
    failpoints.disarm()
    for _, key in list(firm.hr.rows):
        firm.hr.user_edit("person", key, "name", f"{key}!")
    firm.settle()
    assert firm.bosses() == firm.people()
    assert set(firm.org.writes.created.values()) <= {1}
    assert firm.open_kinds() == []
