"""A few of the scenarios of ``make faults``: what would be worst to get wrong between agent and ERP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.sandbox.business.tamper import tamper
from tests.faults.odbc.catalogue import CATALOGUE
from tests.faults.odbc.course import play
from tests.faults.odbc.scene import Scene
from tests.faults.played import KILL
from tests.faults.scene import Scenario

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))


@pytest.mark.invariant("I1")
@pytest.mark.invariant("I14")
@pytest.mark.invariant("I16")
@pytest.mark.parametrize("name", [f"reset-behind-commit@mariadb{KILL}", "restart@postgresql"])
def test_nothing_is_lost_or_doubled_and_the_operator_is_told(tmp_path: Path, name: str) -> None:
    played = play(CATALOGUE[name.removesuffix(KILL)], tmp_path, SEED, killed=name.endswith(KILL))
    assert not played.wrong, f"again: python -m tests.faults --seed {SEED} --only {name}\n{played.wrong}"


def test_a_row_that_somebody_altered_unseen_is_found(tmp_path: Path) -> None:
    """The judge can say no."""

    def altered(scene: Scene) -> Iterator[None]:
        scene.keep_writing()
        yield
        tamper(scene.site.erp)
        scene.struck(1, "rows altered unseen")

    scenario = Scenario("tampered@postgresql", "the judge", altered, others=False, system="erp")
    played = play(scenario, tmp_path, SEED)
    assert "not equal" in played.wrong and "Nirgendwo" in played.wrong


def test_every_scenario_says_what_it_is_and_runs_on_both_databases_where_both_can_do_it() -> None:
    assert not [name for name, scenario in CATALOGUE.items() if not scenario.what]
    rows = {scenario.row for scenario in CATALOGUE.values()}
    assert len(rows) >= 9
    ends = {name.partition("@")[2] for name in CATALOGUE}
    assert ends == {"postgresql", "mariadb"}
    alone = {name for name in CATALOGUE if f"{name.partition('@')[0]}@mariadb" not in CATALOGUE}
    assert alone == {
        "writers-snapshot@postgresql",
        "late-commit-snapshot@postgresql",
        "trigger-dropped@postgresql",
    }
