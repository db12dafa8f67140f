"""Every scenario, whatever fails in it, by the name under which it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.odbc import catalogue as odbc
from tests.faults.odbc.course import play as play_odbc
from tests.faults.played import KILL, Played
from tests.faults.salesforce import catalogue as salesforce
from tests.faults.salesforce.course import play as play_salesforce
from tests.faults.scene import S, Scenario


@dataclass(frozen=True, slots=True)
class Entry:
    """One scenario, with or without a kill of the agent. ``row``: of the fault list; ``what`` happens."""

    name: str
    row: str
    what: str

    def play(self, folder: Path, seed: int) -> Played:
        """Play it from an empty folder to its judgement."""
        plain, killed = self.name.removesuffix(KILL), self.name.endswith(KILL)
        if plain in odbc.CATALOGUE:
            return play_odbc(odbc.CATALOGUE[plain], folder, seed, killed=killed)
        return play_salesforce(salesforce.CATALOGUE[plain], folder, seed, killed=killed)


def _entries() -> Mapping[str, Entry]:
    found = [entry for scenario in salesforce.CATALOGUE.values() for entry in _of(scenario)]
    found += [entry for scenario in odbc.CATALOGUE.values() for entry in _of(scenario)]
    return {entry.name: entry for entry in found}


def _of(scenario: Scenario[S]) -> list[Entry]:
    endings = ("", KILL) if scenario.kills else ("",)
    return [Entry(scenario.name + ending, scenario.row, scenario.what) for ending in endings]


ENTRIES: Mapping[str, Entry] = _entries()
