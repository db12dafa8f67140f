"""The text that SAP's WE60 and WE63 export as "Parser": record layouts, segments with every field's place,
and the IDoc type's groups. The only export that tells segment definitions (E2…), so flat files want it.

Positions are counted from 1 and include the 63 characters before SDATA. Of a group the first segment is its
head, which has the group's cardinality, and the others hang below it. Older exports say BYTE_FIRST.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from adapters.idoc.format.dictionary import Dictionary, type_by_rule
from adapters.idoc.format.grammar import UNBOUNDED, IdocType, Node
from adapters.idoc.format.layout import Field, Layout
from adapters.idoc.format.problems import Problem, Report, Severity, refuse
from adapters.idoc.format.records import DATA_LENGTH, HEADER_LENGTH, SDATA_LENGTH

#: A line of an export is short; a file without line ends is no export.
_LONGEST_LINE = 4096
_DEEPEST = 99
_KEYWORD = re.compile(r"[ \t]*([A-Z_]+)(?:[ \t]+(.*?))?[ \t]*$")
_STARTS = ("BEGIN_RECORD_SECTION", "BEGIN_SEGMENT_SECTION", "BEGIN_IDOC")
_FLAGS = {"QUALIFIED"}
_KNOWN = {
    *("NAME", "TEXT", "TYPE", "LENGTH", "FIELD_POS", "CHARACTER_FIRST", "CHARACTER_LAST", "BYTE_FIRST"),
    *(
        "BYTE_LAST",
        "VALUE",
        "VALUE_TEXT",
        "SEGMENTTYPE",
        "LEVEL",
        "STATUS",
        "LOOPMIN",
        "LOOPMAX",
        "EXTENSION",
    ),
    *_FLAGS,
}


def is_parser_export(start: bytes) -> bool:
    """Whether a file begins like a parser export."""
    lines = start.decode("latin-1").lstrip("\ufeffï»¿\r\n\t ").splitlines()
    return bool(lines) and lines[0].strip().startswith(_STARTS)


class _Line(NamedTuple):
    number: int
    word: str
    value: str


@dataclass(slots=True)
class _Segment:
    """A segment being read, as a place in the tree."""

    line: int
    definition: str
    kind: str = ""
    level: int = 0
    least: int = 0
    most: int = UNBOUNDED
    mandatory: bool = False
    fields: list[Field] = field(default_factory=list)
    children: list[_Segment] = field(default_factory=list)

    def node(self) -> Node:
        """This place and all below it."""
        children = tuple(child.node() for child in self.children)
        least = max(self.least, 1) if self.mandatory else 0
        kind = self.kind or type_by_rule(self.definition)
        return Node(kind, least, max(self.most, 1), self.level, self.definition, children)


@dataclass(slots=True)
class _Group:
    """A group being read: its numbers go to its first segment."""

    line: int
    values: dict[str, str] = field(default_factory=dict)
    head: _Segment | None = None


@dataclass(slots=True)
class _Field:
    """A field being read."""

    line: int
    values: dict[str, str] = field(default_factory=dict)
    allowed: list[str] = field(default_factory=list)


class ParserExport:
    """Reads one export into a dictionary."""

    def __init__(self, report: Report = refuse) -> None:
        self._report = report
        self.dictionary = Dictionary()
        self._blocks: list[tuple[str, int]] = []
        self._root: _Segment | None = None
        self._name = ""
        self._extension = ""
        self._groups: list[_Group] = []
        self._segment: _Segment | None = None
        self._field: _Field | None = None

    def read(self, stream: BinaryIO, encoding: str = "") -> Dictionary:
        """The dictionary of an export. Texts are in the code page of the person's PC who made it: UTF-8, else
        Latin-1, unless ``encoding`` says so. Raises ReadFault at the first problem, or reports them all.
        """
        for line in self._lines(stream, encoding):
            self._take(line)
        for block, number in self._blocks:
            self._tell(number, f"BEGIN_{block} has no end: the file may be cut")
        if not self.dictionary.types():
            self._tell(0, "the export describes no segment")
        return self.dictionary

    def _tell(self, line: int, reason: str, severity: Severity = Severity.ERROR, segment: str = "") -> None:
        self._report(Problem(reason, severity, line=line, segment=segment))

    def _lines(self, stream: BinaryIO, encoding: str) -> Iterator[_Line]:
        number = 0
        while raw := stream.readline(_LONGEST_LINE + 1):
            number += 1
            if len(raw) > _LONGEST_LINE:
                self._tell(number, f"a line of more than {_LONGEST_LINE} bytes: no parser export")
                return
            text = _decoded(raw, encoding).strip("\r\n\x1a\x00\ufeff")
            if not text.strip():
                continue
            match = _KEYWORD.fullmatch(text)
            if match is None:
                self._tell(number, "no keyword of a parser export")
                continue
            yield _Line(number, match[1], (match[2] or "").strip())

    def _take(self, line: _Line) -> None:
        if line.word.startswith("BEGIN_"):
            self._begin(line, line.word[6:])
        elif line.word.startswith("END_"):
            self._end(line, line.word[4:])
        elif line.word not in _KNOWN:
            self._tell(line.number, f"unknown keyword {line.word[:30]}", Severity.WARNING)
        else:
            self._value(line)

    def _begin(self, line: _Line, block: str) -> None:
        if len(self._blocks) >= 4 * _DEEPEST:
            self._tell(line.number, f"blocks are nested deeper than {4 * _DEEPEST}")
            return
        self._blocks.append((block, line.number))
        if block == "IDOC":
            self._name, self._extension = line.value.split(" ")[0], ""
            self._root, self._groups = _Segment(line.number, ""), []
        elif block == "GROUP":
            self._groups.append(_Group(line.number))
        elif block == "SEGMENT":
            self._begin_segment(line)

    def _begin_segment(self, line: _Line) -> None:
        if self._segment is not None:
            self._tell(line.number, "a segment begins inside another", segment=self._segment.definition)
        if not line.value:
            self._tell(line.number, "BEGIN_SEGMENT without a name")
        self._segment = _Segment(line.number, line.value.split(" ")[0])

    def _end(self, line: _Line, block: str) -> None:
        self._end_field()
        if block in ("FIELDS", "SEGMENT"):
            self._lost_field()
        if not self._blocks or self._blocks[-1][0] != block:
            self._tell(line.number, f"END_{block} ends no BEGIN_{block}")
            names = [name for name, _ in self._blocks]
            if block not in names:
                return
            del self._blocks[len(names) - 1 - names[::-1].index(block) + 1 :]
        self._blocks.pop()
        if block == "SEGMENT" and self._segment is not None:
            self._end_segment(self._segment)
        elif block == "GROUP" and self._groups:
            if self._groups.pop().head is None:
                self._tell(line.number, "a group without a segment")
        elif block == "IDOC" and self._root is not None and self._name:
            root = Node("", children=tuple(child.node() for child in self._root.children))
            self.dictionary.add_type(IdocType(self._name, root, self._extension))
            self._root = None

    def _end_segment(self, segment: _Segment) -> None:
        self._segment = None
        groups = self._groups
        heads = [group for group in groups if group.head is not None]
        if groups and groups[-1].head is None:
            groups[-1].head = segment
            self._cardinality(segment, groups[-1].values, groups[-1].line)
        above = heads[-1].head if heads else self._root
        if above is not None:
            above.children.append(segment)
        kind = segment.kind or type_by_rule(segment.definition)
        if not segment.definition:
            return
        fields = tuple(sorted(segment.fields, key=lambda entry: entry.offset))
        layout = Layout(kind, segment.definition, fields, level=segment.level)
        known = self.dictionary.layout(segment.definition)
        if known is not None and known.definition == segment.definition and not layout.extends(known):
            reason = "the segment is described twice, with different fields"
            self._tell(segment.line, reason, segment=segment.definition)
        self.dictionary.add(layout)

    def _value(self, line: _Line) -> None:
        block = self._blocks[-1][0] if self._blocks else ""
        if block == "FIELDS":
            self._field_value(line)
        elif block == "SEGMENT" and self._segment is not None:
            if line.word == "SEGMENTTYPE":
                self._segment.kind = line.value.split(" ")[0]
            else:
                self._cardinality(self._segment, {line.word: line.value}, line.number)
        elif block == "GROUP" and self._groups:
            self._groups[-1].values[line.word] = line.value
        elif line.word == "EXTENSION":
            self._extension = line.value.split(" ")[0]

    def _cardinality(self, segment: _Segment, values: dict[str, str], line: int) -> None:
        if "LEVEL" in values:
            segment.level = self._number(values["LEVEL"], line, 0, 99)
        if "STATUS" in values:
            segment.mandatory = values["STATUS"].upper() == "MANDATORY"
        if "LOOPMIN" in values:
            segment.least = self._number(values["LOOPMIN"], line, 0, UNBOUNDED)
        if "LOOPMAX" in values:
            segment.most = self._number(values["LOOPMAX"], line, 1, UNBOUNDED)

    def _field_value(self, line: _Line) -> None:
        if line.word == "NAME":
            self._end_field()
            self._lost_field()
            self._field = _Field(line.number)
        if self._field is None:
            self._tell(line.number, f"{line.word} before any NAME", segment=self._where)
        elif line.word == "VALUE":
            self._field.allowed.append(line.value)
        elif line.word != "VALUE_TEXT":
            self._field.values[line.word] = line.value

    @property
    def _where(self) -> str:
        return self._segment.definition if self._segment else ""

    def _end_field(self) -> None:
        found, segment = self._field, self._segment
        if found is None:
            return
        if segment is None or not found.values.get("LENGTH"):
            if segment is None:
                self._field = None
            return
        values = found.values
        first = values.get("CHARACTER_FIRST") or values.get("BYTE_FIRST")
        length = self._number(values["LENGTH"], found.line, 1, DATA_LENGTH)
        if first:
            offset = self._number(first, found.line, HEADER_LENGTH + 1, DATA_LENGTH) - HEADER_LENGTH - 1
        else:
            offset = max((entry.end for entry in segment.fields), default=0)
        self._field = None
        if len(segment.fields) >= SDATA_LENGTH:
            if len(segment.fields) == SDATA_LENGTH:
                self._tell(found.line, f"more than {SDATA_LENGTH} fields", segment=self._where)
            return
        self._check_place(found, segment, offset, length)
        name = values.get("NAME", "").split(" ")[0]
        allowed = tuple(dict.fromkeys(text for text in found.allowed if text))
        segment.fields.append(
            Field(name, offset, length, _kind(values.get("TYPE", "")), allowed, values.get("TEXT", ""))
        )

    def _lost_field(self) -> None:
        """A field whose length never came has no place, and those behind it are not where they seem."""
        if self._field is not None and self._segment is not None:
            self._tell(self._field.line, "the field has no LENGTH", segment=self._where)
        self._field = None

    def _check_place(self, found: _Field, segment: _Segment, offset: int, length: int) -> None:
        where = segment.definition
        last = found.values.get("CHARACTER_LAST") or found.values.get("BYTE_LAST")
        if last and self._number(last, found.line, 1, DATA_LENGTH) != offset + length + HEADER_LENGTH:
            self._tell(found.line, "the field's length is not that of its place", segment=where)
        if offset + length > DATA_LENGTH - HEADER_LENGTH:
            self._tell(found.line, "the field reaches beyond 1000 characters of SDATA", segment=where)
        if any(entry.offset < offset + length and offset < entry.end for entry in segment.fields):
            self._tell(found.line, "the field lies on top of another", segment=where)
        name = found.values.get("NAME", "")
        if any(entry.name == name for entry in segment.fields):
            self._tell(found.line, "the segment has two fields of this name", segment=where)

    def _number(self, text: str, line: int, least: int, most: int) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 20:
            number = int(text)
            if least <= number <= most:
                return number
        self._tell(line, f"no number from {least} to {most}")
        return least


def _kind(text: str) -> str:
    return "CHAR" if text in ("", "CHARACTER") else text[:10]


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return raw.decode("latin-1")


def read_parser_export(stream: BinaryIO, *, encoding: str = "", report: Report = refuse) -> Dictionary:
    """The dictionary of a parser export. Raises ReadFault, or reports every problem."""
    return ParserExport(report).read(stream, encoding)
