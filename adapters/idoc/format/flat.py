"""Reading the flat form of IDocs: fixed-width records with or without line ends, several IDocs in a file.

Reads what real senders write: LF, CRLF, CR, a byte order mark, blank lines, Ctrl-Z and NUL at the end,
records padded to the end of their segment, to 1063 characters, right-trimmed, or following each other
without line ends. Every problem comes with line and byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Head, Idoc, Item, Origin, assemble
from adapters.idoc.format.framing import Framing, LastLine
from adapters.idoc.format.hierarchy import DataRecord, Placing
from adapters.idoc.format.layout import Layout
from adapters.idoc.format.problems import Problem, ReadFault, Report, Severity, ValueFault, refuse
from adapters.idoc.format.records import (
    CONTROL,
    CONTROL_LENGTH,
    CONTROL_NAMES,
    DATA_LENGTH,
    HEADER_LENGTH,
    OLD_RELEASE_REMEDY,
    REQUIRED,
    SEGMENT_NAME,
    STATUS,
    old_release,
)
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.text import END_MARKS, Record, TextStream, width_of
from adapters.idoc.format.values import from_units, to_units

_BLANK = " \t" + END_MARKS
#: How other formats begin.
_OTHERS = ("UNA:", "UNB+", "ISA*", "STX=")
#: What stands between files that were joined.
_BETWEEN = "\ufeff" + END_MARKS
#: What sets off IDocs, one in a line, or files that were joined.
_JOINED = re.compile(f"[\r\n{_BETWEEN}]{{1,8}}(?=EDI_DC40)")
_SHIFTED = "compare the partner's encoding with the char. set of SAP's port (WE21)"


class FileKind(StrEnum):
    """What the first record says a file is."""

    IDOC = "idoc"
    STATUS = "status"


def kind_of(stream: BinaryIO, encoding: str) -> FileKind:
    """What kind of file this is, by its first record. Raises ReadFault."""
    text = TextStream(stream, encoding)
    first = _first(text)
    if not first:
        raise text.fault("the file holds no record")
    return FileKind.STATUS if first.startswith("EDI_DS40") else FileKind.IDOC


def _first(text: TextStream) -> str:
    """The first record, as far as a control record reaches; "" where there is none."""
    while start := text.peek(CONTROL_LENGTH):
        line = re.split(r"[\r\n]", start, maxsplit=1)[0]
        if line.strip(_BLANK):
            return line
        text.take(len(line) + 1)
    return ""


def read_idocs(
    stream: BinaryIO,
    *,
    encoding: str = "utf-8",
    dictionary: Dictionary | None = None,
    last_line: LastLine = LastLine.OPTIONAL,
    report: Report = refuse,
) -> Iterator[Idoc]:
    """The IDocs of a flat file, one after the other; no more than one is held in memory.

    Raises ReadFault at the first thing that is not as the layout says: what came before it was handed out, so
    a caller who wants all or nothing collects first. With another ``report`` it goes on behind a problem and
    hands out what could be read.
    """
    return assemble(
        FlatReader(stream, encoding=encoding, dictionary=dictionary, last_line=last_line, report=report)
    )


class FlatReader:
    """The items of a flat file in bounded memory, however long an IDoc is. ``framing`` says how the file is
    set, as far as it was read.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        encoding: str = "utf-8",
        dictionary: Dictionary | None = None,
        last_line: LastLine = LastLine.OPTIONAL,
        report: Report = refuse,
    ) -> None:
        self.framing = Framing(final=False)
        self._dictionary = dictionary or standard_dictionary()
        self._last_line = last_line
        self._report = report
        self._control: Mapping[str, str] | None = None
        self._head: Record | None = None
        self._placing: Placing | None = None
        self._index = 0
        self._records = 0
        self._orphan = False
        self._text = TextStream(stream, encoding, self._tell)

    @property
    def undecodable(self) -> bool:
        """Whether there were bytes that are not in the code page; U+FFFD stands for them."""
        return self._text.undecodable

    @property
    def between(self) -> bool:
        """Whether the IDoc that was handed out last is whole, and the next one is not begun."""
        return self._placing is None

    def _tell(self, problem: Problem) -> None:
        """Hand a problem on, with the IDoc that it is in."""
        if self._index and not problem.idoc:
            number = (self._control or {}).get("DOCNUM", "")
            problem = replace(problem, idoc=self._index, number=number)
        self._report(problem)

    def __iter__(self) -> Iterator[Item]:
        self.framing.mark = self._text.marked
        for record in records(self._text, self._last_line, self._dictionary, self._tell, self.framing):
            if record.text.startswith("EDI_DC40"):
                yield from self._finish()
                yield self._begin(record)
                continue
            data = self._data(record)
            if data is not None and self._placing is not None:
                self._records += 1
                yield from self._placing.add(data)
        yield from self._finish()
        if self._index and not self.framing.final and self.framing.line_end and not self.framing.tail:
            reason = "the last record has no line end: the file may be cut"
            self._tell(replace(self._text.problem(reason), severity=Severity.WARNING))
        if not self._index and not self._orphan:
            self._tell(self._text.problem("the file holds no IDoc"))

    def _begin(self, record: Record) -> Head:
        self._index += 1
        self._records = 0
        self._control = None
        self._head = record = self._text.sound(record, "EDI_DC40")
        control = self._fields(CONTROL, record, record.text)
        self._control = control
        if width_of(record.text.rstrip(" ")) > CONTROL_LENGTH:
            self._tell(record.problem(f"a control record is longer than {CONTROL_LENGTH} characters"))
        if control["TABNAM"] not in CONTROL_NAMES:
            self._tell(record.problem("TABNAM is neither EDI_DC40 nor EDI_DC40_U"))
        for name in REQUIRED:
            if not control[name]:
                reason = f"{name} of the control record is blank: the record may be cut"
                self._tell(record.problem(reason))
        idoc_type = self._dictionary.idoc_type_of(control)
        self._placing = Placing(self._dictionary, idoc_type, self._tell, _problem_of)
        origin = Origin(record.line, 0, record.offset, "", width_of(record.text))
        return Head(self._index, control, origin)

    def _finish(self) -> Iterator[Item]:
        """What still waits of the IDoc read so far."""
        if self._placing is not None:
            yield from self._placing.finish()
            if not self._records and self._head is not None:
                self._tell(self._head.problem("an IDoc without data records: the file may be cut"))
        self._placing = None

    def _fields(self, layout: Layout, record: Record, text: str) -> dict[str, str]:
        try:
            return layout.read(text)
        except ValueFault as fault:
            self._tell(record.problem(str(fault)))
            return layout.read(to_units(text).encode("utf-16", "replace").decode("utf-16"))

    def _data(self, record: Record) -> DataRecord | None:
        """A data record; None for what is none, which was told of."""
        if self._control is None and self._orphan:
            return None  # one word about what stands before the first IDoc, or is none at all
        wrong, remedy = _other_form(record.text, first=self._control is None)
        if wrong:
            self._tell(record.problem(wrong, remedy=remedy))
            self._orphan = True
            return None
        name = record.text[:30].rstrip(" ")
        record = self._text.sound(record, name if SEGMENT_NAME.fullmatch(name) else "")
        if self._control is None:
            self._tell(record.problem("a data record comes before any control record EDI_DC40"))
            self._orphan = True
            return None
        units = record.text if record.text.isascii() else to_units(record.text)
        name = units[:30].rstrip(" ")
        if not SEGMENT_NAME.fullmatch(name):
            self._tell(record.problem("the record does not begin with a segment name", remedy=_SHIFTED))
            return None
        width = len(units)
        if width > DATA_LENGTH and len(units.rstrip(" ")) > DATA_LENGTH:
            reason = f"a data record is longer than {DATA_LENGTH} characters"
            self._tell(record.problem(reason, segment=name))
        return self._numbered(record, name, units, width)

    def _numbered(self, record: Record, name: str, units: str, width: int) -> DataRecord | None:
        header = units[30:HEADER_LENGTH].ljust(HEADER_LENGTH - 30)
        control = self._control or {}
        for key, start, end in (("MANDT", 0, 3), ("DOCNUM", 3, 19)):
            found = header[start:end].rstrip(" ")
            if found and control[key] and found != control[key]:
                reason = f"{key} of segment {name} differs from that of its control record"
                self._tell(record.problem(reason, segment=name, column=31 + start))
        try:
            data = from_units(units[HEADER_LENGTH:].rstrip(" "))
        except ValueError as error:
            self._tell(record.problem(str(error), segment=name))
            return None
        return DataRecord(
            name,
            data,
            self._number(record, name, header, "SEGNUM", 19, 25),
            self._number(record, name, header, "PSGNUM", 25, 31),
            self._number(record, name, header, "HLEVEL", 31, 33),
            header,
            width,
            record,
        )

    def _number(
        self, record: Record, segment: str, header: str, name: str, start: int, end: int
    ) -> int | None:
        digits = header[start:end].strip(" ")
        if not digits:
            return None
        if not (digits.isascii() and digits.isdigit()):
            reason = f"{name} holds other characters than digits: fields are shifted"
            self._tell(record.problem(reason, segment=segment, column=31 + start, remedy=_SHIFTED))
            return None
        return int(digits)


