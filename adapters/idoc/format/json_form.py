"""IDocs as JSON:
``{"idocs": [{"control": {…}, "segments": [{"type", "definition", "fields": {…}, "children": […]}]}]}``.

Blank fields are left out. A segment whose layout is not known, or that is longer than its layout, has its
text as it stood in ``data``. ``header`` holds MANDT to HLEVEL of a flat record, to be written back.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Idoc, Item, Origin, Segment, items_of
from adapters.idoc.format.hierarchy import DEEPEST
from adapters.idoc.format.layout import Layout
from adapters.idoc.format.problems import Problem, Report, Severity, ValueFault, refuse
from adapters.idoc.format.records import CONTROL, REQUIRED
from adapters.idoc.format.refusing import blank, problems_of
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.values import is_text

#: MANDT, DOCNUM, SEGNUM, PSGNUM and HLEVEL as they stood.
_HEADER = re.compile(r"(?:[^\x00-\x1f\x7f]{19}[0-9 ]{14})?")
#: A document is read as a whole, and takes several times its size.
_LARGEST = 256 << 20
#: What members objects have.
_DOCUMENT, _IDOC = ("idocs",), ("control", "segments")
_SEGMENT = ("type", "definition", "fields", "data", "header", "children")


class JsonWriter:
    """Writes items as they come; nothing but the depth is held."""

    def __init__(
        self,
        dictionary: Dictionary | None = None,
        report: Report | None = None,
        *,
        headers: bool = True,
    ) -> None:
        self._dictionary = dictionary or standard_dictionary()
        self._report = report
        self._headers = headers
        self._index = 0
        self._number = ""
        self._open: list[tuple[int, bool]] = []

    def write(self, items: Iterable[Item]) -> Iterator[bytes]:
        """The document, piece by piece. Raises ValueFault for a control record that says too little and for
        segments not in the order of their tree; with ``report`` it tells of them, and puts such segments
        below what is open.
        """
        yield b'{"idocs": ['
        begun = False
        for item in items:
            if isinstance(item, Head):
                end = self._close(0) + "]}, " if begun else ""
                self._open, begun = [(0, False)], True
                self._index, self._number = item.at, item.control.get("DOCNUM", "")
                if faults := blank(item, told=self._report is not None):
                    self._refuse(ValueFault.together(faults), item)
                control = {name: text for name, text in item.control.items() if text}
                yield f'{end}{{"control": {_text(control)}, "segments": ['.encode()
            else:
                yield self._entry(item).encode()
        yield (self._close(0) + "]}]}\n" if begun else "]}\n").encode()

    def _refuse(self, fault: ValueFault, item: Item) -> None:
        if self._report is None:
            raise fault
        for problem in problems_of(fault, item, self._index, self._number):
            self._report(problem)

    def _close(self, parent: int) -> str:
        text = ""
        while self._open and self._open[-1][0] > parent:
            self._open.pop()
            text += "]}"
        return text

    def _entry(self, entry: Entry) -> str:
        text = self._close(entry.parent)
        if not self._open or self._open[-1][0] != entry.parent:
            reason = "the segment above it is closed already: segments are not in the order of their tree"
            self._refuse(ValueFault(reason, field=entry.segment.type), entry)
        comma = ", " if self._open[-1][1] else ""
        self._open[-1] = (self._open[-1][0], True)
        self._open.append((entry.at, False))
        fields = segment_fields(entry.segment, self._dictionary)
        if not self._headers:
            fields.pop("header", None)
        body = _text(fields)
        return f'{text}{comma}{body[:-1]}, "children": ['


def segment_fields(segment: Segment, dictionary: Dictionary) -> dict[str, object]:
    """A segment as JSON shows it, without its children."""
    found: dict[str, object] = {"type": segment.type, "definition": segment.definition}
    layout = dictionary.layout(segment.definition)
    found["fields"] = segment.filled(dictionary)
    if segment.named is None and segment.data and (layout is None or layout.rest(segment.data)):
        found["data"] = segment.data
    if segment.origin is not None and segment.origin.header:
        found["header"] = segment.origin.header
    return found


def to_json(idocs: Iterable[Idoc], dictionary: Dictionary | None = None) -> bytes:
    """IDocs as a JSON document."""
    return b"".join(JsonWriter(dictionary).write(items_of(idocs)))


def _text(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if is_text(text) else json.dumps(value)


def read_json(
    stream: BinaryIO, *, dictionary: Dictionary | None = None, report: Report = refuse
) -> Iterator[Idoc]:
    """The IDocs of a JSON document, which is held in memory as a whole. Raises ReadFault with the path inside
    the document; with another ``report`` it tells of every problem and goes on without what is wrong.

    Where a segment has no ``header``, all segments of its IDoc are numbered anew.
    """
    return JsonReader(dictionary or standard_dictionary(), report).read(stream)


class _Twice(dict[str, object]):
    """An object that has two members of one name, of which one would be lost."""

    name = ""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    twice = _Twice(found)
    twice.name = next(name for name in names if names.count(name) > 1)
    return twice


class JsonReader:
    """Makes IDocs of a document; whatever would get lost on the way is a problem."""

    def __init__(self, dictionary: Dictionary, report: Report) -> None:
        self._dictionary = dictionary
        self._report = report
        self._index = 0
        self._number = ""

    def _tell(self, path: str, reason: str, remedy: str = "", severity: Severity = Severity.ERROR) -> None:
        self._report(
            Problem(
                reason, severity, idoc=self._index, number=self._number, segment=path[:200], remedy=remedy
            )
        )

    def read(self, stream: BinaryIO) -> Iterator[Idoc]:
        """The IDocs of a document."""
        document = self._document(stream)
        if document is None:
            return
        idocs = self._list(self._members(document, _DOCUMENT, "$"), "idocs", "$")
        if not idocs:
            self._tell("$.idocs", "the document holds no IDoc")
        for at, idoc in enumerate(idocs):
            self._index, self._number = at + 1, ""
            yield self._idoc(self._members(idoc, _IDOC, f"$.idocs[{at}]"), f"$.idocs[{at}]")

    def _document(self, stream: BinaryIO) -> object | None:
        content = stream.read(_LARGEST + 1)
        problem = Problem(f"a JSON document of more than {_LARGEST >> 20} MB is not read")
        if len(content) <= _LARGEST:
            try:
                return json.loads(content, object_pairs_hook=_object) or {}
            except json.JSONDecodeError as error:
                problem = Problem(f"no JSON: {error.msg}", line=error.lineno, column=error.colno)
            except UnicodeDecodeError as error:
                problem = Problem(f"no JSON: not valid in {error.encoding}", offset=error.start)
            except RecursionError:
                problem = Problem("no JSON of IDocs: it is nested too deep")
            except ValueError:
                problem = Problem("no JSON of IDocs: it holds a number that is too long")
        self._report(problem)
        return None

    def _idoc(self, members: Mapping[str, object], path: str) -> Idoc:
        sent = self._strings(members, "control", path)
        control = {entry.name: sent.get(entry.name, "") for entry in CONTROL.fields}
        self._number = control["DOCNUM"]
        for name in sent.keys() - control.keys():
            near = difflib.get_close_matches(name, control, n=1)
            remedy = f"did you mean {near[0]}?" if near else ""
            self._tell(f"{path}.control", f"the control record has no field {name[:40]!r}", remedy)
        found = [
            self._segment(each, f"{path}.segments[{place}]", 1)
            for place, each in enumerate(self._list(members, "segments", path))
        ]
        segments = tuple(segment for segment in found if segment is not None)
        headers = [
            segment.origin is not None and segment.origin.header != ""
            for root in segments
            for segment in root.walk()
        ]
        if not all(headers):
            segments = tuple(_without_header(segment) for segment in segments)
        else:
            self._numbered(control, segments, path)
        for name in REQUIRED:
            if not control[name]:
                self._tell(f"{path}.control.{name}", f"{name} of the control record is blank")
        return Idoc(control, segments, origin=Origin(0, path=f"{path}.control"))

    def _numbered(self, control: Mapping[str, str], segments: tuple[Segment, ...], path: str) -> None:
        """What headers say has to go with the control record and with the order of the segments."""
        last = 0
        remedy = "leave 'header' out: the segments are then numbered anew"
        for root in segments:
            for segment in root.walk():
                header = segment.origin.header if segment.origin else ""
                for name, text in (("MANDT", header[:3]), ("DOCNUM", header[3:19])):
                    if text.rstrip(" ") and control[name] and text.rstrip(" ") != control[name]:
                        self._tell(
                            path, f"{name} of a header differs from that of the control record", remedy
                        )
                        return
                digits = header[19:25].strip(" ")
                if digits.isdigit():
                    if int(digits) <= last:
                        reason = f"SEGNUM {digits} of a header follows {last:06d}: segments are out of order"
                        self._tell(path, reason, remedy)
                        return
                    last = int(digits)

    def _segment(self, value: object, path: str, depth: int) -> Segment | None:
        if depth > DEEPEST:
            self._tell(path, f"segments are nested deeper than {DEEPEST} levels")
            return None
        members = self._members(value, _SEGMENT, path)
        kind, definition = self._string(members, "type", path), self._string(members, "definition", path)
        if not kind and not definition:
            self._tell(path, "a segment has neither type nor definition")
            return None
        layout = self._dictionary.layout(definition or kind)
        if kind and definition not in ("", kind) and layout is not None and layout.name != kind:
            self._tell(path, f"type and definition contradict each other: {definition[:30]} is {layout.name}")
        found = [
            self._segment(each, f"{path}.children[{place}]", depth + 1)
            for place, each in enumerate(self._list(members, "children", path))
        ]
        children = tuple(segment for segment in found if segment is not None)
        data, header = self._string(members, "data", path), self._string(members, "header", path)
        fields = self._strings(members, "fields", path)
        if data and fields:
            self._agree(data, fields, layout, path)
        named = None if data or (not fields and layout is None) else fields
        if not _HEADER.fullmatch(header):
            self._tell(f"{path}.header", "not MANDT to HLEVEL of a data record, 33 characters")
            header = ""
        origin = Origin(0, header=header, path=path)
        kind = kind or self._dictionary.type_of(definition)
        return Segment(kind, definition or kind, data, children, 0, named, origin)

    def _agree(self, data: str, fields: Mapping[str, str], layout: Layout | None, path: str) -> None:
        """``data`` holds: what ``fields`` say beside it must be the same."""
        if layout is None:
            reason = "fields beside data of a segment that no dictionary describes: they are not read"
            self._tell(path, reason, severity=Severity.WARNING)
            return
        try:
            said = layout.filled(data)
        except ValueFault as fault:
            self._tell(f"{path}.data", fault.reason)
            return
        if said != {name: text for name, text in fields.items() if text}:
            self._tell(path, "fields and data contradict each other", "leave out what is not to be written")

    def _members(self, value: object, known: tuple[str, ...], path: str) -> Mapping[str, object]:
        """An object's members, every one of which has to be known: another would not be read."""
        if not isinstance(value, Mapping):
            self._tell(path, "not an object")
            return {}
        self._once(value, path)
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                self._tell(path, f"an unknown member {name[:40]!r}", remedy)
        return value

    def _once(self, value: object, path: str) -> None:
        if isinstance(value, _Twice):
            self._tell(path, f"an object has two members {value.name[:40]!r}")

    def _list(self, value: Mapping[str, object], name: str, path: str) -> list[object]:
        found = value.get(name)
        if found is not None and not isinstance(found, list):
            self._tell(f"{path}.{name}", "not a list")
            return []
        return found or []

    def _string(self, value: Mapping[str, object], name: str, path: str) -> str:
        found = value.get(name)
        if found is not None and not isinstance(found, str):
            self._tell(f"{path}.{name}", "not a text")
            return ""
        return found or ""

    def _strings(self, value: Mapping[str, object], name: str, path: str) -> dict[str, str]:
        found = value.get(name)
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            self._tell(f"{path}.{name}", "not an object")
            return {}
        self._once(found, f"{path}.{name}")
        texts: dict[str, str] = {}
        for key, text in found.items():
            if isinstance(text, str):
                texts[key] = text.rstrip(" ")
            else:
                reason = "not a text: IDocs hold text only, numbers included"
                self._tell(f"{path}.{name}.{key[:40]}", reason)
        return texts


def _without_header(segment: Segment) -> Segment:
    children = tuple(_without_header(child) for child in segment.children)
    origin = segment.origin and segment.origin._replace(header="")
    return replace(segment, children=children, origin=origin)
