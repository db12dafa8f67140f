"""The benchmarks of the IDoc format run, at a size of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.idoc.__main__ import main
from tests.benchmarks.idoc.holding import holding


def test_every_rate_stands_beside_a_bare_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--records", "300", "--rounds", "1", "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert [figure["beside"] for figure in figures].count("lxml.iterparse") == 1
    assert all(figure["ours"] > 0 and figure["reference"] > 0 for figure in figures)
    assert "6 figures" in capsys.readouterr().out


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = [figure for figure in holding(6, tmp_path) if figure.unit == "MB"]
    assert len(peaks) == 4
    assert all(figure.ratio < 1.6 for figure in peaks), [figure.line() for figure in peaks]
