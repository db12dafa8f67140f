"""A store that is older than the last life is noticed, and nothing that it believes is believed (I22)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import failpoints
from agent.store.database import FILE, Store
from tests.flow.systems.time import TestClock

pytestmark = pytest.mark.invariant("I22")


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Path]:
    """A store with a fresh image, put back from a copy that is older than its last life."""
    directory = tmp_path / "store"
    store = Store.open(directory, TestClock())
    with store.transaction("seed") as tx:
        tx.run(
            "INSERT INTO entity (id, type, birth, born, agreed, parked, refused, absent)"
            " VALUES ('c1', 'customer', 'sf', 1, '{}', '[]', '{}', '[]')"
        )
        tx.run(
            "INSERT INTO image (entity, system, fields, base, fresh, grade, present, token, order_no,"
            " answered, faulty, seen) VALUES ('c1', 'sf', '{}', '{}', 1, 'read', 1, 1, 0, 0, '[]', 0)"
        )
    store.close()
    shutil.copy(directory / FILE, tmp_path / "backup.db")
    (directory / "epoch").write_text("2")  # a later life has begun since, and wrote it down beside the store
    shutil.copy(tmp_path / "backup.db", directory / FILE)
    try:
        yield directory
    finally:
        failpoints.disarm()


def _look(directory: Path, statement: str) -> object:
    connection = sqlite3.connect(directory / FILE)
    try:
        return connection.execute(statement).fetchone()[0]
    finally:
        connection.close()


def test_a_restored_store_starts_a_new_epoch_and_trusts_no_image(restored: Path) -> None:
    store = Store.open(restored, TestClock())
    store.close()
    assert store.epoch == 3
    assert _look(restored, "SELECT fresh FROM image") == 0
    assert (restored / "epoch").read_text() == "3"


@pytest.mark.parametrize("side", ["before_commit", "after_commit"])
def test_a_crash_in_the_first_start_after_a_restore_leaves_nothing_trusted(restored: Path, side: str) -> None:
    failpoints.arm(f"restore.{side}", failpoints.Action.CRASH)
    with pytest.raises(failpoints.Crash):
        Store.open(restored, TestClock())
    failpoints.disarm()
    store = Store.open(restored, TestClock())
    store.close()
    assert store.epoch >= 3
    assert _look(restored, "SELECT fresh FROM image") == 0


def test_a_backup_that_is_simply_put_back_is_noticed(tmp_path: Path) -> None:
    """Nobody has to say that it is a restore: message ids of the lost life must never be given again."""
    directory = tmp_path / "store"
    Store.open(directory, TestClock()).close()
    shutil.copy(directory / FILE, tmp_path / "backup.db")
    later = Store.open(directory, TestClock())
    with later.transaction("work") as tx:
        tx.run("UPDATE meta SET value = value")
    later.close()
    shutil.copy(tmp_path / "backup.db", directory / FILE)
    store = Store.open(directory, TestClock())
    store.close()
    assert store.epoch == later.epoch + 1


def test_a_store_that_was_only_stopped_keeps_its_epoch(tmp_path: Path) -> None:
    for _ in range(3):
        store = Store.open(tmp_path / "store", TestClock())
        store.close()
        assert store.epoch == 1
