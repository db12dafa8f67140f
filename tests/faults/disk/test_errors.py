"""The disk fails at the n-th call of a kind: nothing is lost or acknowledged falsely, and it is said."""

from __future__ import annotations

import os
import random
import shutil
from unittest.mock import patch

import pytest

from agent.store import writer
from agent.store.database import FILE, Store
from agent.store.fault import DiskFault
from tests.faults.disk import enduring, files, oracle, place
from tests.faults.disk import library as sqlite
from tests.faults.disk.calls import ERRNOS, Errors
from tests.faults.disk.enduring import KINDS, Kind
from tests.faults.disk.powerfailure import Shares, Tally, sweep
from tests.faults.disk.shim import Call, watched
from tests.faults.disk.shop import until
from tests.flow.reference import SCENARIO
from tests.flow.systems.time import TestClock
from tests.flow.world import template

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))
#: Of each kind of call, how many are made to fail. Most reads only copy the log into the database.
EACH = 4
READS = 24
#: Kinds that SQLite may live with: a log that is not deleted, a copying of it that is tried again.
QUIET = {"delete", "truncate"}


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """How often each call is made in the reference scenario."""
    return enduring.calls(SCENARIO)


@pytest.mark.invariant("I1")
@pytest.mark.invariant("I15")
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_every_promise_holds_and_people_are_told_when(kind: Kind, counted: dict[str, int]) -> None:
    count = counted[kind.call]
    chosen = random.Random(f"{SEED}/{kind.name}").sample(
        range(1, count + 1), min(READS if kind.call == "read" else EACH, count)
    )
    said = [error for at in chosen for error in enduring.failed(SCENARIO, kind, at)]
    assert said or kind.call in QUIET
    if kind.name == "a write finds no room":
        assert all("the disk is full" in str(error) for error in said)


def _with_failed_syncs(count: int = 3) -> Tally:
    dice = random.Random(f"{SEED}/syncs")
    tally = Tally()
    for at in dice.sample(range(2, 30), count):
        recording = enduring.recorded_with_failed_sync(SCENARIO[:40], at)
        tally.join(
            sweep(recording, oracle.by_states(recording.states, recording.between), dice, Shares(0.05))
        )
    return tally


def test_after_a_failed_sync_nothing_is_believed_until_it_was_written_again() -> None:
    tally = _with_failed_syncs()
    assert tally.findings == []
    assert tally.images > 50


def _calls_of(counting: Errors) -> list[tuple[str, int]]:
    return [(kind, at) for kind, count in sorted(counting.calls.items()) for at in range(1, count + 1)]


def test_a_start_on_a_disk_that_fails_says_so_and_the_next_one_finds_everything() -> None:
    counting = Errors()
    files.start(counting)
    for kind, at in _calls_of(counting):
        for name, code in ERRNOS.items():
            said, before, after = files.start(Errors(kind, at, code))
            assert len(said) <= 1, said
            for error in said:
                assert error.remedy
                assert name in str(error) or "the disk is full" in str(error)
            assert oracle.started(before, after) is None, (kind, at, name)


@pytest.mark.invariant("I14")
def test_a_message_for_sap_is_handed_over_once_whichever_call_fails() -> None:
    counting = Errors()
    assert files.hand_over(counting) == ["stored: "]
    tried = 0
    for kind, at in _calls_of(counting):
        for code in ERRNOS.values():
            answers = files.hand_over(Errors(kind, at, code))
            tried += 1
            assert os.strerror(code) in answers[0], (kind, at, answers)
    assert tried >= 4 * len(counting.calls)


def test_the_calls_of_our_own_code_are_all_seen() -> None:
    starting, handing = Errors(), Errors()
    files.start(starting)
    files.hand_over(handing)
    assert {"open", "write", "sync", "rename"} <= starting.calls.keys()
    assert {"open", "write", "sync", "rename"} <= handing.calls.keys()


class _NoDatabase(Errors):
    """A disk on which the log can be synced and the database cannot."""

    def before(self, call: Call) -> int:
        return sqlite.IOERR_FSYNC if call.kind == "sync" and call.path.endswith(FILE) else 0


async def test_a_log_that_cannot_be_copied_loses_nothing_and_the_next_who_writes_is_told() -> None:
    with place.folder("copy") as directory, patch.object(writer, "IDLE_S", 0.02):
        shutil.copy(template() / FILE, directory / FILE)
        with watched(_NoDatabase()):
            store = Store.open(directory, TestClock())
            writes = writer.Writer(store)
            try:
                await writes.write("unit", lambda tx: tx.journal("unit", "1", "", "x", "kept"))
                await until(lambda: store.broken is not None, "the copying is tried")
                with pytest.raises(DiskFault, match="the disk failed"):
                    await writes.write("unit", lambda tx: tx.journal("unit", "2", "", "x", "refused"))
            finally:
                writes.close()
                store.close()
        assert oracle.look(directory / FILE)[1] == "ok"
        kept = [row for row in oracle.tables(directory / FILE)["journal"] if "unit" in row]
        assert [row for row in kept if "kept" in row] == kept
        assert len(kept) == 1
