"""Changes by a column that grows with every write: rows above the highest value seen, and those below again.

A transaction may commit late, below values that were read: a window behind the highest value is read again
and again, and what is known of it by key and hash is not told twice. What commits later than the window is
long is missed, unless the database tells below which value nothing is open (a rowversion of SQL Server): then
nothing else is read, and the age of what holds it back is told. Missed are writers that leave the column as
it is, and deletes of rows below the window: only a comparison of keys beside it finds those.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from adapters.odbc import sql
from adapters.odbc.capture.difference import FEW
from adapters.odbc.capture.segment import HASH, hashed
from adapters.odbc.capture.strategy import Captured, HorizonAge, IdleProbe
from adapters.odbc.records import Shape, images
from adapters.odbc.session import Session
from adapters.odbc.tables import TableSettings
from agent.core.change import Change, ChangeKind, Operation
from agent.errors import Refused

#: What the stream of this strategy begins with; the table follows.
NAME = "high-water"
#: Seconds between two readings of the window, rows of one page, seconds that one look may take.
_AGAIN_S = 2.0
_PAGE = 1000
_TURN_S = 0.25
_VERSION = 1
#: version, tag, shape, generation, bytes of hashes; the hashes and the packed rest follow
_HEAD = struct.Struct(">B4s8sQI")

#: Value and key of a row: its place in the order of the column.
Place = tuple[str, str]


@dataclass(slots=True)
class _Mark:
    """What is known of a table.

    top     place of the highest row
    behind  the window begins behind this place; None where it has no such bound
    seen    key to value and hash of the rows of the window, in order
    bare    the window was found without a row: all have risen, or the table is not what it was
    """

    top: Place | None = None
    behind: Place | None = None
    seen: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    bare: bool = False

    def trim(self, most: int) -> None:
        """Forget the lowest rows; the window begins behind them."""
        lowest = list(self.seen)[: max(len(self.seen) - most, 0)]
        for key in lowest:
            self.behind = (self.seen.pop(key)[0], key)

    def encode(self, tag: bytes, shape: bytes, generation: int) -> bytes:
        """As a position."""
        rows = [[key, value] for key, (value, _) in self.seen.items()]
        hashes = b"".join(digest for _, digest in self.seen.values())
        head = _HEAD.pack(_VERSION, tag, shape, generation, len(hashes))
        return head + hashes + zlib.compress(json.dumps([self.top, self.behind, rows]).encode())

    @classmethod
    def decode(cls, position: bytes) -> tuple[bytes, bytes, int, _Mark] | None:
        """Tag, shape, generation and mark of a position; None for one that this program cannot read."""
        try:
            version, tag, shape, generation, size = _HEAD.unpack_from(position)
            if version != _VERSION:
                return None
            start = _HEAD.size
            top, behind, rows = json.loads(zlib.decompress(position[start + size :]))
            places = range(start, start + size, HASH)
            seen = {
                key: (value, position[at : at + HASH]) for (key, value), at in zip(rows, places, strict=True)
            }
        except (struct.error, ValueError, zlib.error):
            return None
        return tag, shape, generation, cls(_place(top), _place(behind), seen)


@dataclass(slots=True)
class _Scan:
    """A reading that may take several looks: of the window, or of what is above the highest row."""

    window: bool
    behind: Place | None
    rows: dict[str, tuple[str, bytes]] = field(default_factory=dict)


class HighWater:
    """The capture of one table by one of its columns."""

    resumes: ClassVar[bool] = True

    def __init__(self, table: str, settings: TableSettings) -> None:
        self._table = table
        self._column = settings.column or ""
        self._overlap_s = settings.overlap_s
        self._most = settings.overlap_rows
        self._share = settings.max_vanished
        self._reset()

    def _reset(self) -> None:
        self._tag, self._shape_mark, self._generation = b"", b"", 0
        self._mark = _Mark()
        self._scan: _Scan | None = None
        self._window_due = 0.0
        self._idle = IdleProbe()
        self._age, self._age_due = HorizonAge(), 0.0
        self._figures: dict[str, float] = {}

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """Go on from the stored position; without one that can be read the table is told to be unknown."""
        self._reset()
        position = positions.get(self._name)
        found = _Mark.decode(position) if position is not None else None
        if found is not None:
            self._tag, self._shape_mark, self._generation, self._mark = found

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """The next rows. Raises Refused when the column is not there."""
        shape = self._shape(session)
        told = repr((session.dialect.name, shape.spec.key, shape.names, self._column)).encode()
        mark = hashlib.blake2b(told, digest_size=8).digest()
        if mark != self._shape_mark:
            self._reset()
            self._shape_mark = mark
            return self._anchored(session, shape, "its capture begins; what changed before is not known")
        if self._scan is None:
            now = time.monotonic()
            window = now >= self._window_due
            if self._mark.bare or self._mark.top is None:
                window = False  # nothing is known to be below
            if window and self._idle.idle(session):
                self._window_due = now + _AGAIN_S
                return Captured(self._name, figures=self._figures)
            self._scan = _Scan(window, self._mark.behind if window else self._mark.top)
        until = time.monotonic() + _TURN_S
        while time.monotonic() < until:
            found = self._page(session, shape, self._scan, limit)
            if found is not None:
                return found
        return Captured(self._name, rest_s=0.0, figures=self._figures)

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Nothing to release."""

    def _shape(self, session: Session) -> Shape:
        shape = Shape.of(session, self._table)
        if self._column not in shape.table.columns:
            near = difflib.get_close_matches(self._column, list(shape.table.columns), n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise Refused(
                f"table '{self._table}' has no column '{self._column}' to be captured by",
                remedy=f"{hint}set column of tables.{self._table}",
            )
        return shape

    def _anchored(self, session: Session, shape: Shape, why: str) -> Captured:
        """Begin at what is there now, and tell that the table is unknown up to here."""
        self._tag, self._generation = os.urandom(4), 0
        tops = self._places(session, shape, 0)
        behind = self._places(session, shape, self._most) if tops else []
        self._mark = _Mark(tops[0] if tops else None, behind[0] if behind else None)
        self._scan, self._window_due = None, 0.0
        unknown = Change(self._id(""), self._name, ChangeKind.OVERFLOW, self._table, reason=why)
        return self._put((unknown,))

    # --- reading

    def _page(self, session: Session, shape: Shape, scan: _Scan, limit: int) -> Captured | None:
        """The next page; None where it has nothing new and the scan goes on."""
        rows = self._rows(session, shape, scan)
        seen = self._mark.seen
        fresh: dict[str, tuple[str, bytes]] = {}
        taken = 0
        for key, value, digest in rows:
            known = seen.get(key)
            if known is None or known[1] != digest:
                if len(fresh) == limit:
                    break
                fresh[key] = (value, digest)
            scan.rows.pop(key, None)
            scan.rows[key] = (value, digest)
            scan.behind = (value, key)
            taken += 1
        if not scan.window:
            self._risen(scan)
        if fresh:
            self._mark.seen = {**self._mark.seen, **fresh} if scan.window else self._mark.seen
            return self._told(session, shape, list(fresh))
        if taken == len(rows) < _PAGE:
            return self._ended(session, shape, scan, limit)
        return None

    def _told(self, session: Session, shape: Shape, fresh: list[str]) -> Captured:
        """Rows as they are now; one that is gone meanwhile is nobody's."""
        found = images(session, shape, fresh)
        kind, operation = ChangeKind.READ, Operation.UPDATE
        changes = (
            Change(self._id(key), self._name, kind, self._table, (key,), operation, found[key])
            for key in fresh
            if key in found
        )
        return self._put(tuple(changes))

    def _risen(self, scan: _Scan) -> None:
        """Rows above the highest are known at once: a load of any size needs no more than a window."""
        mark = self._mark
        if scan.rows:
            mark.top, mark.bare = scan.behind, False
        mark.seen = {**{key: row for key, row in mark.seen.items() if key not in scan.rows}, **scan.rows}
        scan.rows = {}
        mark.trim(self._most)

    def _ended(self, session: Session, shape: Shape, scan: _Scan, limit: int) -> Captured:
        """The scan is through; that of the window says what is in it now, in order."""
        mark, self._scan = self._mark, None
        if scan.window:
            self._window_due = time.monotonic() + min(_AGAIN_S, self._overlap_s / 4)
            mark.bare = not scan.rows and mark.top is not None
            return self._vanished(session, shape, scan, limit)
        if mark.bare:
            why = f"no row is left up to the highest value of '{self._column}': emptied, or counted anew"
            return self._anchored(session, shape, why)
        self._idle.rest(session, found=False)
        self._measure(session, shape)
        return Captured(self._name, figures=self._figures)

    def _measure(self, session: Session, shape: Shape) -> None:
        """How long the oldest open transaction has held the reading back, where the database tells."""
        settled = session.dialect.settled(shape.table.column(self._column))
        now = time.monotonic()
        if settled is None or now < self._age_due:
            return
        self._age_due = now + _AGAIN_S
        below, coming = session.rows(settled.state)[0]
        self._figures = {"capture_horizon_s": self._age.seen(below, held=below != coming)}

    def _vanished(self, session: Session, shape: Shape, scan: _Scan, limit: int) -> Captured:
        """Rows that were told and are not in the window any more: deleted, or above it by now.

        A comparison of keys beside this knows only keys that it has met itself.
        """
        mark = self._mark
        gone = [key for key in mark.seen if key not in scan.rows]
        asked, kept = gone[:limit], gone[limit:]
        found = images(session, shape, asked) if asked and not mark.bare else {}
        deleted = [] if mark.bare else [key for key in asked if key not in found]
        if len(deleted) >= FEW and len(deleted) > self._share * len(mark.seen):
            return self._anchored(session, shape, "many of the rows written last are gone")
        mark.seen = {**{key: mark.seen[key] for key in kept}, **scan.rows}
        mark.trim(self._most)
        if kept:
            self._window_due = 0.0
        if not deleted:
            return Captured(self._name, rest_s=0.0, figures=self._figures)
        kind, operation = ChangeKind.READ, Operation.DELETE
        return self._put(
            tuple(Change(self._id(key), self._name, kind, self._table, (key,), operation) for key in deleted)
        )

    def _rows(self, session: Session, shape: Shape, scan: _Scan) -> list[tuple[str, str, bytes]]:
        """Key, value and hash of the next rows in the order of the column."""
        top = self._mark.top if scan.window else None
        timed = session.dialect.earlier is not None and sql.is_time(shape.table.column(self._column))
        window = sql.Window(
            earlier_s=self._overlap_s if timed and top is not None else None,
            behind=scan.behind is not None,
            upto=top is not None,
            count=_PAGE,
        )
        names = (self._column, *shape.names)
        statement = sql.high_rows(session.dialect, shape.table, shape.spec.key, names, window)
        given: list[str] = [top[0]] if top is not None and timed else []
        for place in (scan.behind, top):
            if place is not None:
                given += [place[0], place[0], place[1]]
        found = session.rows(statement, given)
        if session.dialect.digest is not None:
            return [(str(row[0]), str(row[1]), bytes.fromhex(str(row[2]))[:HASH]) for row in found]
        return [(str(row[0]), str(row[1]), hashed([row[0], *row[2:]])[:HASH]) for row in found]

    def _places(self, session: Session, shape: Shape, below: int) -> list[Place]:
        """The place of the row that has so many above it, if there is one."""
        statement = sql.high_place(session.dialect, shape.table, shape.spec.key, self._column, below + 1)
        found = session.rows(statement)
        return [(str(found[below][0]), str(found[below][1]))] if len(found) > below else []

    # --- positions

    @property
    def _name(self) -> str:
        return f"{NAME}:{self._table}"

    def _id(self, key: str) -> str:
        return f"{self._tag.hex()}.{self._generation + 1}:{key}"

    def _put(self, changes: tuple[Change, ...]) -> Captured:
        self._generation += 1
        position = self._mark.encode(self._tag, self._shape_mark, self._generation)
        return Captured(self._name, changes, position=position, rest_s=0.0, figures=self._figures)


def _place(value: object) -> Place | None:
    return (str(value[0]), str(value[1])) if isinstance(value, list) else None
