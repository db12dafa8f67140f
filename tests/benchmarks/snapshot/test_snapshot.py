"""The benchmark of reading whole objects runs, at a size of seconds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks.snapshot.__main__ import main


def test_figures_of_every_way_stand_beside_the_bare_reference(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert main(["--records", "2500", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())["figures"]
    each = ["µs of a core", "rows/s"]
    assert [one["unit"] for one in figures] == [*each, *each, "MB at most", *[*each, "MB at most"] * 3]
    assert all(one["ours"] > 0 and one["reference"] > 0 for one in figures)
