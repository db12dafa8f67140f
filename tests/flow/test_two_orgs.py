"""Two systems that take families: what is news at one of them is no news at the other for ever (I9)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.contract import EntityAtSystem
from tests.flow.systems.graphed import Graphed
from tests.flow.test_cycles import hire
from tests.flow.test_families import Firm
from tests.flow.world import now

pytestmark = pytest.mark.invariant("I9")


class Twice(Firm):
    """The same people in a second org."""

    def start(self) -> None:
        if "second" not in self.systems:
            self.second = Graphed("second")
            self.systems["second"] = self.second.system()
            places = self.book.of("person").systems
            assert isinstance(places, dict)
            first = places["erp"]
            places["second"] = EntityAtSystem(
                "second",
                first.object,
                first.fields,
                self.second.guarantees("person"),
                create=True,
                delete=True,
            )
        super().start()


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[Twice]:
    built = Twice(tmp_path / "store")
    yield built
    built.store.close()


def endless(signum: int, frame: object) -> None:
    """It has taken too long."""
    raise AssertionError("I9: the work of one transaction does not end")


@pytest.fixture
def patience() -> Iterator[None]:
    """A work that never ends fails the test."""
    signal.signal(signal.SIGALRM, endless)
    signal.alarm(20)
    yield
    signal.alarm(0)


def test_those_who_wait_for_each_other_at_two_systems_are_planned_once(firm: Twice, patience: None) -> None:
    """At the first org the one waits for the other, at the second the other for the one."""
    hire(firm, {"a": None, "b": "a"})
    firm.take_up()
    firm.org.faults = ["rolled-back"]
    now(firm.steps[4]())
    firm.hr.user_edit("person", "b", "name", "b2")
    firm.take_up()
    firm.hr.user_edit("person", "a", "boss_key", "b")
    firm.take_up()
    firm.settle()
    assert firm.bosses() == {"a": "b2", "b2": "a"}
    assert {row["name"] for row in firm.second.rows.values()} == {"a", "b2"}
