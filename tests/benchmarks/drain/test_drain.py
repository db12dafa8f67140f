"""The benchmark of the drain runs, at a size of seconds."""

from __future__ import annotations

from tests.benchmarks.drain.figures import draining


def test_both_servers_are_drained_of_creates_and_updates_beside_a_bare_loop() -> None:
    figures = list(draining(120, 1))
    assert [figure.name for figure in figures] == [
        "creates in postgresql",
        "updates in postgresql",
        "creates in mariadb",
        "updates in mariadb",
    ]
    assert all(figure.ours > 0 and figure.ratio > 0 for figure in figures)
