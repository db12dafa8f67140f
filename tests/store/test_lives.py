"""The lives of a store, and the lock that keeps two processes apart (I22)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent import failpoints
from agent.errors import Fenced
from agent.store import lives
from agent.store.database import Begin, Store
from tests.flow.systems.time import TestClock

pytestmark = pytest.mark.invariant("I22")

HOLDER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from agent.clock import SystemClock\n"
    "from agent.store.database import Store\n"
    "store = Store.open(Path(sys.argv[1]), SystemClock())\n"
    "print('open', flush=True)\n"
    "sys.stdin.read()\n"
)


def work(store: Store) -> None:
    """A transaction that writes."""
    with store.transaction("work") as tx:
        tx.journal("test", "1", "", "x", "work")


def test_every_start_is_a_life_and_remembers_where_the_earlier_ones_began(tmp_path: Path) -> None:
    begun: dict[str, int] = {}
    for _ in range(3):
        store = Store.open(tmp_path, TestClock(), Begin(host="alpha"))
        assert dict(store.life.lived) == begun
        begun[store.life.id] = store.token
        work(store)
        store.close()
    assert len(begun) == 3


def test_a_life_that_crashed_in_its_first_commit_was_none(tmp_path: Path) -> None:
    Store.open(tmp_path, TestClock()).close()
    failpoints.arm("life.before_commit", failpoints.Action.CRASH)
    try:
        with pytest.raises(failpoints.Crash):
            Store.open(tmp_path, TestClock())
    finally:
        failpoints.disarm()
    store = Store.open(tmp_path, TestClock())
    assert len(store.life.lived) == 1
    store.close()


def test_a_new_epoch_is_behind_every_one_that_was_seen_anywhere(tmp_path: Path) -> None:
    Store.open(tmp_path, TestClock()).close()
    store = Store.open(tmp_path, TestClock(), Begin(beyond=7, why="the ERP has seen epoch 7"))
    assert store.epoch == 8
    assert store.life.renewed
    with store.transaction("look") as tx:
        assert lives.take_renewal(tx) == "the ERP has seen epoch 7"
        assert lives.take_renewal(tx) is None
    store.close()
    again = Store.open(tmp_path, TestClock())
    assert (again.epoch, again.life.renewed) == (8, True)
    again.close()


def test_a_store_that_was_taken_over_from_writes_nothing_and_begins_no_life(tmp_path: Path) -> None:
    store = Store.open(tmp_path, TestClock(), Begin(host="alpha"))
    with store.transaction("fence") as tx:
        lives.fence(tx, store.life.id, "an agent on beta")
    with pytest.raises(Fenced):
        work(store)
    store.close()
    with pytest.raises(Fenced, match=r"alpha.*beta.*--take-over"):
        Store.open(tmp_path, TestClock())
    Store.open(tmp_path, TestClock(), Begin(take_over=True)).close()
    Store.open(tmp_path, TestClock()).close()


def test_two_processes_on_one_database_whose_lock_was_deleted_do_not_both_write(tmp_path: Path) -> None:
    """Somebody removed the lock file under a halted agent, and started another one."""
    first = Store.open(tmp_path, TestClock())
    (tmp_path / "agent.lock").unlink()
    second = Store.open(tmp_path, TestClock())
    work(second)
    with pytest.raises(Fenced):
        work(first)
    second.close()
    first.close()


def test_the_lock_falls_with_a_process_that_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(Fenced, match=f"process {holder.pid}"):
            Store.open(tmp_path, TestClock())
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    Store.open(tmp_path, TestClock()).close()


def test_the_number_in_the_lock_file_decides_nothing(tmp_path: Path) -> None:
    """Numbers of processes are given again: the lock itself counts."""
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "agent.lock").write_text(str(os.getppid()))
    Store.open(tmp_path, TestClock()).close()
