"""A dictionary as a CSV table, a row per field, for whoever has neither parser export nor schema.

Columns (a header row names them; their order is free; ``,`` ``;`` or a tab between them; UTF-8):

==============  ========  ==========================================================================
segment         required  segment type (E1KNA1M, Z1X)
field           required  field name; blank in the one row of a segment without fields
length          required  external length in characters
definition                definition that SEGNAM carries (E2KNA1M005); blank where it is not known
offset                    place in SDATA from 0; the running sum of the lengths where it is blank
type                      SAP data type: CHAR, NUMC, DATS, TIMS, DEC, CURR, QUAN, …
values                    allowed values, separated by blanks
text                      description
idoctype                  IDoc type that the segment belongs to; blank for a layout only
extension                 extension (CIMTYP) of it
parent                    segment type above it; blank for one at the top
min, max                  how often it must and may stand; 0 and unlimited where blank
level                     HLEVEL
==============  ========  ==========================================================================

Rows of one segment follow each other; segments stand in the order that the IDoc type gives them, parents
before their children. A segment below two parents has its rows twice, the second time one row is enough.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.grammar import UNBOUNDED, IdocType, Node
from adapters.idoc.format.layout import Field, Layout
from adapters.idoc.format.problems import Problem, Report, refuse
from adapters.idoc.format.records import SDATA_LENGTH

REQUIRED = ("segment", "field", "length")
COLUMNS = (
    *REQUIRED,
    *(
        "definition",
        "offset",
        "type",
        "values",
        "text",
        "idoctype",
        "extension",
        "parent",
        "min",
        "max",
        "level",
    ),
)
#: Columns that hold names, and what those may be: more than SAP allows, and nothing that no file could hold.
_NAMES = ("segment", "field", "definition", "idoctype", "extension", "parent")
_NAME = re.compile(r"[\w/.$%#-]{1,60}")
_LARGEST = 64 << 20
_DEEPEST = 60


@dataclass(slots=True)
class _Place:
    """A segment's place in an IDoc type."""

    kind: str
    least: int
    most: int
    level: int
    definition: str
    depth: int = 0
    children: dict[str, _Place] = field(default_factory=dict)

    def node(self) -> Node:
        """This place and all below it."""
        below = tuple(child.node() for child in self.children.values())
        return Node(self.kind, self.least, self.most, self.level, self.definition, below)


def is_table(start: bytes) -> bool:
    """Whether a file begins like such a table."""
    line = start.decode("utf-8", "replace").lstrip("\ufeff").splitlines()[:1]
    names = _names(line[0]) if line else []
    return set(REQUIRED) <= set(names)


def _names(line: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in line.split(_separator(line))]


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def read_table(stream: BinaryIO, *, report: Report = refuse) -> Dictionary:
    """The dictionary of a table. Raises ReadFault, or reports every problem."""
    return _Table(report).read(stream)


