"""Where a segment of a flat file hangs.

That is told by PSGNUM, or by HLEVEL alone, or, when both are blank, only by the grammar. The level of a root
is not always 01, and segments of the top level carry PSGNUM 000000 at any level.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Origin, Segment
from adapters.idoc.format.grammar import IdocType, Node
from adapters.idoc.format.problems import Problem, Report, Severity
from adapters.idoc.format.text import Record

#: HLEVEL has two digits.
DEEPEST = 99
#: So many records are looked at before it is decided what tells the hierarchy of an IDoc.
LOOK_AHEAD = 4096


class DataRecord(NamedTuple):
    """One data record as it stood; numbers are None where they were blank."""

    name: str
    data: str
    number: int | None
    parent: int | None
    level: int | None
    header: str
    width: int
    record: Record


class Placing:
    """Gives every data record of one IDoc its place. ``problem`` makes a problem of a record and a reason."""

    def __init__(
        self,
        dictionary: Dictionary,
        idoc_type: IdocType | None,
        report: Report,
        problem: Callable[[DataRecord, str], Problem],
    ) -> None:
        self._dictionary = dictionary
        self._idoc_type = idoc_type
        self._report = report
        self._problem = problem
        self._waiting: list[DataRecord] = []
        self._place: Callable[[DataRecord], int] | None = None
        self._numbers = array("L")
        self._depths = array("B", [0])
        self._last = 0
        self._filled: bool | None = None
        self._levels: list[tuple[int, int]] = []
        self._path: list[tuple[int, Node | None]] = []
        self._open: list[tuple[str, int, Node | None, int]] = []

    def add(self, record: DataRecord) -> Iterator[Entry]:
        """Take a record; what can be placed by now comes out."""
        self._check_number(record)
        if self._place is not None:
            yield self._entry(record)
            return
        self._waiting.append(record)
        if len(self._waiting) >= LOOK_AHEAD:
            yield from self.finish()

    def finish(self) -> Iterator[Entry]:
        """Place what still waits."""
        if self._place is None:
            if any(record.parent for record in self._waiting):
                self._place = self._by_number
            elif self._levels_tell():
                self._place = self._by_level
            else:
                self._place = self._by_grammar
        for record in self._waiting:
            yield self._entry(record)
        self._waiting = []

    def _levels_tell(self) -> bool:
        """Whether HLEVEL is filled; one value everywhere says nothing where the grammar says more."""
        levels = {record.level or 0 for record in self._waiting}
        if levels == {0} or not levels:
            return False
        return len(levels) > 1 or len(self._waiting) < 2 or self._idoc_type is None

    def _tell(self, record: DataRecord, reason: str, severity: Severity = Severity.ERROR) -> None:
        self._report(replace(self._problem(record, reason), severity=severity))

    def _check_number(self, record: DataRecord) -> None:
        """SEGNUM is filled everywhere or nowhere and grows; filters leave holes, so a step above 1 is no
        fault.
        """
        if self._filled is None:
            self._filled = record.number is not None
        if (record.number is not None) != self._filled:
            self._tell(record, "SEGNUM is filled in some records of this IDoc and blank in others")
            self._filled = record.number is not None
        if record.number is not None:
            if record.number <= self._last:
                reason = f"SEGNUM {record.number:06d} follows {self._last:06d}: records are out of order"
                self._tell(record, reason)
            self._last = record.number

    def _entry(self, record: DataRecord) -> Entry:
        place = self._place or self._by_grammar
        kind = self._dictionary.type_of(record.name)
        parent = self._allowed(place(record), kind)
        depth = self._depths[parent] + 1
        if depth > DEEPEST:
            self._tell(record, f"segments are nested deeper than {DEEPEST} levels")
            parent, depth = 0, 1
            self._path.clear()
            self._open.clear()
        # A number out of order was told of; the greatest so far keeps the list sorted.
        number = record.number or 0
        self._numbers.append(max(number, self._numbers[-1]) if self._numbers else number)
        self._depths.append(depth)
        index = len(self._numbers)
        origin = Origin(record.record.line, 0, record.record.offset, record.header, record.width)
        segment = Segment(kind, record.name, record.data, (), record.level or 0, None, origin)
        return Entry(index, parent, depth, segment, record.record.end)

    def _allowed(self, parent: int, kind: str) -> int:
        """The parent that the sender names, or the one above it that the IDoc type gives this segment:
        senders hang header segments below the first one, though all of them stand at the top.
        """
        if self._idoc_type is None:
            return parent
        path = self._path
        open_ = [0, *(at for at, _ in path)]
        if parent in open_:
            del path[open_.index(parent) :]
        nodes = [self._idoc_type.root, *(node for _, node in path)]
        for at in range(len(nodes) - 1, -1, -1):
            node = nodes[at]
            below = node.child(kind) if node is not None else None
            if below is not None:
                del path[at:]
                parent = path[-1][0] if path else 0
                path.append((len(self._numbers) + 1, below))
                return parent
        if parent not in open_:
            path.clear()  # from here on the sender's word is all there is
        path.append((len(self._numbers) + 1, None))
        return parent

    def _by_number(self, record: DataRecord) -> int:
        if record.number is None:
            self._tell(record, "PSGNUM is filled but SEGNUM is blank")
            return 0
        if not record.parent:
            return 0
        at = bisect_left(self._numbers, record.parent)
        if at == len(self._numbers) or self._numbers[at] != record.parent:
            self._tell(record, f"PSGNUM {record.parent:06d} names no segment before this one")
            return 0
        return at + 1

    def _by_level(self, record: DataRecord) -> int:
        if not record.level:
            self._tell(record, "HLEVEL is filled in some records of this IDoc and blank in others")
            return 0
        stack = self._levels
        while stack and stack[-1][0] >= record.level:
            stack.pop()
        parent = stack[-1][1] if stack else 0
        stack.append((record.level, len(self._numbers) + 1))
        return parent

    def _by_grammar(self, record: DataRecord) -> int:
        """Each segment below the nearest one before it that may be its parent.

        A segment that no dictionary knows (an extension) goes below the segment before it, or beside one of
        its own kind that is still open.
        """
        kind = self._dictionary.type_of(record.name)
        depth, node, place = self._fitting(kind)
        if depth < 0:
            depth = self._above(record, kind)
        del self._open[depth:]
        if self._open and node is not None:
            name, index, above, _ = self._open[-1]
            self._open[-1] = (name, index, above, place)
        parent = self._open[-1][1] if self._open else 0
        self._open.append((kind, len(self._numbers) + 1, node, 0))
        return parent

    def _fitting(self, kind: str) -> tuple[int, Node | None, int]:
        """How many open segments stay open when the IDoc type decides: the deepest parent that has such a
        child at or behind the place it has reached; else the deepest that has one at all; -1 for none.
        """
        second: tuple[int, Node | None, int] = (-1, None, 0)
        if self._idoc_type is None:
            return second
        for depth in range(len(self._open), -1, -1):
            above = self._open[depth - 1][2] if depth else self._idoc_type.root
            place = above.place(kind) if above is not None else -1
            if above is None or place < 0:
                continue
            reached = self._open[depth - 1][3] if depth else 0
            if place >= reached:
                return depth, above.children[place], place
            if second[0] < 0:
                second = (depth, above.children[place], place)
        return second

    def _above(self, record: DataRecord, kind: str) -> int:
        """How many open segments stay open, by what is known of the segment itself."""
        allowed = self._dictionary.parents_of(kind)
        names = [name for name, _, _, _ in self._open]
        if allowed is None:
            return names.index(kind) if kind in names else min(len(names), DEEPEST - 1)
        for depth in range(len(names), 0, -1):
            if names[depth - 1] in allowed:
                return depth
        if allowed:
            # other IDoc types, which is all that is known where this one is not described, prove nothing
            severity = Severity.ERROR if self._idoc_type is not None else Severity.WARNING
            reason = f"{kind} stands below {' or '.join(allowed)}, and none comes before it"
            self._tell(record, reason, severity)
        return 0
