"""Who took the place of a merged entity, over any number of merges."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.store import entities
from agent.store.database import Store
from tests.flow.systems.time import TestClock


@pytest.mark.invariant("I21")
@pytest.mark.parametrize(("asked", "found"), [("c1", "c4"), ("c3", "c4"), ("c4", "c4"), ("c5", "c5")])
def test_the_last_of_a_chain_of_merges_is_the_successor(tmp_path: Path, asked: str, found: str) -> None:
    store = Store.open(tmp_path, TestClock())
    try:
        with store.transaction("seed") as tx:
            for number in range(1, 6):
                entities.add(tx, entities.Born(f"c{number}", "customer", "sf", number))
            for number in range(1, 4):
                into = f"c{number + 1}"
                tx.run("UPDATE entity SET ended = 'sf', merged_into = ? WHERE id = ?", into, f"c{number}")
            assert entities.successor(tx, asked) == found
    finally:
        store.close()
