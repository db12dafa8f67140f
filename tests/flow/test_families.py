"""Parents and children that are created together: one call where the target can, else one by one (I18)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agent import failpoints
from agent.core.entity import CommandState
from agent.flow.acts import ExceptionActs
from tests.flow import test_cycles
from tests.flow.systems.graphed import Graphed
from tests.flow.test_backlog import in_a_loop
from tests.flow.test_cycles import Company, hire
from tests.flow.world import now

pytestmark = pytest.mark.invariant("I18")
#: Where the agent may die around a call.
PLACES = (
    "delivery.take.before_commit",
    "delivery.take.after_commit",
    "delivery.sent.before_commit",
    "delivery.sent.after_commit",
    "delivery.before_apply",
    "delivery.after_apply",
    "delivery.outcome.before_commit",
    "delivery.outcome.after_commit",
    "delivery.resolve.after_commit",
)
FAULTS = ("", "", "refused", "rolled-back", "answer-lost", "never-sent")
BOSSES: dict[str, str | None] = {"a": None, "b": "a", "c": "b", "d": "a"}


class Firm(Company):
    """People with a boss, copied to a system that takes a family at once."""

    def __init__(self, folder: Path) -> None:
        self.org = Graphed("erp")
        super().__init__(folder, self.org)

    def people(self) -> dict[object, object]:
        """Who has which boss in ``hr``, by name."""
        rows = {key: row for (_, key), row in self.hr.rows.items()}
        return {
            row["name"]: rows[str(row["boss_key"])]["name"] if row.get("boss_key") else None
            for row in rows.values()
        }

    def states(self) -> list[tuple[str, str]]:
        """Kind and state of all commands, in order."""
        with self.store.transaction("look") as tx:
            return [(str(k), str(s)) for k, s in tx.rows("SELECT kind, state FROM outbox ORDER BY number")]

    def retry(self) -> None:
        """A person retries what stands."""
        with self.store.transaction("look") as tx:
            numbers = [int(row[0]) for row in tx.rows("SELECT id FROM exception WHERE state = 'open'")]
        for number in numbers:
            assert now(ExceptionActs(self.engine).retry(number, "op1", "a test")).done

    def settle(self) -> None:
        """As ever; the agent is started again wherever it died."""
        while True:
            try:
                return super().settle()
            except failpoints.Crash:
                self.start_again()

    def take_up(self) -> None:
        """Everything that happened in ``hr`` is known and planned, and nothing sent yet."""
        while now(self.steps[0]()):
            pass

    def start_again(self) -> None:
        """The agent died here."""
        failpoints.disarm()
        self.store.close()
        self.start()


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[Firm]:
    built = Firm(tmp_path / "store")
    yield built
    built.store.close()


def test_a_family_goes_in_one_call(firm: Firm) -> None:
    hire(firm, BOSSES)
    firm.settle()
    assert firm.bosses() == BOSSES
    assert firm.org.together and len([call for call in firm.org.calls if call]) <= 2


def test_children_of_a_deep_backlog_wait_for_the_answers_of_their_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parents are under way as their children are looked at: those stay as they are, and go behind them."""
    guarantees = Graphed.guarantees
    deep = partial(replace, batch=2, backlog=10)
    monkeypatch.setattr(Graphed, "guarantees", lambda self, name: deep(guarantees(self, name)))
    monkeypatch.setattr(test_cycles, "now", in_a_loop)
    firm = Firm(tmp_path / "store")
    parents = [f"p{number:02}" for number in range(30)]
    bosses = dict.fromkeys(parents) | {f"child of {parent}": parent for parent in reversed(parents)}
    hire(firm, bosses)
    firm.take_up()
    firm.settle()
    assert firm.bosses() == bosses
    assert {state for _, state in firm.states()} == {"accepted"}  # none was superseded and planned anew
    assert max(len(call) for call in firm.org.calls) == 10
    firm.store.close()


def test_a_child_that_came_before_its_parent_goes_with_it(firm: Firm) -> None:
    hire(firm, {"child": "parent", "parent": None})
    firm.settle()
    assert firm.bosses() == {"child": "parent", "parent": None}
    assert [len(call) for call in firm.org.calls] == [2]


