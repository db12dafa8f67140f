"""The archive directory keeps which life of the store was there last, and what was created (I22)."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.idoc.book import BOOK
from adapters.idoc.target import IdocFiles
from adapters.idoc.witness import LOCK, MARK
from agent import failpoints
from agent.core.delivery import Delivery, Mark, Outcome, OutcomeKind
from agent.errors import Refused, Unreachable
from tests.idoc.files import delivery
from tests.idoc.test_target import names, target

pytestmark = pytest.mark.invariant("I22")

NOBODY = Mark()
LOST = Mark("lost", 1, 150, "alpha")
OURS = Mark("ours", 2, 101, "alpha")
#: What the restored store remembers: the life that is lost, up to the copy.
PAST = {"lost": 100, "ours": 101}


async def hand_over(files: IdocFiles, made: Delivery) -> Outcome:
    """Prepare and apply one command."""
    await files.prepare([made])
    (outcome,) = await files.apply([made])
    return outcome


def planned(number: int, mark: Mark, **fields: str) -> Delivery:
    """The create of one record, planned and sent under a mark."""
    made = delivery(number, epoch=mark.epoch, life=mark.life, message_id=f"{mark.epoch}.{number}")
    return replace(made, fields={"E1KNA1M.NAME1": "Alder Works", **fields})


async def lost_life(folder: Path) -> str:
    """A life that created the record and is lost; the DOCNUM that it used."""
    files = target(folder)
    assert await files.witness.take(LOST, NOBODY, {"lost": 150})
    outcome = await hand_over(files, planned(7, LOST, **{"E1KNA1M.SORTL": "old"}))
    assert outcome.kind is OutcomeKind.STORED
    assert outcome.handle is not None
    return outcome.handle


async def test_a_mark_is_written_only_over_the_one_that_was_expected(tmp_path: Path) -> None:
    witness = target(tmp_path).witness
    assert await witness.last() == NOBODY
    assert await witness.take(LOST, NOBODY, {})
    assert not await witness.take(OURS, NOBODY, {})
    assert not await witness.take(OURS, replace(LOST, token=149), {})
    assert await target(tmp_path).witness.last() == LOST


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_crash_at_the_mark_leaves_the_old_one_or_the_new_one(tmp_path: Path, place: str) -> None:
    witness = target(tmp_path).witness
    await witness.take(LOST, NOBODY, {})
    failpoints.arm(f"idoc.{place}_mark", failpoints.Action.CRASH)
    try:
        with pytest.raises(failpoints.Crash):
            await witness.take(OURS, LOST, {})
    finally:
        failpoints.disarm()
    assert await target(tmp_path).witness.last() == {"before": LOST, "after": OURS}[place]


async def test_a_mark_that_cannot_be_understood_stops_what_needs_it(tmp_path: Path) -> None:
    files = target(tmp_path)
    (tmp_path / "archive" / MARK).write_text("{")
    with pytest.raises(Refused, match="cannot be understood"):
        await files.witness.last()
    assert (await hand_over(files, delivery())).kind is OutcomeKind.RETRY


async def test_while_somebody_else_holds_the_lock_nothing_is_handed_over(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.witness.take(OURS, NOBODY, PAST)
    other = os.open(tmp_path / "archive" / LOCK, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(Unreachable, match="another agent"):
            await files.witness.take(replace(OURS, token=102), OURS, PAST)
        outcome = await hand_over(files, planned(1, OURS))
        assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "no-mark")
    finally:
        os.close(other)
    assert (await hand_over(files, planned(1, OURS))).kind is OutcomeKind.STORED


async def test_a_life_that_is_over_hands_nothing_over(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.witness.take(LOST, NOBODY, {"lost": 150})
    await files.prepare([planned(1, LOST), planned(2, LOST)])
    assert await target(tmp_path).witness.take(OURS, LOST, PAST)
    fresh, tried = await files.apply([planned(1, LOST), replace(planned(2, LOST), uncertain=True)])
    assert (fresh.kind, fresh.code) == (OutcomeKind.RETRY, "fenced")
    assert (tried.kind, tried.code) == (OutcomeKind.UNCERTAIN, "fenced")
    assert all(name.endswith(".tmp") for name in names(tmp_path))


async def test_what_a_lost_life_created_is_not_created_again(tmp_path: Path) -> None:
    handle = await lost_life(tmp_path)
    for name in names(tmp_path):
        (tmp_path / "out" / name).unlink()  # SAP took it
    files = target(tmp_path)
    assert await files.witness.take(OURS, LOST, PAST)
    again = planned(3, OURS, **{"E1KNA1M.SORTL": "new"})
    outcome = await hand_over(files, again)
    assert (outcome.kind, outcome.handle) == (OutcomeKind.STORED, handle)
    assert outcome.carried == frozenset({"E1KNA1M.NAME1"})
    assert names(tmp_path) == []
    (repeated,) = await files.apply([replace(again, uncertain=True)])
    assert (repeated.handle, repeated.carried) == (handle, outcome.carried)


async def test_what_a_lost_life_left_unsent_is_taken_away_and_created_once(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.witness.take(LOST, NOBODY, {"lost": 150})
    await files.prepare([planned(7, LOST)])
    failpoints.arm("idoc.before_rename", failpoints.Action.CRASH)
    try:
        with pytest.raises(failpoints.Crash):
            await files.apply([planned(7, LOST)])
    finally:
        failpoints.disarm()
    files = target(tmp_path)
    assert await files.witness.take(OURS, LOST, PAST)
    outcome = await hand_over(files, planned(3, OURS))
    assert (outcome.kind, outcome.handle) == (OutcomeKind.STORED, "0020000000000003")
    assert names(tmp_path) == ["DEBMAS_002_0000000000003.idoc"]


async def test_a_create_that_the_store_knows_of_may_be_tried_anew(tmp_path: Path) -> None:
    """SAP refused the first one; a person had it tried again under another number."""
    files = target(tmp_path)
    known = {"ours": 101}
    await files.witness.take(OURS, NOBODY, known)
    assert (await hand_over(files, planned(1, OURS))).handle == "0020000000000001"
    assert (await hand_over(files, planned(2, OURS))).handle == "0020000000000002"


async def test_a_line_that_a_crash_has_cut_spoils_no_other(tmp_path: Path) -> None:
    handle = await lost_life(tmp_path)
    book = tmp_path / "archive" / BOOK
    with book.open("ab") as stream:
        stream.write(b'{"reference": "c-9", "li')
    for name in names(tmp_path):
        (tmp_path / "out" / name).unlink()
    files = target(tmp_path)
    await files.witness.take(OURS, LOST, PAST)
    assert (await hand_over(files, replace(planned(8, OURS), reference="c-8"))).handle == "0020000000000008"
    assert (await hand_over(files, planned(9, OURS))).handle == handle


async def test_the_book_holds_no_values(tmp_path: Path) -> None:
    await lost_life(tmp_path)
    assert b"Alder" not in (tmp_path / "archive" / BOOK).read_bytes()
