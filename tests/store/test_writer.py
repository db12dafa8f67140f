"""The one writer: units of work are committed together, and one that fails takes back only its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import failpoints
from agent.store.database import Store
from agent.store.transaction import Transaction
from agent.store.writer import Writer
from tests.flow.systems.time import TestClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    opened = Store.open(tmp_path, TestClock())
    yield opened
    opened.close()


def note(number: int, *, fail: bool = False) -> Callable[[Transaction], int]:
    """A unit of work that writes a row and may fail after it."""

    def work(tx: Transaction) -> int:
        tx.journal("unit", str(number), "", "done", "test")
        if fail:
            raise ValueError(f"unit {number}")
        return number

    return work


async def test_units_that_wait_share_a_commit_and_each_gets_its_result(store: Store) -> None:
    writer = Writer(store)
    try:
        found = await asyncio.gather(*(writer.write("unit", note(n)) for n in range(50)))
        assert found == list(range(50))
        with_rows = await writer.write(
            "look", lambda tx: tx.one("SELECT count(*) FROM journal WHERE subject = 'unit'")
        )
        assert with_rows == (50,)
        assert store.token < 51
    finally:
        writer.close()


async def test_a_unit_that_fails_takes_back_only_its_own(store: Store) -> None:
    writer = Writer(store)
    try:
        found = await asyncio.gather(
            *(writer.write("unit", note(n, fail=n == 3)) for n in range(6)),
            return_exceptions=True,
        )
        assert isinstance(found[3], ValueError)
        rows = await writer.write(
            "look", lambda tx: tx.rows("SELECT subject_id FROM journal WHERE subject = 'unit' ORDER BY id")
        )
        assert sorted(row[0] for row in rows) == ["0", "1", "2", "4", "5"]
    finally:
        writer.close()


async def test_a_caller_that_gives_up_does_not_undo_what_was_handed_over(store: Store) -> None:
    writer = Writer(store)
    try:
        task = asyncio.create_task(writer.write("unit", note(1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rows = await writer.write(
            "look", lambda tx: tx.rows("SELECT subject_id FROM journal WHERE subject = 'unit'")
        )
        assert rows == [("1",)]
    finally:
        writer.close()


async def test_closing_finishes_what_was_handed_over(store: Store) -> None:
    writer = Writer(store)
    waiting = [asyncio.create_task(writer.write("unit", note(n))) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(writer.close)
    assert await asyncio.gather(*waiting) == list(range(20))


@pytest.mark.invariant("I1")
async def test_nobody_is_told_before_the_commit(store: Store) -> None:
    writer = Writer(store)
    failpoints.arm("unit.before_commit", failpoints.Action.CRASH)
    try:
        with pytest.raises(failpoints.Crash):
            await writer.write("unit", note(1))
    finally:
        failpoints.disarm()
        writer.close()


async def test_what_a_person_does_is_journaled_under_the_person_s_name(store: Store) -> None:
    writer = Writer(store)
    try:
        await asyncio.gather(
            writer.write("unit", note(1)), writer.write("unit", note(2), "op1"), writer.write("unit", note(3))
        )
        rows = await writer.write(
            "look", lambda tx: tx.rows("SELECT subject_id, actor FROM journal WHERE subject = 'unit'")
        )
        assert sorted(rows) == [("1", "agent"), ("2", "op1"), ("3", "agent")]
    finally:
        writer.close()
