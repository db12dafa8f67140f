"""Crashes are counted rightly, two in a row happen, and what a crash breaks is found and made short."""

from __future__ import annotations

from tests.flow.mutants import MUTANTS
from tests.flow.stories import Operation
from tests.proof.crashing import Reference, Story, play
from tests.proof.deaths import passages, passed_at_every_start, shortest, verdict

BIRTH: list[Operation] = [("create", ()), ("intake", ("sf",)), ("deliver", ("erp",)), ("settle", ())]


def test_an_agent_dies_again_while_it_recovers_from_having_died() -> None:
    again = passed_at_every_start()
    assert {"recovery.before_commit", "recovery.plan.after_commit"} <= set(again)
    for place in again:
        came = verdict([("doom", (("delivery.after_apply", 1), (place, 1), ("intake.after_ack", 1))), *BIRTH])
        assert (came.died, came.said) == (("delivery.after_apply", place, "intake.after_ack"), None)


def test_what_a_dead_process_did_not_finish_is_gone() -> None:
    before = passages(BIRTH)
    came = verdict([("doom", (("delivery.sent.before_commit", 1),)), *BIRTH])
    assert before["delivery.sent.before_commit"] > 0
    assert came.died == ("delivery.sent.before_commit",)
    assert came.said is None


def test_plays_of_a_story_are_the_same_for_the_same_seed() -> None:
    first, again = play(Story("1/2")), play(Story("1/2"))
    assert first.died == again.died
    assert first.plays > 1
    assert first.died.total() >= first.plays - 1
    assert first.broken == []


def test_what_a_crash_breaks_is_found_and_made_short() -> None:
    with MUTANTS["random_key"]():
        tried = play(Reference("reference", ((("delivery.after_apply", 1),),)))
        assert [broken.kind for broken in tried.broken] == [("I14", True)]
        long: list[Operation] = [("doom", (("delivery.after_apply", 1),)), ("wait", (1.2,)), *BIRTH]
        short, said = shortest(long, verdict(long).said or "")
    assert said.startswith("I14")
    assert [name for name, _ in short] == ["create", "intake", "doom", "deliver"]
