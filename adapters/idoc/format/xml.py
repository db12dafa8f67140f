"""Reading the XML form of IDocs: several <IDOC> in a document, whatever its root is called.

A root is named after the basic type, or after the extension; what an IDoc is, its control record says. Names
write "/" as "_-". Segments are known by their attribute SEGMENT, by their children, or by the dictionary.
Only trailing blanks are cut from values; text beside child segments is layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Idoc, Item, Origin, Segment, assemble
from adapters.idoc.format.markup import Markup
from adapters.idoc.format.problems import Problem, ReadFault, Report, Severity, refuse
from adapters.idoc.format.records import CONTROL, OLD_RELEASE_REMEDY, REQUIRED, XML_CONTROL_NAMES
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.surroundings import IDOC, Surroundings

#: The field that holds the text of a segment whose layout is not known.
SDATA = "SDATA"
#: No value of an IDoc is longer; a text without end must not fill the memory.
_LONGEST_TEXT = 1 << 16
_MICROSOFT = "Microsoft.LobServices.Sap"
_LAYOUT = re.compile(r"(\r?\n)([ \t]*)$")


@dataclass(slots=True)
class XmlStyle:
    """How a document is set.

    prolog   everything before the root: declaration, DTD, comments
    line_end between elements; "" for a document in one line
    indent   of one level
    closed   an empty element is ``<A/>`` and not ``<A></A>``
    tail     what follows the root
    mark     a byte order mark at the start
    """

    prolog: str = '<?xml version="1.0" encoding="UTF-8"?>'
    line_end: str = ""
    indent: str = ""
    closed: bool = True
    tail: str = ""
    mark: bool = False


def read_xml(
    stream: BinaryIO,
    *,
    encoding: str = "",
    dictionary: Dictionary | None = None,
    report: Report = refuse,
) -> Iterator[Idoc]:
    """The IDocs of an XML file, one after the other; no more than one is held in memory.

    ``encoding`` counts only where the document does not declare its own. Raises ReadFault at the first
    problem; with another ``report`` it goes on as far as XML can be read behind one.
    """
    return assemble(XmlReader(stream, encoding=encoding, dictionary=dictionary, report=report))


@dataclass(slots=True)
class _Open:
    """A segment that is open. ``shown`` once it was handed out, which its first child segment makes it be."""

    name: str
    origin: Origin
    at: int
    parent: int
    named: dict[str, str] = field(default_factory=dict)
    shown: bool = False
    control: bool = False


class XmlReader:
    """The items of an XML file in bounded memory, however long an IDoc is. ``style`` says how it is set."""

    def __init__(
        self,
        stream: BinaryIO,
        *,
        encoding: str = "",
        dictionary: Dictionary | None = None,
        report: Report = refuse,
    ) -> None:
        self.style = XmlStyle()
        self._dictionary = dictionary or standard_dictionary()
        self._report = report
        self._markup = Markup(stream, self, self._tell, encoding=encoding)
        self._items: list[Item] = []
        self._around = Surroundings(self._markup, self._dictionary, self._tell)
        self._inside = False
        self._segments: list[_Open] = []
        self._leaf: str | None = None
        self._leaf_origin = Origin(0)
        self._leaf_marked = False
        self._text: list[str] = []
        self._length = 0
        self._index = 0
        self._count = 0
        self._number = ""
        self._headed = False
        self._between = ""
        self._unmarked = False

    def __iter__(self) -> Iterator[Item]:
        markup = self._markup
        try:
            for _ in markup.read():
                self.style.prolog, self.style.mark = markup.prolog, markup.marked
                yield from self._taken()
        except ReadFault:
            yield from self._taken()  # what came before the fault is whole
            raise
        yield from self._taken()
        self.style.tail = markup.tail
        if not self._index and markup.whole and self._around.silent:
            self._tell(Problem("the document holds no element IDOC", line=self._markup.line))

    def _taken(self) -> list[Item]:
        taken, self._items = self._items, []
        return taken

    @property
    def between(self) -> bool:
        """Whether the IDoc that was handed out last is whole, and the next one is not begun."""
        return not self._inside or not self._headed

    @property
    def codec(self) -> str:
        """Python's name of the document's encoding, once it was begun."""
        return self._markup.codec

    def _tell(self, problem: Problem) -> None:
        if self._inside and not problem.idoc:
            problem = replace(problem, idoc=self._index, number=self._number)
        self._report(problem)

    def _wrong(self, reason: str, remedy: str = "", severity: Severity = Severity.ERROR) -> None:
        segment = self._segments[-1].name if self._segments else ""
        self._tell(self._markup.problem(reason, severity=severity, segment=segment, remedy=remedy))

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if not self._inside:
            self._start_outside(name, attributes)
            return
        if self._leaf is not None:
            self._open_segment(self._leaf, self._leaf_origin, self._leaf_marked)
        marked = "SEGMENT" in attributes
        markup = self._markup
        if marked:
            self._leaf = None
            self._open_segment(_name(name), Origin(markup.line, markup.column, markup.offset), marked)
            return
        if self._segments and self._segments[-1].shown:
            self._wrong(f"the field {name} stands behind a child segment; fields come first")
        self._leaf, self._leaf_marked = _name(name), False
        self._leaf_origin = Origin(markup.line, markup.column, markup.offset)
        self._text.clear()
        self._length = 0

    def _start_outside(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if any(_MICROSOFT in value for key, value in attributes.items() if key.startswith("xmlns")):
            self._markup.stop(
                "this is the BizTalk form of an IDoc, which is not read", "have it sent as SAP's own XML"
            )
        if local != IDOC:
            self._around.start(name, attributes)
            return
        self._around.idoc()
        self._inside, self._headed, self._number = True, False, ""
        self._index += 1
        self._count = 0
        if self._index == 1:
            layout = _LAYOUT.search(self._between)
            if layout:
                self.style.line_end, self.style.indent = layout[1], layout[2]
        if "BEGIN" not in attributes:
            self._wrong("IDOC has no attribute BEGIN", severity=Severity.WARNING)

    def _open_segment(self, name: str, origin: Origin, marked: bool) -> None:
        """A segment begins; the one around it is complete but for its children."""
        self._leaf = None
        if "".join(self._text).strip():
            self._wrong("text stands between segments; it is not read", severity=Severity.WARNING)
        self._text.clear()
        if self._headed and (name in XML_CONTROL_NAMES or name == IDOC):
            self._wrong(f"{name} stands a second time within one IDOC")
        if not marked and not self._unmarked and name not in XML_CONTROL_NAMES:
            self._unmarked = True
            self._wrong(f"{name} has no attribute SEGMENT", severity=Severity.WARNING)
        if not self._segments and name in XML_CONTROL_NAMES and not self._headed:
            self._segments.append(_Open(name, origin, 0, 0, control=True, shown=False))
            return
        if self._segments and self._segments[-1].control:
            self._markup.stop(f"{name} stands inside the control record")
        self._need_head()
        self._show()
        self._count += 1
        parent = self._segments[-1].at if self._segments else 0
        self._segments.append(_Open(name, origin, self._count, parent))

    def _need_head(self) -> None:
        if self._headed or (self._segments and self._segments[-1].control):
            return
        self._wrong("a segment comes before any control record EDI_DC40")
        self._begin(None, Origin(self._markup.line))

    def _show(self) -> None:
        """Hand the innermost segment out."""
        if not self._segments or self._segments[-1].shown or self._segments[-1].control:
            return
        opened = self._segments[-1]
        opened.shown = True
        kind = self._dictionary.type_of(opened.name)
        named: dict[str, str] | None = opened.named
        data = ""
        if opened.named.keys() == {SDATA} and SDATA not in (self._dictionary.layout(opened.name) or ()):
            named, data = None, opened.named[SDATA]
        segment = Segment(kind, opened.name, data, (), 0, named, opened.origin)
        self._items.append(Entry(opened.at, opened.parent, len(self._segments), segment))

    def end(self, name: str) -> None:
        """An element ends."""
        if not self._inside:
            self._around.end()
        elif self._leaf is not None:
            self._end_leaf()
        elif self._segments:
            self._end_segment()
        else:
            if not self._headed:
                self._wrong("an IDoc without control record")
                self._begin(None, Origin(self._markup.line))
            if not self._count:
                self._wrong("an IDoc without segments")
            self._inside = False

    def _end_leaf(self) -> None:
        name, text = self._leaf or "", _value("".join(self._text))
        self._text.clear()
        self._leaf = None
        if not self._segments or (not text and self._is_segment(name)):
            self._open_segment(name, self._leaf_origin, False)
            if text:
                self._wrong("text stands where fields belong", severity=Severity.WARNING)
            self._end_segment()
            return
        named = self._segments[-1].named
        if not text:
            self.style.closed = self._markup.empty_tag
        if name in named:
            self._wrong(f"the field {name} stands twice")
        named[name] = text

    def _is_segment(self, name: str) -> bool:
        """Whether an empty element without the attribute is a segment: only a dictionary can tell."""
        above = self._dictionary.layout(self._segments[-1].name)
        if self._segments[-1].control or (above is not None and name in above):
            return False
        return self._dictionary.layout(name) is not None or bool(self._dictionary.parents_of(name))

    def _end_segment(self) -> None:
        opened = self._segments[-1]
        if opened.control:
            self._segments.pop()
            self._begin(opened.named, opened.origin)
            return
        self._show()
        self._segments.pop()

    def _begin(self, found: dict[str, str] | None, origin: Origin) -> None:
        """An IDoc begins, with what its control record says; None where it has none, which was told of."""
        self._headed = True
        sent = found or {}
        self._number = sent.get("DOCNUM", "")
        if "DOCTYP" in sent:
            self._wrong(
                "the control record is of release 3.x (EDI_DC), which is not read", OLD_RELEASE_REMEDY
            )
        for name in sent:
            if name not in CONTROL and name != "DOCTYP":
                self._wrong(f"the control record has no field {name}", severity=Severity.WARNING)
        for name in REQUIRED if found is not None else ():
            if not sent.get(name, "").strip(" "):
                self._wrong(f"{name} of the control record is blank")
        control = {entry.name: sent.get(entry.name, "") for entry in CONTROL.fields}
        self._items.append(Head(self._index, control, origin, tuple(sent)))

    def text(self, text: str) -> None:
        """Characters: of a field, or between elements."""
        if self._leaf is not None:
            self._text.append(text)
            self._length += len(text)
            if self._length > _LONGEST_TEXT:
                self._markup.stop(f"a value of more than {_LONGEST_TEXT} characters")
        elif not self._inside:
            self._between = text
            self._around.text(text)
        elif text.strip():
            self._wrong("text stands between segments; it is not read", severity=Severity.WARNING)


def _value(text: str) -> str:
    """A value without trailing blanks; line ends and tabs before the end tag are the layout of the file."""
    bare = text.rstrip(" \t\r\n")
    return bare if "\n" in text[len(bare) :] else text.rstrip(" ")


def _name(name: str) -> str:
    return name.rpartition(":")[2].replace("_-", "/")
