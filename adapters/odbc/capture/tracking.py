"""Changes that the database itself tracks: keys in the order of commits, one for each row that changed.

    version of now, oldest version kept ─▶ changes behind the place, page by page ─▶ records by key
                                     all of them in one view of the tables

The place is a version and, in the midst of a large transaction, a key: a row that changes meanwhile has a
higher version then and is met again. Where changes behind the place may be gone, the table is unknown.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from adapters.odbc import sql
from adapters.odbc.capture.strategy import Captured
from adapters.odbc.dialect import Tracking
from adapters.odbc.records import Shape, images
from adapters.odbc.session import Session
from agent.core.change import Change, ChangeKind, Operation
from agent.errors import Refused

#: What the stream of this strategy begins with; the table follows.
NAME = "change-tracking"
#: Seconds after which a place that moved without changes is kept: what it goes back to is removed one day.
_KEEP_S = 60.0
_VERSION = 1
_OPERATIONS = {"I": Operation.CREATE, "U": Operation.UPDATE, "D": Operation.DELETE}
_BEGINS = "its capture begins; what changed before is not known"


@dataclass(frozen=True, slots=True)
class Place:
    """How far the table was read: to the end of a version, or to a key within it."""

    version: int
    key: str | None = None

    @property
    def whole(self) -> int:
        """The last version of which everything was read."""
        return self.version if self.key is None else self.version - 1


@dataclass(frozen=True, slots=True)
class _State:
    """What the database says of its tracking. ``identity``: of the table, the tracking, the database."""

    current: int
    oldest: int
    identity: str
    viewed: bool


class ChangeTracking:
    """The capture of one table that the database tracks."""

    resumes: ClassVar[bool] = True

    def __init__(self, table: str) -> None:
        self._table = table
        self._tag = ""
        self._identity = ""
        self._place: Place | None = None
        self._stored = -1
        self._kept = 0.0

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """Go on from the stored position; without one that can be read the table is told to be unknown."""
        self._tag, self._identity, self._place = "", "", None
        self._kept = time.monotonic()
        value = positions.get(self._name)
        if value is None:
            return
        try:
            version, tag, identity, number, key = json.loads(value)
            if version == _VERSION:
                self._tag, self._identity, self._place = tag, identity, Place(int(number), key)
                self._stored = int(number)
        except (ValueError, TypeError):
            self._place = None

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """The next changes, or the news that some are lost. Raises Refused where nothing is tracked."""
        tracking = session.dialect.tracking
        if tracking is None:
            raise Refused(
                f"capture = '{NAME}' asks what only SQL Server tells",
                remedy="choose another capture for its tables: isthmus check recommends one",
            )
        # the catalog is asked outside of the view: a table that was altered meanwhile would end it
        shape = self._shape(session)
        state = self._state(session, tracking)
        place = self._place
        why = self._lost(state)
        if place is None or why:
            return self._begun_anew(state, why or _BEGINS)
        if place == Place(state.current):
            return self._moved(place)
        if not state.viewed:
            return self._looked(session, tracking, shape, limit)
        for statement in tracking.begin:
            session.run(statement)
        found = self._looked(session, tracking, shape, limit)
        for statement in tracking.end:
            session.run(statement)
        return found

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Nothing to release: the database removes what it tracked."""

    def _shape(self, session: Session) -> Shape:
        shape = Shape.of(session, self._table)
        if shape.table.primary_key != (shape.spec.key,):
            raise Refused(
                f"change tracking tells primary keys, and '{shape.spec.key}' is not that of '{self._table}'",
                remedy="map the primary key, or choose another capture: isthmus check recommends one",
            )
        return shape

    def _state(self, session: Session, tracking: Tracking) -> _State:
        named = sql.Named.of(session.dialect, self._table)
        current, oldest, identity, viewed = session.rows(named.within(tracking.state))[0]
        if current is None or oldest is None:
            what = "the database" if current is None else f"table '{self._table}'"
            raise Refused(
                f"change tracking is off for {what}, or not shown to this user",
                where=session.erp.name,
                remedy=f"isthmus journal install {session.erp.name}, and GRANT {tracking.right}"
                f" ON {named.table}",
            )
        return _State(int(current), int(oldest), str(identity), str(viewed) == "1")

    def _lost(self, state: _State) -> str:
        """Why changes behind the place may be missing; "" where none is."""
        if self._place is None:
            return ""
        if state.identity != self._identity:
            return _difference(self._identity.split("."), state.identity.split("."))
        if state.current < self._place.version:
            return "the database counts its changes from an earlier one: it was put back"
        if self._place.whole < state.oldest:
            return "changes behind the last one read are kept no longer: the table was emptied, or not read"
        return ""

    def _begun_anew(self, state: _State, why: str) -> Captured:
        """The table is unknown up to here; whatever commits behind this version will be told."""
        self._tag, self._identity = os.urandom(4).hex(), state.identity
        unknown = Change(f"{self._tag}:", self._name, ChangeKind.OVERFLOW, self._table, reason=why)
        return self._put(Place(state.current), (unknown,))

    def _looked(self, session: Session, tracking: Tracking, shape: Shape, limit: int) -> Captured:
        place, state = self._place, self._state(session, tracking)
        why = self._lost(state)
        if place is None or why:
            return self._begun_anew(state, why or _BEGINS)
        # not above the version of now: without one view of all, more would be seen of some rows than others
        bound = [str(place.whole), str(state.current)]
        bound += [str(place.version), place.key] if place.key is not None else []
        behind = place.key is not None
        statement = sql.tracked_changes(
            session.dialect, tracking, shape.table, shape.spec.key, limit, behind=behind
        )
        rows = session.rows(statement, bound)
        if not state.viewed:
            # what is removed while it is read is known behind the rows
            state = self._state(session, tracking)
            why = self._lost(state)
            if why:
                return self._begun_anew(state, why)
        full = len(rows) >= limit
        after = Place(int(rows[-1][0]), str(rows[-1][2])) if full else Place(int(bound[1]))
        if not rows:
            return self._moved(after)
        return self._put(after, self._changes(session, shape, rows), rest_s=0.0 if full else None)

    def _changes(
        self, session: Session, shape: Shape, rows: Sequence[Sequence[object]]
    ) -> tuple[Change, ...]:
        """Each record as it is now; one that is not there was deleted, whatever was done to it before."""
        found = images(session, shape, [str(row[2]) for row in rows])
        changes = []
        for version, op, key, mark in rows:
            text = str(key)
            operation = _OPERATIONS.get(str(op).strip(), Operation.UPDATE)
            if text not in found:
                operation = Operation.DELETE
            elif operation is Operation.DELETE:
                operation = Operation.UPDATE  # deleted and written again since
            changes.append(
                Change(
                    f"{self._tag}:{version}:{text}",
                    self._name,
                    ChangeKind.READ,
                    self._table,
                    (text,),
                    operation,
                    found.get(text, {}),
                    origin=str(mark) if mark else None,
                )
            )
        return tuple(changes)

    def _moved(self, place: Place) -> Captured:
        """Nothing of this table changed; how far it was read is kept now and then."""
        if place.version == self._stored or time.monotonic() < self._kept + _KEEP_S:
            self._place = place
            return Captured(self._name)
        return self._put(place, rest_s=None)

    def _put(self, place: Place, changes: tuple[Change, ...] = (), rest_s: float | None = 0.0) -> Captured:
        self._place, self._stored, self._kept = place, place.version, time.monotonic()
        told = [_VERSION, self._tag, self._identity, place.version, place.key]
        return Captured(self._name, changes, position=json.dumps(told).encode(), rest_s=rest_s)

    @property
    def _name(self) -> str:
        return f"{NAME}:{self._table}"


def _difference(known: Sequence[str], found: Sequence[str]) -> str:
    """In words: of which of the three parts another one is there now."""
    if known[:1] != found[:1]:
        return "the table was made anew"
    if known[1:2] != found[1:2]:
        return "the table was emptied, or its change tracking was switched off and on"
    return "the database was put back, or another server took its place"
