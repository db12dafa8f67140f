"""What a person may say of a command of which nobody else can tell (I16)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.core.fate import Fate
from agent.flow.acted import Acted
from agent.flow.acts import ExceptionActs
from tests.flow.world import World, now

pytestmark = pytest.mark.invariant("I16")
DAY_S = 86_400.0


@pytest.fixture
def world() -> Iterator[World]:
    """A world in which SAP was sent a customer and has said nothing for more than a day."""
    built = World()
    built.create()
    for system in ("sf", "sap"):
        built.intake("sf")
        built.deliver(system)
    built.wait(DAY_S + 1)
    built.sweep()
    try:
        yield built
    finally:
        built.close()


def overdue(world: World) -> int:
    """The exception that asks for the answer."""
    [(number,)] = world.rows("SELECT id FROM exception WHERE kind = 'overdue' AND state = 'open'")
    return int(number)


def said(world: World, fate: Fate, key: str | None = None) -> Acted:
    """A person says it."""
    return now(ExceptionActs(world.engine).resolve(overdue(world), fate, key, "op1", "asked SAP"))


def states(world: World) -> list[str]:
    """States of the commands for SAP, in order."""
    return [str(s) for (s,) in world.rows("SELECT state FROM outbox WHERE target = 'sap' ORDER BY number")]


def test_applied_binds_the_key_that_the_person_tells(world: World) -> None:
    assert not said(world, Fate.APPLIED).done, "nobody knows under which key"
    assert said(world, Fate.APPLIED, "0000000007").done
    assert states(world) == ["accepted"]
    assert dict(world.entity(world.customers[0]).keys)["sap"] == "0000000007"
    assert world.rows("SELECT state FROM exception WHERE kind = 'overdue'") == [("closed",)]


def test_never_applied_is_planned_anew_under_another_id(world: World) -> None:
    world.sap.handed.clear()  # SAP's staff threw the message away
    assert said(world, Fate.NOT_APPLIED).done
    world.settle()
    assert states(world)[:2] == ["rejected", "accepted"] and len(world.sap.records) == 1


def test_a_fate_of_records_is_none_of_a_command(world: World) -> None:
    acted = said(world, Fate.RECREATE)
    assert not acted.done and "applied, not-applied" in acted.text
    assert states(world) == ["stored"]


def test_what_is_known_meanwhile_is_not_said_again(world: World) -> None:
    number = overdue(world)
    world.post(echo=False)
    world.intake("sap")
    acted = now(ExceptionActs(world.engine).resolve(number, Fate.NOT_APPLIED, None, "op1", "asked SAP"))
    assert not acted.done and states(world) == ["accepted"]


def test_a_late_answer_after_the_word_of_a_person_is_kept_and_changes_nothing(world: World) -> None:
    assert said(world, Fate.APPLIED, "0000000001").done
    world.post(echo=True)
    world.settle()
    assert states(world)[0] == "accepted" and len(world.sap.records) == 1
    assert world.rows("SELECT count(*) FROM inbox WHERE kind = 'answer'") == [(1,)]
