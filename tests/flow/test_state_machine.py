"""The engine between three systems keeps its promises, whatever happens in whatever order.

``ISTHMUS_SEED`` chooses other stories; the seed is printed, and a failure prints its shortest script.
"""

from __future__ import annotations

import os
import pprint

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.flow.hunt import hunt
from tests.flow.machine import Machine, play
from tests.flow.pinned import REGRESSIONS
from tests.flow.stories import shrink, story
from tests.flow.world import World

SEED = int(os.environ.get("ISTHMUS_SEED", "20260301"))
STORIES = 60
STEPS = 40
MACHINE = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    database=None,
    print_blob=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def test_every_promise_holds_in_random_stories() -> None:
    """At least 2,000 operations of users, faults, crashes and the agent, judged after each story."""
    came = hunt(SEED, seconds=3_600, steps=STEPS, stories=STORIES)
    print(f"seed {SEED}: {came.stories} stories, {came.steps} operations, {came.seconds:.1f} s")
    assert came.found is None, f"seed {SEED}: {came.found.said}\n{pprint.pformat(came.found.script)}"
    assert came.steps >= 2_000


def test_every_promise_holds_under_the_state_machine() -> None:
    """The same operations as rules of a state machine, which looks for other orders than the stories."""
    print(f"seed {SEED}")
    seed(SEED)(Machine)
    run_state_machine_as_test(Machine, settings=MACHINE)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_what_was_once_found_stays_found(name: str, world: World) -> None:
    play(world, REGRESSIONS[name].script)


def test_the_same_seed_tells_the_same_stories() -> None:
    import random

    once = [story(random.Random(SEED), STEPS) for _ in range(3)]
    assert once == [story(random.Random(SEED), STEPS) for _ in range(3)]


def test_a_failing_script_is_made_as_short_as_it_can_be() -> None:
    script = [("create", ()), ("wait", (1.2,)), ("gap", (0,)), ("settle", ()), ("sweep", ())]
    short = shrink(script, lambda s: ("create", ()) in s and ("settle", ()) in s)
    assert short == [("create", ()), ("settle", ())]
