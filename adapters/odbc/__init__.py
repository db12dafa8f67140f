"""Legacy ERPs behind ODBC: captured by a trigger journal, written in transactions with a ledger row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.odbc.link import Link
from adapters.odbc.settings import Settings, problems, resolve
from adapters.odbc.system import (
    JournalAdministration,
    JournalSource,
    LedgerTarget,
    OdbcProbe,
    TableReader,
)
from adapters.odbc.witness import EpochRow
from agent.core.objects import ObjectSpec
from agent.errors import ConfigError
from agent.ports import System

__all__ = ["JournalAdministration", "Settings", "administer", "connect"]


def connect(
    name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> System:
    """The ERP's ports. Nothing is read or started here: the worker process starts with the first call.

    ``secret`` resolves the connection's reference whenever a worker starts, so that a rotated one is seen.
    Raises ConfigError for a connection string whose dialect nobody could tell.
    """
    link = _link(name, settings, objects, secret)
    return System(
        name=name,
        kind="odbc",
        source=JournalSource(link, settings),
        target=LedgerTarget(link),
        reader=TableReader(link),
        probe=OdbcProbe(link),
        witness=EpochRow(link),
    )


def administer(
    name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> JournalAdministration:
    """Installs, verifies and removes the agent's tables and triggers in the ERP; close it afterwards."""
    return JournalAdministration(_link(name, settings, objects, secret))


def _link(name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]) -> Link:
    found = problems(name, settings)
    if found:
        raise ConfigError(found)
    return Link(name, settings.deadline_s, lambda: resolve(name, settings, objects, secret))
