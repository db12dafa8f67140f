"""Whether the triggers of captured tables are there, and still the ones that were there before.

A table that is made anew has none, and nobody tells of what is written then; so it is after a load for which
they were switched off. The position keeps which triggers they were: other ones mean a gap of that table.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.odbc.capture.triggers import Enabled
from adapters.odbc.session import Session
from agent.core.objects import ObjectSpec

#: Seconds between two looks.
EVERY_S = 5.0
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found.

    absent    table → its triggers that are missing or disabled
    replaced  tables whose triggers are back, or others than before: what was written meanwhile nobody told
    moved     the position is another one now
    """

    absent: Mapping[str, Sequence[str]]
    replaced: tuple[str, ...]
    moved: bool


class TriggerWatch:
    """The triggers of the tables of one journal."""

    def __init__(self, objects: Sequence[ObjectSpec]) -> None:
        self._objects = objects
        self._known: dict[str, str] = {}
        self._due = 0.0
        #: How often the triggers were others.
        self.generation = 0

    def open(self, position: bytes | None) -> None:
        """Begin with the triggers that the last life knew; one that cannot be read counts as none."""
        self._known, self._due, self.generation = {}, 0.0, 0
        try:
            version, generation, known = json.loads(position or b"[0, 0, {}]")
            if version == _VERSION:
                self.generation = int(generation)
                self._known = {str(name): str(identity) for name, identity in known.items()}
        except (ValueError, AttributeError, TypeError):
            self._known = {}

    @property
    def due(self) -> bool:
        """Whether it is time for another look."""
        return time.monotonic() >= self._due

    def look(self, session: Session, installed: str) -> Seen:
        """The triggers of now; those that this user cannot see count as sound. Raises SqlFault."""
        dialect = session.dialect
        enabled = Enabled.ask(session)
        hidden = bool(dialect.dictionary.hidden and session.rows(dialect.dictionary.hidden))
        self._due = time.monotonic() + EVERY_S
        absent: dict[str, list[str]] = {}
        found: dict[str, str] = {}
        for spec in self._objects:
            there, missing = enabled.of(spec), enabled.missing(spec)
            if hidden and not there:
                continue
            if enabled.elsewhere(spec) and session.reflect(spec.name) is None:
                # they went with their table, and still note what is written; it may come back with them
                found |= {spec.name: self._known[spec.name]} if spec.name in self._known else {}
                continue
            if missing:
                absent[spec.name] = missing
            parts = [identity for identities in there.values() for identity in identities]
            found[spec.name] = "" if missing else " ".join([installed, *parts])
        replaced = [name for name, text in found.items() if text and self._known.get(name, text) != text]
        moved, self._known = found != self._known, found
        self.generation += moved
        return Seen(absent, tuple(replaced), moved)

    def position(self) -> bytes:
        """Which triggers are known."""
        return json.dumps([_VERSION, self.generation, self._known]).encode()
