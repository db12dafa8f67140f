"""Changes by comparison: the table's rows are hashed segment by segment, only what differs is looked at.

Needs nothing but SELECT, misses no writer and no delete; of what a row was in between it knows nothing.

    pass:  sums of each segment ─▶ equal: next
                                └▶ differ: keys and hashes ─▶ changed: read by key, told at once
                                                           └▶ vanished: kept until the whole pass is known,
                                                              then read by key once more, and told
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from adapters.odbc import sql
from adapters.odbc.capture.segment import (
    HASH,
    Life,
    Segment,
    Sums,
    added,
    chain,
    decode,
    folded,
    hashed,
    sums_of,
)
from adapters.odbc.capture.strategy import Captured, IdleProbe
from adapters.odbc.records import Shape, images
from adapters.odbc.session import Session
from adapters.odbc.tables import TableSettings
from agent.core.change import Change, ChangeKind, Operation
from agent.errors import Refused

#: What the streams of this strategy begin with; the table and the segment's number follow.
NAME = "difference"
#: Seconds that one look may take before others get their turn.
_TURN_S = 0.25
#: So few rows may always vanish at once.
FEW = 50


@dataclass(slots=True)
class _Pass:
    """One comparison of the whole table.

    place     the segment to be looked at next, by its place in the chain
    deferred  numbers of the segments with rows that seem to be gone; None while the pass finds them
    """

    begun: float
    known: int
    place: int = 0
    vanished: int = 0
    told: int = 0
    found: list[int] = field(default_factory=list)
    deferred: list[int] | None = None


class Difference:
    """The comparison of one table with what was told of it."""

    resumes: ClassVar[bool] = True

    def __init__(
        self, table: str, settings: TableSettings, every_s: float, *, keys_only: bool = False
    ) -> None:
        self._table = table
        self._size = settings.segment_rows
        self._share = settings.max_vanished
        self._every_s = every_s
        self._keys_only = keys_only
        self._reset()

    def _reset(self) -> None:
        self._life = Life(0, b"\0" * 4, b"\0" * 8)
        self._generation = 0
        self._chain: list[Segment] = []
        self._used = 0
        self._left: Segment | None = None
        self._pass: _Pass | None = None
        self._due = 0.0
        self._took = 0.0
        self._braked: Refused | None = None
        self._idle = IdleProbe()

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """Go on from the segments of the last life; a chain that does not reach the end is built further."""
        self._reset()
        read = [
            decode(int(stream.rpartition(":")[2]), value)
            for stream, value in positions.items()
            if stream.rpartition(":")[2].isdigit()
        ]
        found = [one for one in read if one is not None]
        if not found:
            return
        self._life = max((life for life, _, _ in found), key=lambda life: life.number)
        ours = [(generation, segment) for life, generation, segment in found if life == self._life]
        self._generation = max(generation for generation, _ in ours)
        self._chain = chain(ours)

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """The next part of a comparison. Raises Refused when too much of the table vanished at once."""
        shape = self._shape(session)
        if self._chain and self._chain[-1].upper is None:
            return self._compared(session, shape, limit)
        return self._extended(session, shape)

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Nothing to release."""

    def _shape(self, session: Session) -> Shape:
        """The table as it is mapped. Another key or other columns make every hash another: begin anew."""
        shape = Shape.of(session, self._table)
        if self._keys_only:
            shape = replace(shape, names=())
        digest = session.dialect.digest
        told = repr((session.dialect.name, digest is None, shape.spec.key, shape.names))
        mark = hashlib.blake2b(told.encode(), digest_size=8).digest()
        if mark != self._life.shape:
            number = self._life.number + 1
            self._reset()
            self._life = Life(number, os.urandom(4), mark)
        return shape

    # --- building

    def _extended(self, session: Session, shape: Shape) -> Captured:
        """One more segment at the end. With the last one the table is told to be unknown up to here:

        what changed before its rows were hashed is in none of them.
        """
        lower = self._chain[-1].upper if self._chain else None
        rows = self._rows(session, shape, (lower, None), self._size)
        last = len(rows) < self._size
        bounds = (lower, None if last else list(rows)[-1])
        segment = Segment.of(self._number(), bounds, rows, sums_of(rows.values()))
        self._chain.append(segment)
        if not last:
            return self._put(segment)
        self._due = time.monotonic() + self._every_s
        reason = "its comparison begins; what changed before is not known"
        source_id = f"{self._life.tag.hex()}.{self._generation + 1}"
        unknown = Change(source_id, self._stream(segment), ChangeKind.OVERFLOW, self._table, reason=reason)
        return self._put(segment, (unknown,))

    # --- comparing

    def _compared(self, session: Session, shape: Shape, limit: int) -> Captured:
        now = time.monotonic()
        if self._pass is None:
            if now < self._due:
                return self._resting(now)
            if self._idle.idle(session):
                self._due = now + self._every_s
                return self._resting(now)
            self._pass = _Pass(now, sum(segment.count for segment in self._chain))
        while time.monotonic() < now + _TURN_S:
            if self._left is not None:
                return self._put(self._halved())
            place = self._place(self._pass)
            if place is None:
                return self._ended(session, self._pass)
            found = self._checked(session, shape, place, limit)
            if found is not None:
                return found
        return Captured(self._name, rest_s=0.0, figures=self._figures())

    def _place(self, run: _Pass) -> int | None:
        """The segment to look at next; those with vanished rows come last, when all of them are known."""
        if run.deferred is None:
            if run.place < len(self._chain):
                return run.place
            self._brake(run, run.vanished)
            run.deferred = run.found
        while run.deferred:
            number = run.deferred[0]
            for place, segment in enumerate(self._chain):
                if segment.number == number:
                    return place
            run.deferred.pop(0)
        return None

    def _checked(self, session: Session, shape: Shape, place: int, limit: int) -> Captured | None:
        """Look at one segment; None where it has nothing to tell and the pass went on."""
        run, segment = self._pass, self._chain[place]
        if run is None:
            return None
        bounds = (segment.lower, segment.upper)
        if session.dialect.digest is not None:
            count, sums = self._sums(session, shape, bounds)
            if count == segment.count and sums == segment.sums:
                return self._passed(run, place)
            if count > 2 * self._size and (split := self._split(session, shape, place)) is not None:
                return split
        rows = self._rows(session, shape, bounds, 2 * self._size + 1)
        if len(rows) > 2 * self._size:
            return self._split(session, shape, place)
        return self._told(session, shape, place, rows, limit)

    def _told(
        self, session: Session, shape: Shape, place: int, rows: Mapping[str, bytes], limit: int
    ) -> Captured | None:
        """What differs in a segment, read by key, as changes with the segment's new position."""
        run, segment = self._pass, self._chain[place]
        if run is None:
            return None
        known = segment.rows()
        changed = [key for key, digest in rows.items() if known.get(key) != digest[:HASH]]
        vanished = [key for key in known if key not in rows]
        if vanished and run.deferred is None:
            if segment.number not in run.found:
                run.found.append(segment.number)
                run.vanished += len(vanished)
            gone: list[str] = []
        else:
            gone = vanished[:limit]
            self._brake(run, run.told + len(gone))
        changed = changed[: limit - len(gone)]
        told = self._changes(session, shape, known, changed, gone)
        run.told += sum(change.operation is Operation.DELETE for change in told)
        kept = _merged(known, rows, {key for change in told for key in change.keys}, frozenset(gone))
        whole = kept.keys() == rows.keys() and all(rows[key][:HASH] == kept[key][:HASH] for key in kept)
        if not told and (not whole or segment.sums is not None):
            return self._passed(run, place)
        sums = sums_of(rows[key] for key in kept) if whole else None
        after = Segment.of(segment.number, (segment.lower, segment.upper), kept, sums)
        self._chain[place] = after
        return self._put(after, told)

    def _changes(
        self, session: Session, shape: Shape, known: Mapping[str, bytes], changed: list[str], gone: list[str]
    ) -> tuple[Change, ...]:
        """Suspects as they are now. A changed one that is gone by now is a vanished one of the next look."""
        full = Shape.of(session, self._table) if self._keys_only else shape
        found = images(session, full, [*changed, *gone])

        def change(key: str, operation: Operation) -> Change:
            source_id = f"{self._life.tag.hex()}.{self._generation + 1}:{key}"
            fields = found.get(key, {})
            return Change(source_id, self._name, ChangeKind.READ, self._table, (key,), operation, fields)

        told = [
            change(key, Operation.UPDATE if key in known else Operation.CREATE)
            for key in changed
            if key in found
        ]
        # one that is there after all was in flight between two places when the segment was read
        told += [change(key, Operation.UPDATE if key in found else Operation.DELETE) for key in gone]
        return tuple(told)

    def _passed(self, run: _Pass, place: int) -> Captured | None:
        """This segment is done; two small neighbours become one."""
        if run.deferred is not None:
            run.deferred.pop(0)
            return None
        run.place = place + 1
        if place == 0:
            return None
        left, right = self._chain[place - 1], self._chain[place]
        both = added(left.sums, right.sums)
        if both is None or left.count + right.count > self._size // 4:
            return None
        rows = {**left.rows(), **right.rows()}
        one = Segment.of(left.number, (left.lower, right.upper), rows, both)
        self._chain[place - 1 : place + 1] = [one]
        run.place = place
        return self._put(one)

    def _ended(self, session: Session, run: _Pass) -> Captured:
        now = time.monotonic()
        self._pass, self._braked, self._took = None, None, now - run.begun
        self._due = max(run.begun + self._every_s, now)
        self._idle.rest(session, found=any(segment.sums is None for segment in self._chain))
        return self._resting(now)

    def _resting(self, now: float) -> Captured:
        if self._braked is not None:
            raise self._braked
        return Captured(self._name, rest_s=max(self._due - now, 0.0), figures=self._figures())

    def _brake(self, run: _Pass, vanished: int) -> None:
        """Rather nothing than the deletes of a table that was emptied, restored or hidden by mistake."""
        if vanished < FEW or vanished <= self._share * run.known:
            return
        self._pass, self._due = None, time.monotonic() + self._every_s
        self._braked = Refused(
            f"{vanished} of {run.known} rows of '{self._table}' vanished at once; none is told as deleted",
            remedy=f"see whether the table was emptied or restored; if the rows were deleted on purpose, set"
            f" max_vanished of tables.{self._table} to 1.0 until they are told",
        )
        raise self._braked

    # --- splitting

    def _split(self, session: Session, shape: Shape, place: int) -> Captured | None:
        """Make two of a segment that grew. Its rows are told later, by both.

        The right half is written first: until the left one is, nothing leads to it. Of the rows told last,
        those behind the last one on the left go to the right; one that vanished there is found by key.
        """
        segment = self._chain[place]
        bounds = (segment.lower, segment.upper)
        statement = sql.segment_keys(session.dialect, shape.table, shape.spec.key, _are(bounds), self._size)
        keys = [str(row[0]) for row in session.rows(statement, _given(bounds))]
        if len(keys) < self._size:
            return None
        left, behind = set(keys), keys[-1]
        known = segment.rows()
        cut = max((at for at, key in enumerate(known, start=1) if key in left), default=0)
        rows = list(known.items())
        number = self._number()
        right = Segment.of(number, (behind, segment.upper), dict(rows[cut:]), None)
        self._left = Segment.of(segment.number, (segment.lower, behind), dict(rows[:cut]), None)
        self._chain[place : place + 1] = [segment, right]
        return self._put(right)

    def _halved(self) -> Segment:
        """The left half takes the place of the whole."""
        left, self._left = self._left, None
        if left is None:
            raise ValueError("nothing was split")
        place = next(at for at, segment in enumerate(self._chain) if segment.number == left.number)
        self._chain[place] = left
        run = self._pass
        if run is not None and left.number in run.found:
            run.found.append(self._chain[place + 1].number)
        return left

    # --- the table

    def _rows(
        self, session: Session, shape: Shape, bounds: tuple[str | None, str | None], count: int
    ) -> dict[str, bytes]:
        """Key to hash of sixteen bytes, in the table's order."""
        statement = sql.segment_rows(
            session.dialect, shape.table, shape.spec.key, shape.names, _are(bounds), count
        )
        found = session.rows(statement, _given(bounds))
        if session.dialect.digest is not None:
            return {str(key): bytes.fromhex(str(digest)) for key, digest in found}
        return {str(row[0]): hashed(row) for row in found}

    def _sums(
        self, session: Session, shape: Shape, bounds: tuple[str | None, str | None]
    ) -> tuple[int, Sums]:
        statement = sql.segment_sums(session.dialect, shape.table, shape.spec.key, shape.names, _are(bounds))
        count, first, second = session.rows(statement, _given(bounds))[0]
        return int(count), folded(first, second)

    # --- positions

    @property
    def _name(self) -> str:
        return f"{NAME}:{self._table}"

    def _stream(self, segment: Segment) -> str:
        return f"{self._name}:{segment.number}"

    def _number(self) -> int:
        """A number that no segment of the chain has."""
        used = {segment.number for segment in self._chain}
        while self._used in used:
            self._used += 1
        return self._used

    def _put(self, segment: Segment, changes: tuple[Change, ...] = ()) -> Captured:
        self._generation += 1
        stream = self._stream(segment)
        return Captured(
            stream,
            tuple(replace(change, stream=stream) for change in changes),
            position=segment.encode(self._life, self._generation),
            rest_s=0.0,
            figures=self._figures(),
        )

    def _figures(self) -> dict[str, float]:
        return {"capture_pass_s": round(self._took, 3)}


def _are(bounds: tuple[str | None, str | None]) -> tuple[bool, bool]:
    return bounds[0] is not None, bounds[1] is not None


def _given(bounds: tuple[str | None, str | None]) -> list[str]:
    return [bound for bound in bounds if bound is not None]


def _merged(
    known: Mapping[str, bytes], rows: Mapping[str, bytes], told: set[str], gone: frozenset[str]
) -> dict[str, bytes]:
    """What is told by now, in the table's order: new hashes of what was told, old ones of all else."""
    behind: dict[str | None, list[str]] = {}
    last: str | None = None
    for key in known:
        if key in rows:
            last = key
        elif key not in gone:
            behind.setdefault(last, []).append(key)
    kept = {key: known[key] for key in behind.get(None, ())}
    for key, digest in rows.items():
        if key in told:
            kept[key] = digest
        elif key in known:
            kept[key] = known[key]
        for other in behind.get(key, ()):
            kept[other] = known[other]
    return kept
