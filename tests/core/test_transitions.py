"""Transitions: what may become of a command, and nothing else."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.delivery import OutcomeKind, Reason, Resolution
from agent.core.entity import IN_FLIGHT, OPEN, CommandState
from agent.core.transitions import (
    TERMINAL,
    TRANSITIONS,
    Follow,
    Illegal,
    Way,
    after_outcome,
    check,
    resolve_uncertain,
)
from tests.core.samples import EVERY_TIME_THE_SAME

S = CommandState
#: From every state, where a command may go. Written down a second time, by hand, on purpose.
MAY_BECOME = {
    S.READY: {S.SENT, S.SUPERSEDED, S.REJECTED},
    S.SENT: {S.ACCEPTED, S.STORED, S.REJECTED, S.READY, S.SUPERSEDED, S.UNCERTAIN},
    S.UNCERTAIN: {S.SENT, S.ACCEPTED, S.SUPERSEDED, S.REJECTED},
    S.STORED: {S.ACCEPTED, S.REJECTED},
    S.ACCEPTED: set(),
    S.REJECTED: set(),
    S.SUPERSEDED: set(),
}


@pytest.mark.parametrize(("before", "after"), list(product(S, S)))
def test_every_pair_of_states_is_either_in_the_table_or_refused(before: S, after: S) -> None:
    if after in MAY_BECOME[before]:
        check(before, after)
        assert TRANSITIONS[before, after]
    else:
        with pytest.raises(Illegal, match=f"from {before} to {after}"):
            check(before, after)


def test_every_state_is_open_or_final_and_reached_from_ready() -> None:
    assert set(S) == OPEN | TERMINAL
    assert not OPEN & TERMINAL
    assert {before for before, _ in TRANSITIONS} == OPEN
    reached, new = {S.READY}, {S.READY}
    while new:
        new = {after for before, after in TRANSITIONS if before in new} - reached
        reached |= new
    assert reached == set(S)


@pytest.mark.parametrize(("kind", "reason"), list(product(OutcomeKind, [None, *Reason])))
def test_every_outcome_of_a_sent_command_leads_somewhere_legal(
    kind: OutcomeKind, reason: Reason | None
) -> None:
    state, follow = after_outcome(kind, reason)
    check(S.SENT, state)
    assert (state is S.REJECTED) == (follow in (Follow.EXCEPTION, Follow.WITHHOLD))


@pytest.mark.invariant("I16")
def test_a_lost_answer_never_leads_back_to_ready() -> None:
    assert after_outcome(OutcomeKind.UNCERTAIN, None)[0] is S.UNCERTAIN
    assert (S.UNCERTAIN, S.READY) not in TRANSITIONS
    assert S.UNCERTAIN in IN_FLIGHT


@pytest.mark.parametrize("reason", [Reason.PRECONDITION, Reason.GONE])
def test_a_record_that_changed_or_went_is_read_again_and_not_shown_to_a_person(reason: Reason) -> None:
    assert after_outcome(OutcomeKind.REJECTED, reason) == (S.SUPERSEDED, Follow.READ_AGAIN)


@pytest.mark.invariant("I16")
@EVERY_TIME_THE_SAME
@given(st.sampled_from(Resolution), st.integers(0, 10**7), st.integers(0, 10**7), st.floats(0, 1000))
def test_a_lost_answer_is_resolved_by_what_the_target_can_do(
    resolution: Resolution, sent: int, later: int, longest: float
) -> None:
    way = resolve_uncertain(resolution, sent, sent + later, longest)
    over = later >= longest * 1000
    expected = {Resolution.RESEND: Way.RESEND, Resolution.REREAD: Way.READ, Resolution.PERSON: Way.PERSON}
    assert way is (expected[resolution] if over or resolution is Resolution.PERSON else Way.WAIT)
