"""The benchmark of comparisons runs, at a size of seconds."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.difference.figures import Size, comparing


async def test_a_comparison_with_and_without_changes_is_measured_beside_a_bare_scan(tmp_path: Path) -> None:
    found = [figure async for figure in comparing(Size(300, 5), tmp_path, ["mariadb"], lambda *_: None)]
    assert len(found) == 8
    assert all(figure.ours > 0 and figure.reference > 0 for figure in found)
