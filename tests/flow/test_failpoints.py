"""A label of a transaction is a failpoint on each side of its commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import failpoints
from agent.store.database import Store
from tests.flow.systems.time import TestClock


def test_a_label_makes_a_failpoint_on_each_side_of_the_commit(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", TestClock())
    failpoints.watch()
    try:
        with store.transaction("first", "second") as tx:
            assert not failpoints.hits
            tx.run("UPDATE meta SET value = value")
        expected = {
            f"{label}.{side}" for label in ("first", "second") for side in ("before_commit", "after_commit")
        }
        assert failpoints.hits == dict.fromkeys(expected, 1)
    finally:
        failpoints.disarm()
        store.close()


@pytest.mark.parametrize(("side", "kept"), [("before_commit", False), ("after_commit", True)])
def test_what_dies_before_the_commit_is_gone_and_after_it_is_kept(
    tmp_path: Path, side: str, kept: bool
) -> None:
    store = Store.open(tmp_path / "store", TestClock())
    failpoints.arm(f"label.{side}", failpoints.Action.CRASH)
    try:
        with pytest.raises(failpoints.Crash), store.transaction("label") as tx:
            tx.run("INSERT INTO meta (key, value) VALUES ('mark', 'here')")
        with store.transaction("look") as tx:
            assert (tx.one("SELECT 1 FROM meta WHERE key = 'mark'") is not None) == kept
    finally:
        failpoints.disarm()
        store.close()
