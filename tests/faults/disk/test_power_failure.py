"""Power fails at every point of what is written: what was acknowledged is there, whole, and nothing twice."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from agent.store import beside as numbers
from agent.store import database
from tests.faults.disk import oracle, workloads
from tests.faults.disk.oracle import Judge
from tests.faults.disk.powerfailure import Shares, beside, first, images, sweep
from tests.faults.disk.recording import Recording, record
from tests.flow.reference import SCENARIO
from tests.flow.stories import Operation

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))
#: The beginning of the reference scenario: enough to find a store that is written carelessly.
BEGINNING: list[Operation] = SCENARIO[:27]


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
        played, oracle.by_states(played.states), dice(), Shares(0.08, flows=0.05, twice=0.02, again=0.15)
    )
    with capsys.disabled():
        print(f"\nseed {SEED}: {tally.images} images, {tally.twice} of a second failure, {tally.flows} flows")
    assert tally.findings == []
    assert tally.images >= 250
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


@contextmanager
def pragma(synchronous: str) -> Iterator[None]:
    """The store opened with less care."""
    real = database.connect

    def careless(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = real(file, read_only=read_only)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    with patch.object(database, "connect", careless):
        yield


@pytest.mark.parametrize(
    ("synchronous", "kinds"),
    [("NORMAL", {"lost", "partial"}), ("OFF", {"lost", "partial", "damaged", "closed"})],
)
def test_a_store_that_does_not_wait_for_the_disk_is_found_out(synchronous: str, kinds: set[str]) -> None:
    with pragma(synchronous):
        recording = record(BEGINNING)
    found = first(recording, oracle.by_states(recording.states), dice(), 0.5)
    assert found is not None
    assert found.kind in kinds


def test_a_number_beside_the_store_that_is_not_synced_is_found_out() -> None:
    def careless(file: Path, value: int) -> None:
        temporary = file.with_name("epoch.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, str(value).encode())
        os.close(descriptor)
        temporary.replace(file)

    with patch.object(numbers, "keep", careless):
        recording, _ = workloads.birth()
    assert any(beside(image, recording.epoch) for image in images(recording, dice(), 2.0))