def _problem_of(data: DataRecord, reason: str) -> Problem:
    number = "" if data.number is None else f" (SEGNUM {data.number:06d})"
    return data.record.problem(reason, segment=f"{data.name}{number}")


def _other_form(text: str, *, first: bool) -> tuple[str, str]:
    """Why a record is none of an IDoc's, and what to do about it; ("", "") for one that may be."""
    if text.startswith(("E2", "E1")):
        return "", ""
    if text.startswith("<"):
        return "this is XML, not the flat form of an IDoc", ""
    if text.startswith(_OTHERS):
        return "this is EDIFACT, X12 or TRADACOMS, not an IDoc", "have it converted to an IDoc first"
    if text.startswith("EDI_DS40"):
        if first:
            return "this is a status file (EDI_DS40), which tells of IDocs and holds none", ""
        return "a status record EDI_DS40 among data records", ""
    old = old_release(text)
    return (old, OLD_RELEASE_REMEDY) if old else ("", "")


def records(
    text: TextStream,
    last_line: LastLine,
    dictionary: Dictionary,
    report: Report,
    framing: Framing | None = None,
) -> Iterator[Record]:
    """Every record of the file, blank lines left out, end marks cut."""
    seen = framing if framing is not None else Framing()
    first = True
    while text.peek(1):
        if _is_contiguous(text):
            seen.line_end = ""
            yield from _contiguous(text, report, seen)
            return
        record, end = text.take_line()
        content = record.text if end else record.text.rstrip(END_MARKS)
        if not content.strip(_BLANK):
            seen.follow(record.text + end)
            continue
        if first and end:
            seen.line_end, first = end, False
        seen.final, seen.tail = bool(end), record.text[len(content) :]
        if not end and content == record.text and last_line is LastLine.REQUIRED:
            _check_complete(record, dictionary, report)
        if content[0] in _BETWEEN and (bare := content.lstrip(_BETWEEN)).startswith("EDI_DC40"):
            # files were joined, each with its mark or Ctrl-Z
            before = text.size(content[: len(content) - len(bare)])
            content, record = bare, record._replace(text=bare, offset=record.offset + before)
        yield record if content is record.text else record._replace(text=content)


