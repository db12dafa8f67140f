"""The flat form of IDocs: fixed-width records with or without line ends, several IDocs in a file.

Reads what real senders write: LF, CRLF, CR, a byte order mark, blank lines, Ctrl-Z and NUL at the end,
records padded to the end of their segment, to 1063 characters, right-trimmed, or following each other
without line ends. Every fault is raised with line and byte. Writes what SAP's file port writes: LF,
control record of 524 characters, data records padded to the end of their segment, SEGNUM, PSGNUM and
HLEVEL filled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import BinaryIO

from adapters.idoc.codepage import codec_of
from adapters.idoc.document import DataRecord, Idoc, Segment, Span, build
from adapters.idoc.faults import ReadFault, ValueFault
from adapters.idoc.layout import (
    CONTROL_LENGTH,
    DATA_LENGTH,
    HEADER_LENGTH,
    SDATA_LENGTH,
    Dictionary,
    Layout,
)
from adapters.idoc.segments import CONTROL, DATA_HEADER, STATUS, standard_dictionary
from adapters.idoc.text import END_MARKS, Record, TextStream
from adapters.idoc.values import from_units, to_units

_SEGMENT_NAME = re.compile(r"[A-Z0-9_/]+")
_CONTROL_NAMES = {"EDI_DC40", "EDI_DC40_U"}
_REQUIRED = ("IDOCTYP", "MESTYP")
_BLANK = " \t" + END_MARKS


class LastLine(StrEnum):
    """Whether the last record needs its line end. A file has no trailer: its loss may be all that shows
    a cut.
    """

    OPTIONAL = "optional"
    REQUIRED = "required"


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
) -> Iterator[Idoc]:
    """The IDocs of a file, one after the other; no more than one is held in memory.

    Raises ReadFault at the first thing that is not as the layout says: what came before it was handed out, so
    a caller who wants all or nothing collects first.
    """
    known = dictionary or standard_dictionary()
    reader = _Reader(known)
    text = TextStream(stream, encoding)
    for record in _records(text, last_line, known):
        if not record.text.startswith("EDI_DC40"):
            reader.add(record)
            continue
        done = reader.finish()
        if done is not None:
            yield done
        reader.begin(record)
    last = reader.finish()
    if last is None:
        raise text.fault("the file holds no IDoc")
    yield last


def _records(text: TextStream, last_line: LastLine, dictionary: Dictionary) -> Iterator[Record]:
    """Every record of the file, blank lines left out, end marks cut."""
    while text.peek(1):
        if _is_contiguous(text):
            yield from _contiguous(text)
            return
        record, end = text.take_line()
        content = record.text if end else record.text.rstrip(END_MARKS)
        if not content.strip(_BLANK):
            continue
        if not end and content == record.text and last_line is LastLine.REQUIRED:
            _check_complete(record, dictionary)
        if any(mark in content for mark in END_MARKS):
            raise record.fault("NUL or Ctrl-Z inside a record")
        yield Record(content, record.line, record.offset, record.end)


def _check_complete(record: Record, dictionary: Dictionary) -> None:
    """Accept a last record without a line end only where it reaches the end of its layout."""
    length = len(to_units(record.text))
    layout = dictionary.layout(record.text[:30].rstrip(" "))
    whole = HEADER_LENGTH + layout.length if layout else DATA_LENGTH
    if length not in (whole, DATA_LENGTH) and not record.text.startswith("EDI_D"):
        raise record.fault(
            "the last record has no line end: the file may be cut", remedy="have it sent again, whole"
        )


def _is_contiguous(text: TextStream) -> bool:
    """A control record followed at once by a data record. Blanks behind it are only padding."""
    start = text.peek(CONTROL_LENGTH + HEADER_LENGTH)
    if not start.startswith("EDI_DC40") or "\n" in start[:CONTROL_LENGTH] or "\r" in start[:CONTROL_LENGTH]:
        return False
    behind = re.split(r"[\r\n]", start[CONTROL_LENGTH:])[0]
    return bool(behind.strip(_BLANK))


def _contiguous(text: TextStream) -> Iterator[Record]:
    while text.peek(1):
        if not text.peek(DATA_LENGTH).strip(_BLANK + "\r\n"):
            text.take(DATA_LENGTH)
            continue
        length = CONTROL_LENGTH if text.peek(8) == "EDI_DC40" else DATA_LENGTH
        record = text.take_record(length)
        if len(record.text) < length:
            raise record.fault(f"a record of {length} characters is cut after {len(record.text)}")
        if re.search(f"[\r\n{END_MARKS}]", record.text):
            raise record.fault("a line end, NUL or Ctrl-Z inside a record of a file without line ends")
        yield record


class _Reader:
    """Puts records together to IDocs."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self._control: dict[str, str] | None = None
        self._head: Record | None = None
        self._records: list[DataRecord] = []
        self._end = 0

    def begin(self, record: Record) -> None:
        """Begin an IDoc with its control record."""
        self._control, self._head, self._records = _control(record), record, []
        self._end = record.end

    def add(self, record: Record) -> None:
        """Take a data record."""
        _refuse_other_forms(record)
        if self._control is None:
            raise record.fault("a data record comes before any control record EDI_DC40")
        self._records.append(_data(record, self._control))
        self._end = record.end

    def finish(self) -> Idoc | None:
        """The IDoc read so far, None before the first control record."""
        if self._control is None or self._head is None:
            return None
        if not self._records:
            raise self._head.fault("an IDoc without data records: the file may be cut")
        span = Span(self._head.line, self._head.offset, self._end)
        return Idoc(self._control, build(self._records, self._dictionary), span)


