"""How often a system is tried again: each command by its own schedule, and rounds that move apart."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.retry import LEAST_S, LONGEST_S, Pause, Retry

EVERY_TIME_THE_SAME = settings(derandomize=True, deadline=None)
SPREAD = st.floats(0, 1, exclude_max=True)
SCHEDULES = st.builds(Retry, base_s=st.floats(0.1, 60), cap_s=st.floats(60, 3600))


@EVERY_TIME_THE_SAME
@given(SCHEDULES, st.integers(0, 10_000), SPREAD)
def test_back_off_stays_between_half_its_base_and_its_cap(retry: Retry, attempts: int, spread: float) -> None:
    wait = retry.back_off_ms(attempts, spread)
    assert int(retry.base_s * 500) <= wait <= retry.cap_s * 1000
    assert wait <= retry.back_off_ms(attempts + 1, spread)


@EVERY_TIME_THE_SAME
@given(SCHEDULES, st.integers(1, 100), st.floats(0.001, 10_000), SPREAD)
def test_a_pause_ends_with_the_next_due_command_and_never_outlasts_the_cap(
    retry: Retry, rounds: int, due_s: float, spread: float
) -> None:
    pause = retry.pause(rounds, due_s, spread)
    assert pause.seconds <= max(due_s, LEAST_S)
    assert pause.seconds <= max(retry.cap_s, LEAST_S)
    assert pause.seconds >= LEAST_S
    assert pause.least == LEAST_S, "what came in meanwhile is not kept waiting for one that fails"


@EVERY_TIME_THE_SAME
@given(SCHEDULES, st.integers(1, 100), st.floats(-1_000, 0), SPREAD)
def test_rounds_that_fail_while_more_is_due_move_apart_whatever_comes_in(
    retry: Retry, rounds: int, due_s: float, spread: float
) -> None:
    pause = retry.pause(rounds, due_s, spread)
    assert LEAST_S <= pause.seconds <= max(min(retry.cap_s, LONGEST_S), LEAST_S)
    assert pause.least == pause.seconds
    assert retry.pause(rounds + 1, due_s, spread).seconds >= pause.seconds


def test_one_locked_row_is_tried_again_at_its_own_time() -> None:
    assert Retry(0.5, 60.0).pause(9, 3.2, 0.5) == Pause(3.2, LEAST_S)


def test_ten_thousand_waiting_commands_do_not_knock_ten_thousand_times() -> None:
    """A target that says "later" to everything for an hour is asked some 70 times, not 3,600."""
    chance = random.Random(1)
    retry, elapsed, rounds = Retry(0.5, 60.0), 0.0, 0
    while elapsed < 3_600:
        rounds += 1
        elapsed += retry.pause(rounds, -1.0, chance.random()).seconds
    assert 60 <= rounds <= 100


def test_a_cap_below_the_least_pause_still_leaves_the_system_a_second() -> None:
    assert Retry(0.2, 0.4).pause(5, -1.0, 0.9).seconds == LEAST_S
