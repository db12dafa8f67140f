"""Puts the IDoc adapter of one SAP system together and checks what is mapped against the known segments."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.inbound import Inbound
from adapters.idoc.outbound import Outbound
from adapters.idoc.probe import IdocProbe
from adapters.idoc.settings import Settings
from adapters.idoc.source import IdocDirectory
from adapters.idoc.target import IdocFiles
from agent.core.objects import ObjectSpec
from agent.errors import ConfigError, Problem
from agent.ports import System

KIND = "idoc"


def connect(
    name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> System:
    """An SAP system on file ports. Raises ConfigError for names that no segment has; touches no directory.

    ``secret`` is not used: files need none.
    """
    dictionary = standard_dictionary()
    problems = [problem for spec in objects for problem in _problems(name, settings, spec, dictionary)]
    if problems:
        raise ConfigError(problems)
    outbound = Outbound(settings, dictionary, local_now)
    target = IdocFiles(name, settings, objects, outbound, dictionary)
    return System(
        name=name,
        kind=KIND,
        source=IdocDirectory(name, settings, Inbound(settings, objects, dictionary), time.monotonic),
        target=target,
        reader=None,
        probe=IdocProbe(settings),
        witness=target.witness,
    )


def local_now() -> datetime:
    """The wall clock of this machine, which is what a control record holds."""
    return datetime.now()


def _problems(system: str, settings: Settings, spec: ObjectSpec, dictionary: Dictionary) -> Iterator[Problem]:
    if spec.name not in settings.basic_types:
        yield _problem(
            f"systems.{system}.basic_types", f"no basic type for message {spec.name}", spec.name, ()
        )
    if spec.external_id is not None:
        where = f"systems.{system}.{spec.name}.{spec.external_id}"
        yield _problem(where, f"{spec.name} has no field for an external id", "", ())
    for full in (spec.key, *(entry.name for entry in spec.fields)):
        where = f"systems.{system}.{spec.name}.{full}"
        segment_type, _, field = full.partition(".")
        layout = dictionary.layout(segment_type)
        if layout is None or layout.name != segment_type:
            yield _problem(where, f"no segment {segment_type} is known", segment_type, dictionary.types())
        elif field not in layout:
            names = [entry.name for entry in layout.fields]
            yield _problem(where, f"segment {segment_type} has no field '{field}'", field, names)


def _problem(key: str, text: str, wrong: str, right: Sequence[str]) -> Problem:
    near = difflib.get_close_matches(wrong, right, n=1)
    return Problem("configuration", key, text, near[0] if near else None)
