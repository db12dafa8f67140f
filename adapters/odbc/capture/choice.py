"""Which strategies an ERP's tables need, by name: the name is the stream, or what its streams begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.odbc.capture import difference, high_water, journal, snapshot, staged, tracking
from adapters.odbc.capture.difference import Difference
from adapters.odbc.capture.high_water import HighWater
from adapters.odbc.capture.journal import Journal
from adapters.odbc.capture.snapshot import Snapshot
from adapters.odbc.capture.staged import Staged
from adapters.odbc.capture.strategy import Strategy
from adapters.odbc.capture.tracking import ChangeTracking
from adapters.odbc.settings import Erp
from adapters.odbc.tables import Capture, TableSettings
from agent.core.objects import ObjectSpec


def names(tables: Mapping[str, TableSettings], objects: Sequence[ObjectSpec]) -> list[str]:
    """The strategies, each once; those that serve one table carry its name behind a colon."""
    found: dict[str, None] = {}
    for spec in objects:
        settings = tables.get(spec.name) or TableSettings()
        if spec.capture:
            found.update(dict.fromkeys(_names(settings, spec.name)))
        if spec.deliver and settings.staging is not None:
            found[f"{staged.NAME}:{spec.name}"] = None
    return list(found)


def _names(settings: TableSettings, table: str) -> list[str]:
    match settings.capture:
        case Capture.JOURNAL:
            return [journal.STREAM]
        case Capture.SNAPSHOT:
            return [snapshot.STREAM]
        case Capture.HIGH_WATER:
            beside = [f"{difference.NAME}:{table}"] if settings.deletes_every_s is not None else []
            return [f"{high_water.NAME}:{table}", *beside]
        case Capture.CHANGE_TRACKING:
            return [f"{tracking.NAME}:{table}"]
        case Capture.DIFFERENCE:
            return [f"{difference.NAME}:{table}"]
        case _:
            return []


def belongs(stream: str, name: str) -> bool:
    """Whether a stream is one of this strategy."""
    return stream == name or stream.startswith(f"{name}:")


def strategies(erp: Erp) -> dict[str, Strategy]:
    """The strategies by name, as the worker runs them."""
    return {name: _made(erp, name) for name in names(erp.tables, erp.objects)}


def _made(erp: Erp, name: str) -> Strategy:
    kind, _, table = name.partition(":")
    settings = erp.table(table)
    match kind:
        case high_water.NAME:
            return HighWater(table, settings)
        case staged.NAME:
            return Staged(table, settings.staging or "")
        case tracking.NAME:
            return ChangeTracking(table)
        case difference.NAME if settings.deletes_every_s is not None:
            return Difference(table, settings, settings.deletes_every_s, keys_only=True)
        case difference.NAME:
            return Difference(table, settings, settings.difference_every_s)
        case snapshot.STREAM:
            return Snapshot(erp.captured(Capture.SNAPSHOT))
        case _:
            return Journal(erp.captured(Capture.JOURNAL))
