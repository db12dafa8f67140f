"""The benchmark of applied commands runs, at a size of seconds."""

from __future__ import annotations

from tests.benchmarks.applying.figures import applying


def test_both_servers_are_measured_beside_three_bare_loops() -> None:
    figures = list(applying(400, 1))
    assert [figure.name.rpartition(" ")[2] for figure in figures] == ["postgresql"] * 3 + ["mariadb"] * 3
    assert all(figure.ours > 0 and figure.ratio > 0 for figure in figures)
