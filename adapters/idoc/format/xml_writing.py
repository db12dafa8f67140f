"""Writing the XML form of IDocs, as SAP's XML ports do: attributes BEGIN and SEGMENT, no namespace, fields
before child segments, blank fields left out, "/" in names as "_-".

A segment without a known layout is kept: its element is named as SEGNAM was and holds its text in one field
SDATA, which reads back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from adapters.idoc.format.codepage import codec_of, registered
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Idoc, Item, Segment, items_of
from adapters.idoc.format.problems import Report, ValueFault
from adapters.idoc.format.records import CONTROL
from adapters.idoc.format.refusing import blank, problems_of
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.xml import SDATA, XmlStyle

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class XmlForm:
    """How to write: code page, and the style of a document that was read or of one's own.

    blanks  write fields that were sent blank, as they were
    """

    encoding: str = "utf-8"
    style: XmlStyle | None = None
    blanks: bool = False


def write_xml(
    idocs: Iterable[Idoc], *, encoding: str = "utf-8", dictionary: Dictionary | None = None
) -> bytes:
    """IDocs of one type as an XML file. Raises ValueFault for what XML or one document cannot hold."""
    return b"".join(XmlWriter(XmlForm(encoding), dictionary).write(items_of(idocs)))


class XmlWriter:
    """Writes items as they come; nothing but the names of the open elements is held."""

    def __init__(
        self,
        form: XmlForm | None = None,
        dictionary: Dictionary | None = None,
        report: Report | None = None,
    ) -> None:
        self._form = form or XmlForm()
        self._report = report
        self._index = 0
        self._number = ""
        self._codec = codec_of(self._form.encoding)
        self._style = self._form.style or _style(self._codec)
        self._dictionary = dictionary or standard_dictionary()
        self._root = ""
        self._open: list[tuple[str, int]] = []
        self._begun = False

    def write(self, items: Iterable[Item]) -> Iterator[bytes]:
        """The document, piece by piece. Raises ValueFault for IDocs of different types, for a text that no
        XML can hold, and for a segment longer than its layout. With ``report`` it leaves that item out and
        goes on, so that all such are told of; the document is then not whole.
        """
        first = True
        for item in items:
            if first:  # a document that is being read has told its style by now
                first = False
                yield self._encode(self._mark() + self._style.prolog)
            try:
                text = self._head(item) if isinstance(item, Head) else self._entry(item)
            except ValueFault as fault:
                if self._report is None:
                    raise
                for problem in problems_of(fault, item, self._index, self._number):
                    self._report(problem)
                if isinstance(item, Entry):
                    self._open.append(("", item.at))  # what hangs below it is not wrong for that
                continue
            yield self._encode(text)
        if not self._root:
            if self._report is not None:
                return
            raise ValueFault("there is no IDoc to write", field="IDOC")
        yield self._encode(self._close(0) + self._line(1) + "</IDOC>" + self._line(0) + f"</{self._root}>")
        yield self._encode(self._style.tail)

    def _mark(self) -> str:
        wide = self._codec.startswith("utf-16") and self._form.style is None
        return "\ufeff" if wide or self._style.mark else ""

    def _encode(self, text: str) -> bytes:
        return text.encode(self._codec, "xmlcharrefreplace")

    def _line(self, depth: int) -> str:
        return self._style.line_end + self._style.indent * depth if self._style.line_end else ""

    def _head(self, head: Head) -> str:
        control = head.control
        self._index, self._number = head.at, control.get("DOCNUM", "")
        if faults := blank(head, told=self._report is not None):
            raise ValueFault.together(faults)
        name = control.get("CIMTYP") or control.get("IDOCTYP") or self._root or "IDOC"
        root = _element(name, "EDI_DC40.IDOCTYP")
        if self._root and root != self._root:
            raise ValueFault(
                f"IDocs of the types {self._root} and {root} do not fit into one document",
                field="EDI_DC40.IDOCTYP",
                remedy="write a file for each type",
            )
        text = self._close(0) + self._line(1) + "</IDOC>" if self._root else f"<{root}>"
        self._root = root
        text += f'{self._line(1)}<IDOC BEGIN="1">{self._line(2)}<EDI_DC40 SEGMENT="1">'
        kept = head.sent if self._form.blanks else ()
        sent = kept or tuple(entry.name for entry in CONTROL.fields)
        told = dict(control)
        if not kept and not told.get("TABNAM"):
            told["TABNAM"] = "EDI_DC40"
        fields = {field: told[field] for field in sent if field in told}
        fields |= {field: told[field] for field in told if told[field]}
        return text + self._fields(fields, "EDI_DC40", 3) + self._line(2) + "</EDI_DC40>"

    def _entry(self, entry: Entry) -> str:
        segment = entry.segment
        text = self._close(entry.parent)
        if entry.parent and (not self._open or self._open[-1][1] != entry.parent):
            raise ValueFault(
                "the segment above it is closed already: segments are not in the order of their tree",
                field=segment.type,
                remedy="have SAP send it again, or sort its records by their hierarchy",
            )
        fields, known = self._named(segment)
        name = _element(segment.type if known else segment.definition, segment.type)
        depth = len(self._open) + 2
        text += f'{self._line(depth)}<{name} SEGMENT="1">' + self._fields(fields, segment.type, depth + 1)
        self._open.append((name, entry.at))
        return text

    def _close(self, parent: int) -> str:
        """End the elements that are not above the next one."""
        text = ""
        while self._open and self._open[-1][1] > parent:
            name, _ = self._open.pop()
            text += f"{self._line(len(self._open) + 2)}</{name}>"
        return text

    def _named(self, segment: Segment) -> tuple[Mapping[str, str], bool]:
        """The fields of a segment, and whether its layout is known."""
        if segment.named is not None:
            return segment.named, self._dictionary.layout(segment.definition) is not None
        layout = self._dictionary.layout(segment.definition)
        if layout is None:
            return {SDATA: segment.data}, False
        rest = layout.rest(segment.data)
        if rest:
            raise ValueFault(
                f"{len(rest)} characters stand behind the last field that is known",
                field=segment.type,
                offset=layout.length,
                length=len(rest),
                remedy="give a dictionary of the release that wrote it",
            )
        return layout.filled(segment.data), True

    def _fields(self, fields: Mapping[str, str], where: str, depth: int) -> str:
        parts: list[str] = []
        faults: list[ValueFault] = []
        line = self._line(depth)
        for name, value in fields.items():
            if not value and not self._form.blanks:
                continue
            if not value.isprintable() and _NO_XML.search(value):
                faults.append(ValueFault("a character that XML cannot hold", field=f"{where}.{name}"))
            element = name.replace("/", "_-")
            if not _NAME.fullmatch(element):
                faults.append(ValueFault("the name of a field cannot stand in XML", field=where))
            elif value or not self._style.closed:
                text = escape(value, {"\r": "&#13;"}) if not value.isalnum() else value
                parts.append(f"{line}<{element}>{text}</{element}>")
            else:
                parts.append(f"{line}<{element}/>")
        if faults:
            raise ValueFault.together(faults)
        return "".join(parts)


def _style(codec: str) -> XmlStyle:
    return XmlStyle(f'<?xml version="1.0" encoding="{registered(codec)}"?>\n', "\n", "  ", tail="\n")


def _element(name: str, where: str) -> str:
    element = name.replace("/", "_-")
    if not _NAME.fullmatch(element):
        raise ValueFault("the name cannot stand in XML", field=where)
    return element
