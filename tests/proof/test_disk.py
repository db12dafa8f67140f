"""The disk part says what falls short and from which seed, and its pieces do the same each time."""

from __future__ import annotations

import random
from concurrent.futures import Future

import pytest

from tests.faults.disk.oracle import Finding
from tests.faults.disk.powerfailure import Tally
from tests.proof.disk import Piece, Sum, _collect, _line, calls_of, do, find_out

LOST = Finding("lost", "2 acknowledged transactions are not there", 2)


def _answered(result: Tally | Exception) -> dict[str, Sum]:
    answer: Future[Tally] = Future()
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
    sums: dict[str, Sum] = {}
    _collect({answer: Piece("power: birth", lambda dice: Tally(), "1/0")}, sums)
    return sums


def test_a_line_holds_when_nothing_was_found() -> None:
    line = _line("power: birth", _answered(Tally(images=3, flows=1))["power: birth"], "images")
    assert (line.holds, line.tried, line.said) == (True, 3, "0 in a recovery, 1 flows went on")


def test_a_line_falls_short_with_what_was_found_and_where() -> None:
    found = _answered(Tally(images=3, findings=[(17, LOST)]))["power: birth"]
    line = _line("power: birth", found, "images")
    assert not line.holds
    assert line.said == "seed 1/0, event 17: lost: 2 acknowledged transactions are not there"


def test_a_piece_that_breaks_makes_its_line_fall_short() -> None:
    line = _line("power: birth", _answered(AssertionError("I8: nothing"))["power: birth"], "images")
    assert (line.holds, line.said) == (False, "seed 1/0: AssertionError: I8: nothing")


def test_a_careless_store_that_nobody_finds_out_falls_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(find_out.__globals__["WEAKNESSES"], "harmless", lambda dice: None)
    assert find_out("harmless", "1") is None


def test_a_piece_does_the_same_with_the_same_seed() -> None:
    drawn = [do(Piece("x", lambda dice: Tally(images=dice.randrange(1000)), "s")).images for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_calls_fail_one_at_a_time() -> None:
    assert calls_of(7, random.Random("x")).images > 0
