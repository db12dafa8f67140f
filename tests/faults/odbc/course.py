"""Plays a scenario at an ERP over ODBC: its place, the course of all scenarios, and what the server says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults import course
from tests.faults.odbc.place import opened
from tests.faults.odbc.scene import Scene
from tests.faults.played import Played
from tests.faults.salesforce.history import History
from tests.faults.scene import Scenario, holds


def play(scenario: Scenario[Scene], folder: Path, seed: int, *, killed: bool = False) -> Played:
    """Play one scenario from an empty folder to its judgement; what went wrong stands in the result."""
    return course.play(scenario, lambda: _scene(scenario, folder, seed), killed=killed)


@contextmanager
def _scene(scenario: Scenario[Scene], folder: Path, seed: int) -> Iterator[Scene]:
    database = scenario.name.partition("@")[2]
    with opened(folder, seed, database, scenario.settings) as place:
        scene = Scene(place, History(str(place.site.stage.org["http"])))
        scene.finally_(lambda: holds(scene.strikes > 0, "the fault never struck: nothing was counted"))
        scene.finally_(scene.judged_by_books)
        try:
            yield scene
        finally:
            for close in (scene.site.stage.stop_agent, *scene.closing, scene.history.close):
                close()
