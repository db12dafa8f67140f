"""One IDoc: its control record and its tree of segments; and the same as a stream of items, for files
whose IDocs do not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.problems import ReadFault


class Origin(NamedTuple):
    """Where a segment or control record stood, and how: what writing it back as it was takes.

    column  from 1 in XML, 0 in a flat file
    offset  byte in the file; -1 where it is not known
    header  MANDT to HLEVEL of a flat data record, 33 characters as they stood; blank in XML and JSON
    width   characters of the flat record as it stood, padding included; 0 in XML and JSON
    path    place in a JSON document, as ``$.idocs[0].segments[1]``
    """

    line: int
    column: int = 0
    offset: int = -1
    header: str = ""
    width: int = 0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment.

    definition  the name as it stood in SEGNAM; the type again where it came from XML
    data        SDATA without trailing blanks; "" where the segment came by names
    level       HLEVEL as it stood, 0 if blank
    named       fields by name, where it came from XML or JSON; None where ``data`` holds the content
    """

    type: str
    definition: str
    data: str
    children: tuple[Segment, ...] = ()
    level: int = field(default=0, compare=False)
    named: Mapping[str, str] | None = None
    origin: Origin | None = field(default=None, compare=False, repr=False)

    def value(self, name: str, dictionary: Dictionary) -> str:
        """One field. Raises KeyError for a segment whose layout is not known."""
        if self.named is not None and name in self.named:
            return self.named[name]
        layout = dictionary.layout(self.definition)
        if layout is None:
            raise KeyError(self.type)
        return layout.value(self.data, name)

    def values(self, dictionary: Dictionary) -> dict[str, str]:
        """Every field; of a segment whose layout is not known those that were sent by name (``data`` keeps
        the content of the others).
        """
        layout = dictionary.layout(self.definition)
        if self.named is not None:
            return {**({} if layout is None else layout.read("")), **self.named}
        return {} if layout is None else layout.read(self.data)

    def filled(self, dictionary: Dictionary) -> dict[str, str]:
        """The fields that are not blank."""
        if self.named is not None:
            return {name: text for name, text in self.named.items() if text}
        layout = dictionary.layout(self.definition)
        return {} if layout is None else layout.filled(self.data)

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
    """One IDoc. ``control`` holds every field of EDI_DC40 by name; ``span`` is None for one not read from a
    flat file.
    """

    control: Mapping[str, str]
    segments: tuple[Segment, ...]
    span: Span | None = field(default=None, compare=False)
    origin: Origin | None = field(default=None, compare=False, repr=False)

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


class Head(NamedTuple):
    """An item of a stream: an IDoc begins. ``at`` counts the IDocs of the file from 1; ``sent`` names the
    fields of the control record that an XML file holds, in its order.
    """

    at: int
    control: Mapping[str, str]
    origin: Origin
    sent: tuple[str, ...] = ()


class Entry(NamedTuple):
    """An item of a stream: a segment, without its children.

    at      counts the segments of the IDoc from 1
    parent  the count of the segment above it, 0 for none
    depth   1 for a root
    end     byte behind it in a flat file, -1 where it is not known
    """

    at: int
    parent: int
    depth: int
    segment: Segment
    end: int = -1


Item = Head | Entry


class Reader(Protocol):
    """A stream that knows whether it stands between two IDocs."""

    def __iter__(self) -> Iterator[Item]:
        """Its items."""

    @property
    def between(self) -> bool:
        """Whether the IDoc that it handed out last is whole, and the next one is not begun."""


def assemble(items: Iterable[Item] | Reader) -> Iterator[Idoc]:
    """The IDocs of a stream, one in memory at a time. Where a reader raises between two IDocs, the one before
    is handed out first.
    """
    head: Head | None = None
    entries: list[Entry] = []
    stream = iter(items)
    while True:
        try:
            item = next(stream, None)
        except ReadFault:
            if head is not None and getattr(items, "between", False):
                yield _assembled(head, entries)
            raise
        if item is None:
            break
        if isinstance(item, Entry):
            entries.append(item)
            continue
        if head is not None:
            yield _assembled(head, entries)
        head, entries = item, []
    if head is not None:
        yield _assembled(head, entries)


def _assembled(head: Head, entries: list[Entry]) -> Idoc:
    children: list[list[Segment]] = [[] for _ in range(len(entries) + 1)]
    for entry in reversed(entries):
        below = children[entry.at]
        segment = entry.segment
        if below:
            segment = replace(segment, children=tuple(reversed(below)))
        children[entry.parent].append(segment)
    span = None
    if head.origin.offset >= 0 and head.origin.width and entries:
        span = Span(head.origin.line, head.origin.offset, entries[-1].end)
    return Idoc(head.control, tuple(reversed(children[0])), span, head.origin)


def items_of(idocs: Iterable[Idoc]) -> Iterator[Item]:
    """IDocs as a stream."""
    for index, idoc in enumerate(idocs, 1):
        yield Head(index, idoc.control, idoc.origin or Origin(0))
        count = 0
        stack: list[tuple[Segment, int, int]] = [(root, 0, 1) for root in reversed(idoc.segments)]
        while stack:
            segment, parent, depth = stack.pop()
            count += 1
            yield Entry(count, parent, depth, segment)
            stack.extend((child, count, depth + 1) for child in reversed(segment.children))
