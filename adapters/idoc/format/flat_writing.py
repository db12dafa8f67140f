"""Writing the flat form of IDocs.

As SAP's file port writes it, unless told otherwise: LF, a control record of 524 characters, data records
padded to the end of their segment, SEGNUM, PSGNUM and HLEVEL filled. What was read from a flat file can be
written back byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from adapters.idoc.format.codepage import codec_of
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Idoc, Item, Segment, items_of
from adapters.idoc.format.framing import Framing, Numbering, Padding
from adapters.idoc.format.grammar import IdocType
from adapters.idoc.format.layout import HALF, Layout
from adapters.idoc.format.problems import Report, ValueFault
from adapters.idoc.format.records import (
    CONTROL,
    CONTROL_LENGTH,
    CONTROL_NAMES,
    DATA_HEADER,
    DATA_LENGTH,
    HEADER_LENGTH,
    RECORD_NAMES,
    SDATA_LENGTH,
    SEGMENT_NAME,
    STATUS,
)
from adapters.idoc.format.refusing import blank, problems_of
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.text import END_MARKS, width_of
from adapters.idoc.format.values import from_units, is_text, to_units

_FORBIDDEN = re.compile(f"[\r\n{END_MARKS}]")


@dataclass(frozen=True, slots=True)
class FlatForm:
    """How to write: code page, what sets the records off, how far they reach, how they are numbered.

    types  write segment types (E1…) into SEGNAM where no definition is known, instead of refusing
    """

    encoding: str = "utf-8"
    framing: Framing | None = None
    padding: Padding = Padding.SEGMENT
    numbering: Numbering = Numbering.FRESH
    types: bool = False


def write_idoc(idoc: Idoc, *, encoding: str = "utf-8", dictionary: Dictionary | None = None) -> bytes:
    """One IDoc as its file. Raises ValueFault for a value that does not fit or is not in the code page."""
    return b"".join(FlatWriter(FlatForm(encoding), dictionary).write(items_of((idoc,))))


def write_status(status: Iterable[Mapping[str, str]], *, encoding: str = "utf-8") -> bytes:
    """A status file. Raises ValueFault."""
    lines = (STATUS.write({"TABNAM": "EDI_DS40", **fields}) + "\n" for fields in status)
    return "".join(lines).encode(codec_of(encoding))


class FlatWriter:
    """Writes items as they come; nothing but the record at hand is held."""

    def __init__(
        self,
        form: FlatForm | None = None,
        dictionary: Dictionary | None = None,
        report: Report | None = None,
    ) -> None:
        self._form = form or FlatForm()
        self._report = report
        self._framing = self._form.framing or Framing()
        self._codec = codec_of(self._form.encoding)
        self._dictionary = dictionary or standard_dictionary()
        self._end = ""
        self._index = 0
        self._number = ""
        self._idoc_type: IdocType | None = None
        self._client = ""
        self._levels: dict[int, int] = {}

    def write(self, items: Iterable[Item]) -> Iterator[bytes]:
        """The file, record by record. Raises ValueFault for a value that does not fit or is not in the code
        page; SEGMENT.FIELD says which. With ``report`` it leaves that record out and goes on, so that all
        such values are told of; the file is then not whole.
        """
        before = b""
        first = True
        for item in items:
            if first:  # a file that is being read has told its framing by now
                first, self._end = False, self._framing.line_end
                before = "\ufeff".encode(self._codec) if self._framing.mark else b""
            if before:
                yield before
                if isinstance(item, Head) and self._framing.between and not self._end:
                    yield self._framing.between.encode(self._codec)
            try:
                before = self._head(item) if isinstance(item, Head) else self._entry(item)
            except ValueFault as fault:
                if self._report is None:
                    raise
                for problem in problems_of(fault, item, self._index, self._number):
                    self._report(problem)
                before = b""
        if before and self._end and not self._framing.final:
            before = before[: -len(self._end.encode(self._codec))]
        yield before + self._framing.tail.encode(self._codec)

    def _head(self, head: Head) -> bytes:
        self._index, self._number = head.at, head.control.get("DOCNUM", "")
        told = {**head.control, "TABNAM": head.control.get("TABNAM") or "EDI_DC40"}
        faults = blank(head, told=self._report is not None)
        if told["TABNAM"] not in CONTROL_NAMES:
            faults.insert(0, ValueFault("neither EDI_DC40 nor EDI_DC40_U", field="EDI_DC40.TABNAM"))
        try:
            text = CONTROL.write(told)
        except ValueFault as fault:
            faults.append(fault)
        if faults:
            raise ValueFault.together(faults)
        self._idoc_type = self._dictionary.idoc_type_of(head.control)
        self._client = f"{head.control.get('MANDT', ''):<3}{head.control.get('DOCNUM', ''):<16}"
        self._levels = {}
        if self._end and self._form.padding is Padding.TRIMMED:
            text = text.rstrip(" ")
        elif self._form.padding is Padding.AS_READ and head.origin.width:
            text = _to_width(text, head.origin.width)
        elif self._end and self._form.padding is Padding.FULL:
            text = text.ljust(CONTROL_LENGTH)
        return self._encode(text, CONTROL, 0)

    def _entry(self, entry: Entry) -> bytes:
        segment = entry.segment
        layout = self._dictionary.layout(segment.definition)
        name, data = self._content(segment, layout)
        if not SEGMENT_NAME.fullmatch(name) or name.startswith(RECORD_NAMES):
            raise ValueFault("the name cannot stand in SEGNAM", field=segment.type[:30])
        header = self._header(entry, name, layout)
        line = header + self._checked(segment, data)
        return self._encode(_to_width(line, self._width(segment, layout)), layout, HEADER_LENGTH)

    def _content(self, segment: Segment, layout: Layout | None) -> tuple[str, str]:
        """What goes into SEGNAM and SDATA."""
        if segment.named is None:
            return segment.definition, segment.data
        where = segment.type
        if layout is None and not any(segment.named.values()):
            return segment.definition, ""  # without values nothing needs a place
        if layout is None:
            raise ValueFault(
                "no layout of this segment is known, so its fields have no places",
                field=where,
                remedy="give a dictionary that describes it",
            )
        name = segment.definition
        if name == segment.type:
            node = self._idoc_type.find(name) if self._idoc_type else None
            name = (node.definition if node else "") or self._dictionary.definition_of(name) or ""
        if not name and not self._form.types:
            raise ValueFault(
                "no definition (E2…) of this segment type is known, which flat files carry in SEGNAM",
                field=where,
                remedy="give a parser export or a CSV dictionary, or ask for types in SEGNAM",
            )
        exact = self._dictionary.layout(name) if name else None
        return name or segment.type, (exact or layout).write(segment.named, pad=False)

    def _header(self, entry: Entry, name: str, layout: Layout | None) -> str:
        origin = entry.segment.origin
        if self._form.numbering is Numbering.AS_READ and origin is not None and origin.header:
            return f"{name:<30}{origin.header:<33}"
        level = entry.segment.level or self._level(entry, layout)
        self._levels[entry.depth] = level
        header = f"{name:<30}{self._client}{entry.at:06d}{entry.parent:06d}{level:02d}"
        if len(header) == HEADER_LENGTH and header.isascii():
            return header
        fields = ("SEGNAM", "MANDT", "DOCNUM", "SEGNUM", "PSGNUM", "HLEVEL")
        client = (self._client[:3].rstrip(" "), self._client[3:].rstrip(" "))
        numbers = (f"{entry.at:06d}", f"{entry.parent:06d}", f"{level:02d}")
        return DATA_HEADER.write(dict(zip(fields, (name, *client, *numbers), strict=True)))

    def _level(self, entry: Entry, layout: Layout | None) -> int:
        if entry.depth > 1:
            return self._levels.get(entry.depth - 1, entry.depth - 1) + 1
        node = self._idoc_type.root.child(entry.segment.type) if self._idoc_type else None
        if node is not None and node.level:
            return node.level
        # what stands below others in the IDoc types that are known has its level from there
        root = layout is not None and not self._dictionary.parents_of(layout.name)
        return (layout.level if layout and root else 0) or 1

    def _checked(self, segment: Segment, data: str) -> str:
        length = width_of(data)
        if length > SDATA_LENGTH:
            raise ValueFault(
                f"{length} characters do not fit into SDATA", field=segment.type, length=SDATA_LENGTH
            )
        if not is_text(data):
            raise ValueFault(HALF, field=segment.type)
        if _FORBIDDEN.search(data):
            raise ValueFault("a line end, NUL or Ctrl-Z cannot stand in a flat file", field=segment.type)
        return data

    def _width(self, segment: Segment, layout: Layout | None) -> int:
        padding, origin = self._form.padding, segment.origin
        if not self._end or padding is Padding.FULL:
            return DATA_LENGTH
        if padding is Padding.AS_READ and origin is not None and origin.width:
            return origin.width
        return HEADER_LENGTH + layout.length if layout and padding is not Padding.TRIMMED else 0

    def _encode(self, line: str, layout: Layout | None, start: int) -> bytes:
        if self._end and self._form.padding is Padding.TRIMMED:
            line = line.rstrip(" ")
        try:
            return (line + self._end).encode(self._codec)
        except UnicodeEncodeError as error:
            at = len(to_units(line[: error.start])) - start
            raise _not_in_code_page(to_units(line)[start:], at, layout, self._codec) from None


def _to_width(text: str, width: int) -> str:
    """Blanks up to a width, or none behind it; a width of 0 leaves the text as it is."""
    if not width:
        return text
    have = width_of(text)
    if have <= width:
        return text + " " * (width - have)
    return text[: max(len(text) - (have - width), len(text.rstrip(" ")))]


def _not_in_code_page(data: str, at: int, layout: Layout | None, codec: str) -> ValueFault:
    """Every field that the code page has no bytes for; the place ``at`` where no field is known."""
    reason = f"a character that the code page {codec} does not have"
    faults = [
        ValueFault(reason, field=f"{layout.name}.{entry.name}", offset=entry.offset, length=entry.length)
        for entry in (layout.fields if layout else ())
        if layout and not _encodes(data[entry.offset : entry.end], codec)
    ]
    if faults:
        return ValueFault.together(faults)
    return ValueFault(reason, field=layout.name if layout else "SDATA", offset=at, length=1)


def _encodes(units: str, codec: str) -> bool:
    try:
        from_units(units).encode(codec)
    except ValueError:
        return False
    return True