@pytest.mark.parametrize("fault", ["rolled-back", "answer-lost", "never-sent"])
def test_whatever_the_answer_was_everybody_is_there_once(firm: Firm, fault: str) -> None:
    firm.org.faults = [fault]
    hire(firm, BOSSES)
    firm.settle()
    assert firm.bosses() == BOSSES
    assert set(firm.org.writes.created.values()) == {1}


def test_a_refused_parent_holds_its_children_and_nobody_else(firm: Firm) -> None:
    firm.org.faults = ["refused"]
    hire(firm, {"a": None, "b": "a"})
    firm.settle()
    hire(firm, {"z": None})
    firm.settle()
    assert set(firm.bosses()) == {"z"}
    assert firm.open_kinds() == ["rejected"]
    assert CommandState.READY not in {state for _, state in firm.states()}
    firm.hr.user_edit("person", "a", "name", "a2")  # what its users changed since is a new attempt
    firm.settle()
    assert firm.bosses() == {"z": None, "a2": None, "b": "a2"} and firm.open_kinds() == []


def test_those_who_refer_to_each_other_are_never_pending_on_each_other(firm: Firm) -> None:
    hire(firm, {"a": "b", "b": "a", "c": "c"})
    firm.settle()
    assert firm.bosses() == {"a": "b", "b": "a", "c": "c"}


def test_a_create_that_others_go_along_with_is_not_put_behind_them(firm: Firm) -> None:
    hire(firm, {"a": "b", "b": "a"})
    firm.take_up()
    firm.hr.user_edit("person", "b", "name", "b2")  # planned again while the other one's create hangs on it
    firm.hr.user_edit("person", "a", "name", "a2")
    firm.take_up()
    firm.settle()
    assert firm.bosses() == {"a2": "b2", "b2": "a2"}


def test_a_parent_that_the_target_has_already_leaves_its_child_behind(firm: Firm) -> None:
    firm.org.rows["person", "old"] = {"name": "a", "boss_key": None}
    hire(firm, {"a": None, "b": "a", "z": None})
    firm.settle()
    assert firm.open_kinds() == ["duplicate"]
    assert set(firm.bosses()) == {"a", "z"}
    firm.org.user_edit("person", "old", "name", "another")
    firm.retry()
    firm.settle()
    assert firm.bosses() == {"another": None, "a": None, "b": "a", "z": None}


def play(firm: Firm, dice: random.Random) -> None:
    """People come, go by another name and change their boss; the org and the agent fail."""
    people: list[str] = []
    for _ in range(dice.randrange(4, 16)):
        act = dice.choice(("hire", "hire", "hire", "rename", "move", "fault", "fault", "settle", "crash"))
        if act == "hire":
            name = f"p{len(people)}"
            hire(firm, {name: dice.choice([*people, None, name, f"p{len(people) + 1}"])})
            people.append(name)
        elif act == "rename" and people:
            who = dice.choice(people)
            firm.hr.user_edit("person", who, "name", f"{who}.{dice.randrange(99)}")
        elif act == "move" and people:
            firm.hr.user_edit("person", dice.choice(people), "boss_key", dice.choice(people))
        elif act == "fault":
            firm.org.faults.append(dice.choice(FAULTS))
        elif act == "settle":
            firm.settle()
        elif act == "crash":
            failpoints.arm(dice.choice(PLACES), failpoints.Action.CRASH, dice.randrange(1, 4))
    hire(firm, {f"p{len(people)}": None})  # the last one's boss, if that was to come yet


@pytest.mark.parametrize("seed", range(40))
def test_in_any_play_everybody_ends_once_with_their_boss(firm: Firm, seed: int) -> None:
    dice = random.Random(seed)
    play(firm, dice)
    firm.settle()
    firm.org.faults.clear()
    failpoints.disarm()
    for _, key in list(firm.hr.rows):
        firm.hr.user_edit("person", key, "name", f"{key}!")  # whatever was refused is tried anew
    firm.settle()
    assert firm.bosses() == firm.people()
    assert set(firm.org.writes.created.values()) <= {1}
    assert firm.open_kinds() == []
