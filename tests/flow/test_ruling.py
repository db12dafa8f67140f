"""A person's ruling through the whole engine: it reaches every system, or is refused with nothing done."""

from __future__ import annotations

import pytest

from agent.flow.acted import Acted
from agent.flow.acts import ExceptionActs
from agent.flow.ruling import Keep, Shown
from tests.flow.judge import judge
from tests.flow.world import World, now


def acts(world: World) -> ExceptionActs:
    """What people do in this world."""
    return ExceptionActs(world.engine)


def clash(world: World) -> None:
    """A customer's note is edited in the cloud and in the ERP at once."""
    world.create()
    world.settle()
    world.edit_cloud(0, "Note")
    world.edit_erp(0, "note")
    world.settle()


def ruled(world: World, keep: Keep) -> Acted:
    """The oldest open conflict, ruled as the store shows it."""
    number, winner, loser = world.rows("SELECT id, winner, loser FROM conflict WHERE state = 'open'")[0]
    return now(acts(world).rule(int(number), keep, Shown.of(winner, loser), "op1", "a test"))


@pytest.mark.invariant("I8")
@pytest.mark.parametrize("keep", list(Keep))
def test_after_a_ruling_every_system_holds_the_value_that_was_kept(world: World, keep: Keep) -> None:
    clash(world)
    winner, loser = world.rows("SELECT winner, loser FROM conflict WHERE state = 'open'")[0]
    act = ruled(world, keep)
    assert act.done
    assert act.command is not None
    world.settle()
    kept, lost = (winner, loser) if keep is Keep.WINNER else (loser, winner)
    (account,) = [world.cloud.records[key] for key in world.customers]
    (row,) = [row for (name, _), row in world.erp.rows.items() if name == "customer"]
    assert f'"{account.fields["Note"]}"' == f'"{row["note"]}"' == kept
    assert world.rows("SELECT winner, loser, state FROM conflict") == [(kept, lost, "decided")]
    judge(world)


def test_a_changed_document_cannot_be_ruled_and_closing_it_settles_its_conflict(world: World) -> None:
    world.create()
    world.settle()
    world.book_document(0)
    world.settle()
    world.erp.user_edit("invoice", "i1", "amount", "tampered")
    world.settle()
    act = ruled(world, Keep.LOSER)
    assert not act.done
    assert "never rewritten" in act.text
    assert world.rows("SELECT state FROM conflict") == [("open",)]
    (exception,) = world.rows("SELECT id FROM exception WHERE kind = 'immutable'")
    assert now(acts(world).close(exception[0], "op1", "reversed and posted anew")).done
    assert world.rows("SELECT state FROM conflict") == [("decided",)]
