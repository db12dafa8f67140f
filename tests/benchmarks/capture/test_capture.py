"""The benchmark of capture runs, at a size of seconds."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.capture.figures import WAYS, Size, capturing


async def test_every_way_is_measured_late_and_in_bulk_beside_a_bare_reader(tmp_path: Path) -> None:
    size = Size(backlog=60, seconds=0.1, poll_s=0.02)
    told: list[int] = []
    found = [
        figure
        async for figure in capturing(
            size, tmp_path, ["postgresql"], list(WAYS), lambda done, wanted, seconds: told.append(done)
        )
    ]
    assert len(found) == len(WAYS) * 5
    assert all(figure.ours > 0 and figure.reference > 0 for figure in found)
    assert max(told) == size.backlog
