"""A transaction that finds no room is run again in the room of the ballast, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.store.database import Store
from agent.store.fault import DiskFull
from agent.store.writer import with_ballast
from tests.flow.systems.time import TestClock

SIZE = 1 << 16


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    opened = Store.open(tmp_path, TestClock())
    yield opened
    opened.close()


def needing(store: Store, held: list[int]) -> Callable[[], str]:
    """Work that has room only where the ballast was given up; notes what is held at each try."""

    def work() -> str:
        held.append(store.ballast.held)
        if store.ballast.held or len(held) == 1:
            raise DiskFull("there is no room", where="the disk")
        return "done"

    return work


@pytest.mark.invariant("I15")
def test_a_transaction_without_room_is_run_again_in_the_room_of_the_ballast(store: Store) -> None:
    store.ballast.make(SIZE)
    held: list[int] = []
    assert with_ballast(store, needing(store, held)) == "done"
    assert held == [SIZE, 0]


def test_without_a_ballast_the_full_disk_is_told(store: Store) -> None:
    held: list[int] = []
    with pytest.raises(DiskFull):
        with_ballast(store, needing(store, held))
    assert held == [0]
