"""The proof says what falls short, ends when its time is over, and can be stopped."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.flow.mutants import MUTANTS
from tests.proof import __main__ as proof
from tests.proof.card import Card, Line
from tests.proof.narration import Narration
from tests.proof.parts import mutants, stories

GOOD = Line("product", "seed 1", True, 2_000, "steps")
BAD = Line("mutant", "no_cas", False, 12, "stories", "not found", (("create", ()),))


def test_a_card_holds_only_when_every_line_does_and_nothing_was_left_out() -> None:
    assert Card((GOOD,), 1.0, 1).holds
    assert not Card((GOOD, BAD), 1.0, 1).holds
    assert not Card((GOOD,), 1.0, 1, stopped=True).holds
    assert not Card((), 1.0, 1).holds


def test_the_verdict_comes_last_and_what_fell_short_shows_its_script() -> None:
    text = Card((GOOD, BAD), 1.0, 7).text()
    assert text.splitlines()[-1] == "1 of 2 lines hold, 1 s, seed 7: fell short"
    assert "FALLS SHORT" in text
    assert "('create', ())" in text


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The arguments of a run of hardly any time, and the file of its figures."""
    figures = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["proof", "--minutes", "0.01", "--json", str(figures)])
    return figures


def test_a_run_that_is_stopped_says_so_and_falls_short(
    ended: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> list[Line]:
        raise KeyboardInterrupt

    monkeypatch.setitem(proof.PARTS, "mutants", (interrupted, 0.35))
    assert proof.main() == 1
    assert "stopped before the end" in capsys.readouterr().out
    assert json.loads(ended.read_text())["stopped"] is True


def test_the_time_is_shared_among_the_parts_that_were_chosen() -> None:
    first, last = (proof.PARTS[name][1] for name in ("mutants", "stories"))
    shares = [share for _, share in proof._shares(["stories", "mutants"])]
    assert shares == [pytest.approx(first / (first + last)), pytest.approx(1.0)]
    assert sum(share for _, share in proof.PARTS.values()) == pytest.approx(1.0)


def test_a_mutant_that_nobody_finds_falls_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.proof.parts.MUTANTS", {"harmless": nullcontext})
    monkeypatch.setattr("tests.proof.parts.FIRST_ROUND_S", 0.1)
    monkeypatch.setattr("tests.proof.parts.LEAST_S", 0.1)
    [line] = mutants(1, 0.1, Narration(io.StringIO(), 1.0))
    assert (line.holds, line.said) == (False, "not found")


def test_a_product_that_breaks_a_promise_falls_short_and_shows_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.proof.parts.SEEDS", 1)
    with MUTANTS["random_key"]():
        [line] = stories(1, 60.0, Narration(io.StringIO(), 60.0))
    assert not line.holds
    assert ("create", ()) in line.script