def _check_complete(record: Record, dictionary: Dictionary, report: Report) -> None:
    """Accept a last record without a line end only where it reaches the end of its layout."""
    length = width_of(record.text)
    layout = dictionary.layout(record.text[:30].rstrip(" "))
    whole = HEADER_LENGTH + layout.length if layout else DATA_LENGTH
    if length not in (whole, DATA_LENGTH) and not record.text.startswith("EDI_D"):
        report(
            record.problem(
                "the last record has no line end: the file may be cut", remedy="have it sent again, whole"
            )
        )


def _is_contiguous(text: TextStream) -> bool:
    """A control record followed at once by a whole data record. Blanks behind it are only padding."""
    if text.peek(8) != "EDI_DC40":
        return False
    width = _control_width(text)
    start = text.peek(width + DATA_LENGTH)
    line = re.split(r"[\r\n]", start, maxsplit=1)[0]
    if len(line) < len(start) and width_of(line) < width + DATA_LENGTH:
        return False
    return bool(line[width:].strip(_BLANK))


def _control_width(text: TextStream) -> int:
    """How far the control record of a file without line ends reaches: some pad it like data records."""
    padding = text.peek(DATA_LENGTH)[CONTROL_LENGTH:]
    return DATA_LENGTH if padding and not padding.strip(" ") else CONTROL_LENGTH


def _contiguous(text: TextStream, report: Report, framing: Framing) -> Iterator[Record]:
    framing.final = False
    while text.peek(1):
        if lead := _JOINED.match(text.peek(16)):
            framing.between = text.take(lead.end())
        ahead = text.peek(DATA_LENGTH)
        if not ahead.strip(_BLANK + "\r\n"):
            framing.follow(text.take(DATA_LENGTH))
            continue
        length = _control_width(text) if ahead.startswith("EDI_DC40") else DATA_LENGTH
        at = text.peek(DATA_LENGTH + 8).find("EDI_DC40")
        if at > 0 and not SEGMENT_NAME.fullmatch(ahead[:30].rstrip(" ")):
            reason = "no segment name where a record begins: records are shifted up to the next EDI_DC40"
            report(text.problem(reason, remedy="have it sent again, whole"))
            text.take(at)
            continue
        record = text.take_record(length)
        if width_of(record.text) < length:
            reason = f"a record of {length} characters is cut after {len(record.text)}"
            report(record.problem(reason))
        if re.search("[\r\n]", record.text):
            report(record.problem("a line end inside a record of a file without line ends"))
        yield record


def read_status(
    stream: BinaryIO, *, encoding: str = "utf-8", report: Report = refuse
) -> Iterator[tuple[dict[str, str], Record]]:
    """The records of a status file (EDI_DS40, one per line) with their place. Raises ReadFault."""
    text = TextStream(stream, encoding, report)
    for found in records(text, LastLine.OPTIONAL, standard_dictionary(), report):
        record = text.sound(found)
        if not record.text.startswith("EDI_DS40"):
            report(record.problem("a record of a status file does not begin with EDI_DS40"))
            continue
        if width_of(record.text.rstrip(" ")) > STATUS.length:
            report(record.problem(f"a status record is longer than {STATUS.length} characters"))
        try:
            fields = STATUS.read(record.text)
        except ValueFault as fault:
            report(record.problem(str(fault)))
            continue
        yield fields, record


def sort_key(stream: BinaryIO, encoding: str) -> tuple[str, str, str]:
    """CREDAT, CRETIM and DOCNUM of the first IDoc: files are taken in this order. Blank where it is
    unreadable.
    """
    try:
        first = _first(TextStream(stream, encoding))
        control = CONTROL.read(first) if first.startswith("EDI_DC40") else {}
    except (ReadFault, ValueFault):
        control = {}
    return control.get("CREDAT", ""), control.get("CRETIM", ""), control.get("DOCNUM", "")