def _refuse_other_forms(record: Record) -> None:
    start = record.text[:8]
    if start.startswith("<"):
        raise record.fault("this is XML, not the flat form of an IDoc")
    if start == "EDI_DS40":
        raise record.fault("a status record EDI_DS40 among data records")
    if start[:6] in {"EDI_DC", "EDI_DD"}:
        raise record.fault(
            f"{start[:6]} is the record layout of release 3.x (464 characters), which is not read",
            remedy="set the port to record type version 3 (WE21), which writes EDI_DC40",
        )


def _fields(layout: Layout, record: Record, text: str) -> dict[str, str]:
    try:
        return layout.read(text)
    except ValueFault as fault:
        raise record.fault(str(fault)) from None


def _control(record: Record) -> dict[str, str]:
    if len(to_units(record.text.rstrip(" "))) > CONTROL_LENGTH:
        raise record.fault(f"a control record is longer than {CONTROL_LENGTH} characters")
    control = _fields(CONTROL, record, record.text)
    if control["TABNAM"] not in _CONTROL_NAMES:
        raise record.fault("TABNAM is neither EDI_DC40 nor EDI_DC40_U")
    for name in _REQUIRED:
        if not control[name]:
            raise record.fault(f"{name} of the control record is blank: the record may be cut")
    return control


def _data(record: Record, control: Mapping[str, str]) -> DataRecord:
    units = to_units(record.text.rstrip(" "))
    if len(units) > DATA_LENGTH:
        raise record.fault(f"a data record is longer than {DATA_LENGTH} characters")
    header = _fields(DATA_HEADER, record, units[:HEADER_LENGTH])
    name = header["SEGNAM"]
    if not _SEGMENT_NAME.fullmatch(name):
        raise record.fault("the record does not begin with a segment name")
    for key in ("MANDT", "DOCNUM"):
        if header[key] and control[key] and header[key] != control[key]:
            raise record.fault(f"{key} of segment {name} differs from that of its control record")
    try:
        data = from_units(units[HEADER_LENGTH:])
    except ValueError as error:
        raise record.fault(str(error)) from None
    return DataRecord(
        name,
        data,
        _number(header, "SEGNUM", record),
        _number(header, "PSGNUM", record),
        _number(header, "HLEVEL", record),
        record.line,
        record.offset,
    )


