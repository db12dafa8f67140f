"""Putting one Salesforce system together. Nothing talks before the first call of a port."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.salesforce.check.probe import SalesforceProbe
from adapters.salesforce.check.reach import Reach
from adapters.salesforce.connection.auth import Login
from adapters.salesforce.connection.governor import Governor, Priority, Shares
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.proxy import Ways
from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.connection.tls import http_trust
from adapters.salesforce.jobs.bulk import Bulk
from adapters.salesforce.read.reader import SalesforceReader
from adapters.salesforce.read.snapshot import Snapshot
from adapters.salesforce.settings import Settings
from adapters.salesforce.stream.avro import EventSchema
from adapters.salesforce.stream.channel import faults
from adapters.salesforce.stream.pubsub import PubSub
from adapters.salesforce.stream.source import SalesforceSource
from adapters.salesforce.table import Table, no_names
from adapters.salesforce.write.target import SalesforceTarget
from agent.core.objects import ObjectSpec
from agent.errors import ConfigError, Problem
from agent.ports import System

__all__ = ["Settings", "connect"]


def connect(
    name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> System:
    """One org as a system. ``secret`` resolves a reference of the settings to its text, at each login.

    Source and target share their connections: close both, also when only the reader was used.
    Raises ConfigError with every problem at once.
    """
    _check(name, settings, objects)
    link = HttpLink(settings, Ways(settings, secret))
    login = Login(name, settings, link, secret)
    governor = Governor(name, Shares(settings.api_reserve, settings.api_confirm, settings.api_snapshot))
    rest = Rest(name, settings, link, login, governor)
    tables = {spec.name: Table(spec) for spec in objects}

    def bulk() -> Bulk:
        return Bulk(name, settings, login, governor, link.ways)

    snapshot = Snapshot(settings, rest.at(Priority.SNAPSHOT), bulk)
    reader = SalesforceReader(tables, rest.at(Priority.CONFIRM), settings.slack_s, snapshot)
    probing = SalesforceReader(tables, rest, settings.slack_s, snapshot)
    schemas: dict[str, EventSchema] = {}

    def pubsub(keepalive_s: float = settings.keepalive_s) -> PubSub:
        return PubSub(name, settings, login, schemas, keepalive_s, link.ways)

    source = SalesforceSource(name, objects, settings, link, pubsub)
    return System(
        name=name,
        kind="salesforce",
        source=source,
        target=SalesforceTarget(tables, link, rest, probing, settings),
        reader=reader,
        probe=SalesforceProbe(
            tables, settings, Reach(settings, link), login, rest.at(Priority.PEOPLE), pubsub
        ),
        gauges=governor.gauges,
        ailments=source.ailments,
    )


def _check(name: str, settings: Settings, objects: Sequence[ObjectSpec]) -> None:
    problems = []
    text = _untrusted(settings)
    if text:
        problems.append(Problem("configuration", f"systems.{name}.ca_file", text))
    seen: set[str] = set()
    for spec in objects:
        key = f"systems.{name}.{spec.name}"
        if spec.name in seen:
            problems.append(Problem("configuration", key, "the object is mapped twice"))
        seen.add(spec.name)
        if spec.key != "Id":
            text = f"the key of an object is Id, not {spec.key}"
            problems.append(Problem("configuration", f"{key}.{spec.key}", text, "Id"))
        for wrong in no_names(spec):
            where = key if wrong == spec.name else f"{key}.{wrong}"
            problems.append(Problem("configuration", where, f"{wrong!r} is no name of an object or field"))
    for fault in faults(objects, settings.channels, settings.managed):
        problems.append(Problem("configuration", f"systems.{name}.{fault.key}", fault.text, fault.nearest))
    if problems:
        raise ConfigError(problems)


def _untrusted(settings: Settings) -> str:
    """What is wrong with the file of roots; "" where it can be used."""
    if settings.ca_file is None:
        return ""
    if not settings.ca_file.is_file():
        return "there is no such file"
    try:
        http_trust(settings.ca_file)
    except OSError:  # an SSLError is one
        return "no certificates in PEM form can be read from it"
    return ""