class _Table:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._fields: dict[tuple[str, str], list[Field]] = {}
        self._levels: dict[str, int] = {}
        self._types: dict[tuple[str, str], _Place] = {}
        self._last: dict[tuple[str, str], dict[str, _Place]] = {}
        self._current: tuple[str, ...] = ()
        self._named: set[str] = set()
        self._owners: dict[str, str] = {}

    def _tell(self, line: int, reason: str, segment: str = "", name: str = "") -> None:
        self._report(Problem(reason, segment=segment, field=name, line=line))

    def read(self, stream: BinaryIO) -> Dictionary:
        """The dictionary."""
        for line, row in self._rows(stream):
            self._row(line, row)
        dictionary = Dictionary()
        for (kind, definition), fields in self._fields.items():
            level = self._levels.get(kind, 0)
            dictionary.add(Layout(kind, definition or kind, tuple(fields), level=level))
        for (name, extension), root in self._types.items():
            dictionary.add_type(IdocType(name, root.node(), extension))
        if not self._fields:
            self._tell(0, "the table describes no segment")
        return dictionary

    def _rows(self, stream: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
        content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            self._tell(0, f"a table of more than {_LARGEST >> 20} MB is not read")
            return
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._tell(content.count(b"\n", 0, error.start) + 1, "the table is not in UTF-8")
            return
        first = re.split("[\r\n]", text, maxsplit=1)[0]
        names = _names(first)
        missing = [name for name in REQUIRED if name not in names]
        unknown = [name for name in names if name not in COLUMNS]
        if missing:
            self._tell(1, f"the header row lacks the column {missing[0]}")
            return
        if unknown or len(set(names)) < len(names):
            self._tell(1, f"unknown or repeated column; known are {', '.join(COLUMNS)}")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(first), strict=True)
        try:
            next(reader)
            for values in reader:
                if any(value.strip() for value in values[len(names) :]):
                    reason = f"the row has {len(values)} cells, the header {len(names)}"
                    self._tell(reader.line_num, reason)
                if any(value.strip() for value in values):
                    yield reader.line_num, dict(zip(names, map(str.strip, values), strict=False))
        except csv.Error as error:
            self._tell(reader.line_num, f"no CSV: {error}")

    def _row(self, line: int, row: Mapping[str, str]) -> None:
        kind, definition = row.get("segment", ""), row.get("definition", "")
        if not kind:
            self._tell(line, "a row without segment")
            return
        for column in (name for name in _NAMES if row.get(name) and not _NAME.fullmatch(row[name])):
            self._tell(line, f"what stands as {column} is no name: blanks and signs cannot be in one")
            return
        here = (kind, definition, row.get("idoctype", ""), row.get("extension", ""), row.get("parent", ""))
        if here != self._current:
            self._current = here
            self._named = set()
            owner = self._owners.setdefault(definition, kind) if definition else kind
            if owner != kind:
                self._tell(line, f"the definition {definition[:30]} is given to {owner[:30]} too", kind)
            self._place(line, kind, row)
        fields = self._fields.setdefault((kind, definition), [])
        if row.get("field"):
            self._add_field(line, kind, row, fields)

    def _add_field(self, line: int, kind: str, row: Mapping[str, str], fields: list[Field]) -> None:
        name = row["field"]
        length = self._number(line, row, "length", 0)
        offset = self._number(line, row, "offset", fields[-1].end if fields else 0)
        if name in self._named:
            self._tell(line, "the field stands twice in this segment", kind, name)
            return
        self._named.add(name)
        known = next((entry for entry in fields if entry.name == name), None)
        if known is not None:
            if known.length != length:
                self._tell(line, "the field has two lengths", kind, name)
            return
        if not length > 0 or offset + length > SDATA_LENGTH:
            self._tell(line, f"the field does not fit into {SDATA_LENGTH} characters", kind, name)
            return
        if fields and offset < fields[-1].end:
            self._tell(line, "the field begins before the end of the one before", kind, name)
            return
        values = tuple(row.get("values", "").split())
        fields.append(Field(name, offset, length, row.get("type") or "CHAR", values, row.get("text", "")))

    def _place(self, line: int, kind: str, row: Mapping[str, str]) -> None:
        level = self._number(line, row, "level", 0)
        self._levels.setdefault(kind, level)
        name, extension, parent = row.get("idoctype", ""), row.get("extension", ""), row.get("parent", "")
        if not name:
            return
        key = (name, extension)
        root = self._types.setdefault(key, _Place("", 0, 1, 0, ""))
        last = self._last.setdefault(key, {})
        above = last.get(parent) if parent else root
        if above is None:
            self._tell(line, f"its parent {parent[:30]} does not come before it", kind)
            return
        if kind in above.children:
            return
        if above.depth >= _DEEPEST:
            self._tell(line, f"segments are nested deeper than {_DEEPEST} levels", kind)
            return
        least = self._number(line, row, "min", 0)
        most = self._number(line, row, "max", UNBOUNDED)
        if least > most:
            self._tell(line, "min is greater than max", kind)
        place = _Place(kind, least, most, level, row.get("definition", ""), above.depth + 1)
        above.children[kind] = last[kind] = place

    def _number(self, line: int, row: Mapping[str, str], name: str, default: int) -> int:
        text = row.get(name, "")
        if not text:
            return default
        if text.isascii() and text.isdigit() and len(text) <= 12:
            return int(text)
        self._tell(line, f"{name} is no number", row.get("segment", ""))
        return default
