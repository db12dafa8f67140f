"""What a scenario at Salesforce has in its hands besides, and how such scenarios are declared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.faults import scene
from tests.faults.salesforce.history import History
from tests.faults.salesforce.place import Place
from tests.faults.scene import REMEDY, FellShort, Scenario, holds, until
from tests.salesforce.gateway import Gateway

__all__ = ["CATALOGUE", "REMEDY", "FellShort", "Play", "Scene", "fault", "holds", "until"]


class Scene(scene.Scene):
    """The place with its two lines to the org, and the org's own faults."""

    def __init__(self, place: Place, history: History) -> None:
        super().__init__(place.site, history)
        self.place = place
        self.gateway: Gateway | None = None

    def arm(self, kind: str, **more: object) -> None:
        """Have the org do something wrong soon."""
        self.history.ask("POST", "faults", {"kind": kind, **more})

    def armed(self, kind: str) -> bool:
        """Whether a fault of that kind has not struck as often as it should."""
        return any(each["kind"] == kind for each in self.history.ask("GET", "faults")["armed"])

    def struck(self, kind: str) -> None:
        """Wait until what is armed of that kind has struck."""
        until(lambda: not self.armed(kind), f"the fault '{kind}' striking")

    def met(self, kind: str, count: int) -> None:
        """Wait until what was armed so many times has struck once at least, then take back the rest."""

        def struck() -> bool:
            armed = self.history.ask("GET", "faults")["armed"]
            left = sum(int(each["count"]) for each in armed if each["kind"] == kind)
            return left < count

        until(struck, f"the fault '{kind}' being met")
        self.history.ask("DELETE", "faults")

    @property
    def state(self) -> str:
        """How the agent says that Salesforce is: up, degraded or down."""
        return self.state_of("salesforce")


Play = Callable[[Scene], Iterator[None]]
CATALOGUE: dict[str, Scenario[Scene]] = {}


def fault(name: str, row: str, **more: Any) -> Callable[[Play], Play]:
    """Declare a scenario."""

    def declare(play: Play) -> Play:
        assert name not in CATALOGUE, name
        for key in ("says", "does", "logs"):
            re.compile(more.get(key, ""))
        CATALOGUE[name] = Scenario(name, row, play, **more)
        return play

    return declare
