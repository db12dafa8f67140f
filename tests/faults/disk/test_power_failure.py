"""Power fails at every point of what is written: what was acknowledged is there, whole, and nothing twice."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.faults.disk import oracle, workloads
from tests.faults.disk.handover import handed_over
from tests.faults.disk.oracle import Judge
from tests.faults.disk.powerfailure import Shares, sweep
from tests.faults.disk.recording import Recording, record
from tests.faults.disk.weaknesses import WEAKNESSES
from tests.flow.reference import SCENARIO

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))


def dice() -> random.Random:
    return random.Random(f"{SEED}/power")


@pytest.fixture(scope="module")
def played() -> Recording:
    """The reference scenario, recorded."""
    return record(SCENARIO)


@pytest.mark.invariant("I1")
@pytest.mark.invariant("I14")
@pytest.mark.invariant("I15")
@pytest.mark.invariant("I16")
def test_nothing_acknowledged_is_lost_in_part_or_twice_when_the_power_fails(
    played: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = sweep(
        played, oracle.by_states(played.states), dice(), Shares(0.06, flows=0.05, twice=0.015, again=0.1)
    )
    with capsys.disabled():
        print(f"\nseed {SEED}: {tally.images} images, {tally.twice} of a second failure, {tally.flows} flows")
    assert tally.findings == []
    assert tally.images >= 200
    assert min(tally.flows, tally.twice) > 0


def test_the_recording_holds_all_that_power_can_interrupt(played: Recording) -> None:
    done = {(event.kind, event.name) for event in played.tape.events}
    assert {
        ("write", "isthmus.db-wal"),
        ("sync", "isthmus.db-wal"),
        ("write", "isthmus.db"),
        ("sync", "isthmus.db"),
        ("create", "isthmus.db-wal"),
        ("delete", "isthmus.db-wal"),
        ("write", "token"),
    } <= done
    assert len(played.states) > 100


@pytest.mark.parametrize("workload", [workloads.birth, workloads.large, workloads.writers])
def test_a_power_failure_costs_nothing_that_was_acknowledged_in(
    workload: Callable[[], tuple[Recording, Judge]],
) -> None:
    recording, judge = workload()
    tally = sweep(recording, judge, dice(), Shares(80 / len(recording.tape.events)))
    assert tally.findings == []
    assert tally.images > 40


@pytest.mark.invariant("I14")
@pytest.mark.parametrize("dies", [False, True])
def test_a_message_for_sap_is_handed_over_once_when_the_power_fails(dies: bool) -> None:
    assert handed_over(dice(), dies=dies) == []


@pytest.mark.parametrize("name", WEAKNESSES)
def test_a_store_that_is_written_carelessly_is_found_out(name: str) -> None:
    found = WEAKNESSES[name](dice())
    assert found is not None
