"""One IDoc: its control record and its tree of segments.

Where a segment hangs is told by PSGNUM, or by HLEVEL alone, or, when both are blank, only by the grammar. The
level of a root is not always 01, and segments of the top level carry PSGNUM 000000 at any level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from adapters.idoc.faults import ReadFault
from adapters.idoc.layout import Dictionary

#: HLEVEL has two digits.
_DEEPEST = 99


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. ``data`` is SDATA without trailing blanks; ``level`` is HLEVEL as it stood, 0 if blank."""

    type: str
    definition: str
    data: str
    children: tuple[Segment, ...] = ()
    level: int = field(default=0, compare=False)

    def value(self, name: str, dictionary: Dictionary) -> str:
        """One field. Raises KeyError for a segment whose layout is not known."""
        layout = dictionary.layout(self.definition)
        if layout is None:
            raise KeyError(self.type)
        return layout.value(self.data, name)

    def values(self, dictionary: Dictionary) -> dict[str, str]:
        """Every field; empty for a segment whose layout is not known (``data`` keeps its content)."""
        layout = dictionary.layout(self.definition)
        return {} if layout is None else layout.read(self.data)

    def walk(self) -> Iterator[Segment]:
        """This segment and all below it, in the order of the file."""
        stack = [self]
        while stack:
            segment = stack.pop()
            yield segment
            stack.extend(reversed(segment.children))

    def below(self, segment_type: str) -> Iterator[Segment]:
        """Segments of a type, this one included."""
        return (segment for segment in self.walk() if segment.type == segment_type)


@dataclass(frozen=True, slots=True)
class Span:
    """Where an IDoc stands in its file: first line, and bytes from ``start`` up to ``end``."""

    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Idoc:
    """One IDoc. ``control`` holds every field of EDI_DC40 by name; ``span`` is None for one not read."""

    control: Mapping[str, str]
    segments: tuple[Segment, ...]
    span: Span | None = field(default=None, compare=False)

    @property
    def message_type(self) -> str:
        """MESTYP: what it means, such as DEBMAS."""
        return self.control["MESTYP"]

    @property
    def number(self) -> str:
        """DOCNUM as its sender numbered it; may be blank."""
        return self.control["DOCNUM"]

    def walk(self) -> Iterator[Segment]:
        """All segments in the order of the file."""
        for root in self.segments:
            yield from root.walk()


@dataclass(frozen=True, slots=True)
class DataRecord:
    """One data record as it stood; numbers are None where they were blank."""

    name: str
    data: str
    number: int | None
    parent: int | None
    level: int | None
    line: int
    offset: int

    def fault(self, reason: str) -> ReadFault:
        """A fault at this record."""
        return ReadFault(reason, line=self.line, offset=self.offset)


def build(records: Sequence[DataRecord], dictionary: Dictionary) -> tuple[Segment, ...]:
    """The tree of one IDoc's records. Raises ReadFault where the numbering contradicts itself."""
    _check_numbers(records)
    if any(record.parent for record in records):
        parents = _by_number(records)
    elif any(record.level for record in records):
        parents = _by_level(records)
    else:
        parents = _by_grammar(records, dictionary)
    children: list[list[Segment]] = [[] for _ in range(len(records) + 1)]
    _check_depth(records, parents)
    for index in range(len(records) - 1, -1, -1):
        record = records[index]
        segment = Segment(
            dictionary.type_of(record.name),
            record.name,
            record.data,
            tuple(reversed(children[index])),
            record.level or 0,
        )
        children[parents[index]].append(segment)
    return tuple(reversed(children[-1]))


def _check_numbers(records: Sequence[DataRecord]) -> None:
    """SEGNUM is filled everywhere or nowhere and grows; filters leave holes, so a step above 1 is no
    fault.
    """
    last = 0
    filled = records[0].number is not None
    for record in records:
        if (record.number is not None) != filled:
            raise record.fault("SEGNUM is filled in some records of this IDoc and blank in others")
        if record.number is not None:
            if record.number <= last:
                raise record.fault(f"SEGNUM {record.number:06d} follows {last:06d}: records are out of order")
            last = record.number


def _by_number(records: Sequence[DataRecord]) -> list[int]:
    places: dict[int, int] = {}
    parents: list[int] = []
    for index, record in enumerate(records):
        if record.number is None:
            raise record.fault("PSGNUM is filled but SEGNUM is blank")
        parent = record.parent or 0
        if parent and parent not in places:
            raise record.fault(f"PSGNUM {parent:06d} names no segment before this one")
        parents.append(places[parent] if parent else -1)
        places[record.number] = index
    return parents


def _by_level(records: Sequence[DataRecord]) -> list[int]:
    stack: list[tuple[int, int]] = []
    parents: list[int] = []
    for index, record in enumerate(records):
        if not record.level:
            raise record.fault("HLEVEL is filled in some records of this IDoc and blank in others")
        while stack and stack[-1][0] >= record.level:
            stack.pop()
        parents.append(stack[-1][1] if stack else -1)
        stack.append((record.level, index))
    return parents


def _by_grammar(records: Sequence[DataRecord], dictionary: Dictionary) -> list[int]:
    """Each segment below the nearest one before it that may be its parent.

    A segment that no dictionary knows (an extension) goes below the segment before it, or beside a sibling of
    its own kind.
    """
    open_types: list[tuple[str, int]] = []
    parents: list[int] = []
    for index, record in enumerate(records):
        kind = dictionary.type_of(record.name)
        allowed = dictionary.parents_of(kind)
        if allowed is None:
            if open_types and open_types[-1][0] == kind:
                open_types.pop()
        else:
            while open_types and open_types[-1][0] not in allowed:
                open_types.pop()
            if allowed and not open_types:
                raise record.fault(f"{kind} stands below {' or '.join(allowed)}, and none comes before it")
        parents.append(open_types[-1][1] if open_types else -1)
        open_types.append((kind, index))
    return parents


def _check_depth(records: Sequence[DataRecord], parents: Sequence[int]) -> None:
    depths: list[int] = []
    for record, parent in zip(records, parents, strict=True):
        depth = 1 if parent < 0 else depths[parent] + 1
        if depth > _DEEPEST:
            raise record.fault(f"segments are nested deeper than {_DEEPEST} levels")
        depths.append(depth)
