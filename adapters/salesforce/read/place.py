"""How far a snapshot is: what stands behind each page, so that it goes on there after a kill."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

import orjson

from adapters.salesforce.table import Table, is_id
from agent.errors import PositionLost


class Way(StrEnum):
    """How a snapshot is read."""

    REST = "rest"  # pages by growing id
    BULK = "bulk"  # Bulk API 1.0, cut up by ranges of ids
    BULK2 = "bulk2"  # a query job of Bulk API 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """A place in one reading of an object.

    select    which fields are read, as a hash: rows of another mapping do not belong together
    version   API version of the job; its results cannot be fetched with another one
    total     number of records at the beginning, where it is known
    after     REST: the last id
    job       bulk: the job
    batch     1.0: the batch that is being read, of those in the order of their ids, and ``result`` in it
    locator   2.0: the part of the result that is being read; "" is the first
    rows      rows of that result or part that were handed on
    again     1.0: batch that failed → the job in which it was asked again
    """

    way: Way
    select: str
    version: str
    total: int | None = None
    after: str = ""
    job: str = ""
    batch: str = ""
    result: int = 0
    locator: str = ""
    rows: int = 0
    again: Mapping[str, str] = field(default_factory=dict)

    def behind(self, **changes: Any) -> Self:
        """The place some steps on."""
        return replace(self, **changes)

    def text(self) -> str:
        """The place as opaque text; what is as at the beginning is left out."""
        fresh = asdict(Place(self.way, self.select, self.version))
        kept = {name: value for name, value in asdict(self).items() if value != fresh[name]}
        always = {"way": self.way, "select": self.select, "version": self.version}
        return orjson.dumps({**always, **kept}).decode()


def begin(table: Table, way: Way, version: str, total: int | None) -> Place:
    """The place before the first record."""
    return Place(way, _select(table), version, total)


def read(text: str, table: Table, version: str) -> Place:
    """The place that stands in a text. Raises PositionLost where nothing can be read from there."""
    if is_id(text):
        return begin(table, Way.REST, version, None).behind(after=text)
    try:
        found = orjson.loads(text)
        place = Place(**{**found, "way": Way(found["way"])})
    except (ValueError, KeyError, TypeError):
        raise lost(table, "the place cannot be read") from None
    if place.way is not Way.REST and place.select != _select(table):
        raise lost(table, "other fields are mapped now")
    if place.way is Way.BULK2 and place.version != version:
        raise lost(table, f"the job was made with API version {place.version}")
    return place


def lost(table: Table, why: str) -> PositionLost:
    """The error for a place that is gone."""
    return PositionLost(f"the snapshot of {table.name} begins anew: {why}", stream=table.name)


def _select(table: Table) -> str:
    return hashlib.sha256(table.select.encode()).hexdigest()[:12]
