"""An ERP behind ODBC as a system of the engine, and what installs its journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.odbc.link import Link
from adapters.odbc.settings import Settings, problems, resolve
from adapters.odbc.source import CaptureSource
from adapters.odbc.system import EpochRow, JournalAdministration, OdbcProbe, TableReader
from adapters.odbc.target import LedgerTarget
from agent.core.objects import ObjectSpec
from agent.errors import ConfigError
from agent.ports import System


def connect(
    name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> System:
    """The ERP's ports. Nothing is read or started here: the worker process starts with the first call.

    ``secret`` resolves the connection's reference whenever a worker starts, so that a rotated one is seen.
    Raises ConfigError for a connection string whose dialect nobody could tell, and for tables that nothing is
    mapped to.
    """
    link = _link(name, settings, objects, secret)
    source = CaptureSource(link, settings, objects)
    return System(
        name=name,
        kind="odbc",
        source=source,
        target=LedgerTarget(link, settings, objects),
        reader=TableReader(link),
        probe=OdbcProbe(link),
        witness=EpochRow(link) if _keeps_a_ledger(settings, objects) else None,
        gauges=source.gauges,
        ailments=source.ailments,
    )


def _keeps_a_ledger(settings: Settings, objects: Sequence[ObjectSpec]) -> bool:
    """Whether any table is written with the agent's own tables beside it: then they hold its mark, too."""
    written = [spec.name for spec in objects if spec.deliver]
    return not written or any(settings.write(name).ledger for name in written)


def administer(
    name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> JournalAdministration:
    """Installs, verifies and removes the agent's tables and triggers in the ERP; close it afterwards."""
    return JournalAdministration(_link(name, settings, objects, secret))


def _link(name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]) -> Link:
    found = problems(name, settings, objects)
    if found:
        raise ConfigError(found)
    return Link(name, settings.deadline_s, lambda: resolve(name, settings, objects, secret))
