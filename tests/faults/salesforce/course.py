"""Plays a scenario at Salesforce: its place, and the course that all scenarios take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults import course
from tests.faults.played import Played
from tests.faults.salesforce.history import History
from tests.faults.salesforce.place import opened
from tests.faults.salesforce.scene import Scene
from tests.faults.scene import Scenario


def play(scenario: Scenario[Scene], folder: Path, seed: int, *, killed: bool = False) -> Played:
    """Play one scenario from an empty folder to its judgement; what went wrong stands in the result."""
    return course.play(scenario, lambda: _scene(scenario, folder, seed), killed=killed)


@contextmanager
def _scene(scenario: Scenario[Scene], folder: Path, seed: int) -> Iterator[Scene]:
    with opened(folder, seed, scenario.settings) as place:
        scene = Scene(place, History(str(place.site.stage.org["http"])))
        try:
            yield scene
        finally:
            for close in (scene.site.stage.stop_agent, *scene.closing, scene.history.close):
                close()