def _number(header: Mapping[str, str], name: str, record: Record) -> int | None:
    text = header[name].strip(" ")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise record.fault(
            f"{name} holds other characters than digits: fields are shifted",
            remedy="compare the partner's encoding with the char. set of SAP's port (WE21)",
        )
    return int(text)


def read_status(stream: BinaryIO, *, encoding: str = "utf-8") -> Iterator[tuple[dict[str, str], Record]]:
    """The records of a status file (EDI_DS40, one per line) with their place. Raises ReadFault."""
    text = TextStream(stream, encoding)
    for record in _records(text, LastLine.OPTIONAL, standard_dictionary()):
        if not record.text.startswith("EDI_DS40"):
            raise record.fault("a record of a status file does not begin with EDI_DS40")
        yield _fields(STATUS, record, record.text), record


def write_status(records: Iterable[Mapping[str, str]], *, encoding: str = "utf-8") -> bytes:
    """A status file. Raises ValueFault."""
    lines = (STATUS.write({"TABNAM": "EDI_DS40", **fields}) + "\n" for fields in records)
    return "".join(lines).encode(codec_of(encoding))


def write_idoc(idoc: Idoc, *, encoding: str = "utf-8", dictionary: Dictionary | None = None) -> bytes:
    """One IDoc as its file. Raises ValueFault for a value that does not fit or is not in the code page."""
    known = dictionary or standard_dictionary()
    codec = codec_of(encoding)
    lines = [_encode(CONTROL.write({"TABNAM": "EDI_DC40", **idoc.control}), CONTROL, 0, codec)]
    numbers: list[int] = []
    stack: list[tuple[Segment, int, int]] = [(root, 0, 0) for root in reversed(idoc.segments)]
    while stack:
        segment, parent, above = stack.pop()
        numbers.append(len(numbers) + 1)
        layout = known.layout(segment.definition)
        level = segment.level or (layout.level if layout and not parent else 0) or above + 1
        header = DATA_HEADER.write(
            {
                "SEGNAM": segment.definition,
                "MANDT": idoc.control.get("MANDT", ""),
                "DOCNUM": idoc.control.get("DOCNUM", ""),
                "SEGNUM": f"{numbers[-1]:06d}",
                "PSGNUM": f"{parent:06d}",
                "HLEVEL": f"{level:02d}",
            }
        )
        lines.append(_encode(header + _padded(segment, layout), layout, HEADER_LENGTH, codec))
        stack.extend((child, numbers[-1], level) for child in reversed(segment.children))
    return b"".join(lines)


def _padded(segment: Segment, layout: Layout | None) -> str:
    units = to_units(segment.data)
    if len(units) > SDATA_LENGTH:
        raise ValueFault(
            f"{len(units)} characters do not fit into SDATA", field=segment.type, length=SDATA_LENGTH
        )
    if re.search(f"[\r\n{END_MARKS}]", units):
        raise ValueFault("a line end, NUL or Ctrl-Z cannot stand in a flat file", field=segment.type)
    return from_units(units.ljust(layout.length if layout else 0))


def _encode(line: str, layout: Layout | None, start: int, codec: str) -> bytes:
    try:
        return (line + "\n").encode(codec)
    except UnicodeEncodeError as error:
        raise _not_in_code_page(len(to_units(line[: error.start])) - start, layout, codec) from None


def _not_in_code_page(at: int, layout: Layout | None, codec: str) -> ValueFault:
    reason = f"a character that the code page {codec} does not have"
    for entry in layout.fields if layout else ():
        if entry.offset <= at < entry.offset + entry.length:
            where = f"{layout.name if layout else ''}.{entry.name}"
            return ValueFault(reason, field=where, offset=entry.offset, length=entry.length)
    return ValueFault(reason, field=layout.name if layout else "SDATA", offset=at, length=1)


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
