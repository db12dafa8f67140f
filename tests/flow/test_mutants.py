"""The machine is not blind: each classic fault of synchronisation, put into the product, is caught."""

from __future__ import annotations

import re

import pytest

from tests.flow.machine import play
from tests.flow.mutants import MUTANTS
from tests.flow.pinned import CATCHES
from tests.flow.world import World


def test_every_mutant_has_a_script_that_catches_it() -> None:
    assert CATCHES.keys() == MUTANTS.keys()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_product_keeps_its_promises_where_a_mutant_breaks_one(mutant: str, world: World) -> None:
    play(world, CATCHES[mutant].script)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_breaks_a_promise_and_the_judge_names_it(mutant: str, world: World) -> None:
    pinned = CATCHES[mutant]
    with MUTANTS[mutant](), pytest.raises(AssertionError) as broken:
        play(world, pinned.script)
    assert re.match(r"I\d+: ", str(broken.value)), broken.value
    assert str(broken.value).startswith(f"{pinned.promise}: ")


def test_a_mutant_leaves_no_trace_behind(world: World) -> None:
    for mutant in MUTANTS.values():
        with mutant():
            pass
    play(world, CATCHES["random_key"].script)
