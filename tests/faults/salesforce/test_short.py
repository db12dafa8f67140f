"""A few of the scenarios of ``make faults``, in the order of what would be worst to get wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.played import KILL
from tests.faults.salesforce.catalogue import CATALOGUE
from tests.faults.salesforce.course import play

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))


@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
@pytest.mark.invariant("I3")
@pytest.mark.invariant("I14")
@pytest.mark.invariant("I16")
@pytest.mark.parametrize("name", ["replay-id-expired", "split-transaction", f"answer-to-a-create{KILL}"])
def test_nothing_is_lost_or_doubled_and_the_operator_is_told(tmp_path: Path, name: str) -> None:
    played = play(CATALOGUE[name.removesuffix(KILL)], tmp_path, SEED, killed=name.endswith(KILL))
    assert not played.wrong, f"again: python -m tests.faults --seed {SEED} --only {name}\n{played.wrong}"


def test_every_row_of_the_fault_list_has_a_scenario_and_every_scenario_says_what_it_is() -> None:
    rows = {scenario.row for scenario in CATALOGUE.values()}
    assert len(rows) >= 11
    assert not [name for name, scenario in CATALOGUE.items() if not (scenario.play.__doc__ or "").strip()]
