"""Late answers of a target that cannot be read: pending, overtaking, repeated, unknown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.core.change import Answer, Change, ChangeKind
from tests.flow.judge import judge
from tests.flow.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A world with a customer that SAP has not posted yet."""
    built = World()
    built.create()
    built.intake("sf")
    yield built
    built.close()


def command(world: World) -> tuple[object, ...]:
    """The command for SAP."""
    return world.rows("SELECT state, attempts, code FROM outbox WHERE target = 'sap' ORDER BY number DESC")[0]


@pytest.mark.invariant("I16")
def test_a_pending_answer_is_an_exception_and_never_a_resend(world: World) -> None:
    world.refuse()
    world.settle()
    assert world.sap.hand_overs.total() == 1
    kinds = world.rows("SELECT kind, code, state FROM exception WHERE system = 'sap'")
    assert kinds == [("pending", "51", "closed")]
    judge(world)


def test_an_answer_that_overtakes_the_outcome_is_taken_when_the_outcome_is_there(world: World) -> None:
    world.deliver("sap")
    [(handle,)] = world.rows("SELECT handle FROM outbox WHERE target = 'sap'")
    with world.engine.store.transaction("undo") as tx:
        tx.run("UPDATE outbox SET state = 'sent', handle = NULL WHERE target = 'sap'")
    world.post(False)
    world.intake("sap")
    assert command(world)[0] == "sent"
    world.restart()
    world.settle()
    assert handle == "d3" or handle
    assert command(world)[0] == "accepted"
    judge(world)


def test_a_repeated_answer_changes_nothing(world: World) -> None:
    world.settle()
    before = world.rows("SELECT number, state FROM outbox")
    [(handle,)] = world.rows("SELECT handle FROM outbox WHERE target = 'sap' AND state = 'accepted'")
    answer_again(world, str(handle), "accepted")
    answer_again(world, str(handle), "rejected")
    world.settle()
    assert world.rows("SELECT number, state FROM outbox") == before
    judge(world)


def test_an_answer_to_a_number_that_nobody_knows_is_kept(world: World) -> None:
    world.settle()
    answer_again(world, "d4711", "accepted")
    world.settle()
    kept = world.rows("SELECT key, entity FROM inbox WHERE kind = 'answer' AND key = 'd4711'")
    assert kept == [("d4711", None)]
    judge(world)


def test_a_final_refusal_is_an_exception_and_closes_the_command(world: World) -> None:
    world.deliver("sap")
    [(handle,)] = world.rows("SELECT handle FROM outbox WHERE target = 'sap'")
    world.sap.handed.clear()
    answer_again(world, str(handle), "rejected")
    world.intake("sap")
    assert command(world)[0] == "rejected"
    assert world.rows("SELECT kind, state FROM exception") == [("rejected", "open")]


def test_a_message_that_is_never_answered_becomes_an_exception(world: World) -> None:
    world.deliver("sap")
    world.wait(2 * 86_400)
    world.sweep()
    assert world.rows("SELECT kind, system FROM exception") == [("overdue", "sap")]
    assert command(world)[0] == "stored"
    judge(world)


@pytest.mark.invariant("I14")
def test_a_create_accepted_without_a_key_is_told_and_never_made_twice(world: World) -> None:
    world.deliver("sap")
    [(handle,)] = world.rows("SELECT handle FROM outbox WHERE target = 'sap'")
    delivery = world.sap.handed.pop(0)
    world.sap.records["0000000001"] = dict(delivery.fields)
    answer_again(world, str(handle), "accepted")
    world.settle()
    assert world.sap.hand_overs.total() == 1
    assert world.rows("SELECT kind, state FROM exception") == [("unkeyed", "open")]
    answer_again(world, str(handle), "accepted", key="0000000001")
    judge(world)
    assert world.rows("SELECT kind, state FROM exception") == [("unkeyed", "closed")]


@pytest.mark.invariant("I20")
def test_a_key_that_another_entity_has_is_told_and_stops_nobody_else(world: World) -> None:
    world.settle()
    world.create()
    world.intake("sf")
    world.deliver("sap")
    [(handle,)] = world.rows("SELECT handle FROM outbox WHERE target = 'sap' AND state = 'stored'")
    world.sap.handed.clear()
    answer_again(world, str(handle), "accepted", key="0000000001")
    world.settle()
    assert world.rows("SELECT kind, system, state FROM exception") == [("duplicate", "sap", "open")]
    assert len(world.sap.records) == 1
    world.edit_cloud(0, "Name")
    world.settle()
    assert world.sap.records["0000000001"]["NAME1"] == world.cloud.records["A001"].fields["Name"]


def answer_again(world: World, handle: str, outcome: str, key: str | None = None) -> None:
    """SAP sends one more answer."""
    world.sap._order += 1
    number = world.sap._order
    world.sap.files.append(
        Change(
            source_id=f"again{number}",
            stream="files",
            kind=ChangeKind.ANSWER,
            object="DEBMAS",
            order=number,
            answer=Answer(handle, outcome, "68" if outcome == "rejected" else "53", "said again", key),
        )
    )
