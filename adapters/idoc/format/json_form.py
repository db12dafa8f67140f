"""IDocs as JSON:
``{"idocs": [{"control": {…}, "segments": [{"type", "definition", "fields": {…}, "children": […]}]}]}``.

Blank fields are left out. A segment whose layout is not known, or that is longer than its layout, has its
text as it stood in ``data``. ``header`` holds MANDT to HLEVEL of a flat record, to be written back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Idoc, Item, Origin, Segment, items_of
from adapters.idoc.format.flat_writing import problem_of
from adapters.idoc.format.hierarchy import DEEPEST
from adapters.idoc.format.problems import Problem, ReadFault, Report, ValueFault
from adapters.idoc.format.records import CONTROL
from adapters.idoc.format.segments import standard_dictionary

#: MANDT, DOCNUM, SEGNUM, PSGNUM and HLEVEL as they stood.
_HEADER = re.compile(r"(?:[^\x00-\x1f\x7f]{19}[0-9 ]{14})?")
#: A document is read as a whole, and takes several times its size.
_LARGEST = 256 << 20


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
        """The document, piece by piece. Raises ValueFault for segments not in the order of their tree; with
        ``report`` it tells of them and puts them below what is open.
        """
        yield b'{"idocs": ['
        begun = False
        for item in items:
            if isinstance(item, Head):
                end = self._close(0) + "]}, " if begun else ""
                self._open, begun = [(0, False)], True
                self._index, self._number = item.at, item.control.get("DOCNUM", "")
                control = {name: text for name, text in item.control.items() if text}
                yield f'{end}{{"control": {_text(control)}, "segments": ['.encode()
            else:
                yield self._entry(item).encode("utf-8", "surrogatepass")
        yield (self._close(0) + "]}]}\n" if begun else "]}\n").encode()

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
            fault = ValueFault(reason, field=entry.segment.type)
            if self._report is None:
                raise fault
            self._report(problem_of(fault, entry, self._index, self._number))
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
    return json.dumps(value, ensure_ascii=False)


def read_json(stream: BinaryIO, *, dictionary: Dictionary | None = None) -> Iterator[Idoc]:
    """The IDocs of a JSON document, which is held in memory as a whole. Raises ReadFault with the path inside
    the document.
    """
    known = dictionary or standard_dictionary()
    content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ReadFault(Problem(f"a JSON document of more than {_LARGEST >> 20} MB is not read"))
    try:
        document = json.loads(content, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ReadFault(Problem(f"no JSON: {error.msg}", line=error.lineno, column=error.colno)) from None
    except ReadFault:
        raise
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ReadFault(Problem(f"no JSON: {type(error).__name__}")) from None
    idocs = _list(document, "idocs", "$")
    if not idocs:
        raise ReadFault(Problem("the document holds no IDoc", segment="$.idocs"))
    for at, idoc in enumerate(idocs):
        path = f"$.idocs[{at}]"
        sent = _strings(idoc, "control", path)
        segments = tuple(
            _segment(each, f"{path}.segments[{place}]", known, 1)
            for place, each in enumerate(_list(idoc, "segments", path))
        )
        control = {entry.name: sent.get(entry.name, "") for entry in CONTROL.fields}
        unknown = sent.keys() - control.keys()
        if unknown:
            raise _at(f"{path}.control", f"the control record has no field {min(unknown)[:40]!r}")
        yield Idoc(control, segments)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; two members of one name would lose the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ReadFault(Problem(f"an object has two members {twice[:40]!r}"))
    return found


def _segment(value: object, path: str, dictionary: Dictionary, depth: int) -> Segment:
    if depth > DEEPEST:
        raise _at(path[:200], f"segments are nested deeper than {DEEPEST} levels")
    kind, definition = _string(value, "type", path), _string(value, "definition", path)
    if not kind and not definition:
        raise _at(path, "a segment has neither type nor definition")
    kind = kind or dictionary.type_of(definition)
    children = tuple(
        _segment(each, f"{path}.children[{place}]", dictionary, depth + 1)
        for place, each in enumerate(_list(value, "children", path))
    )
    data, header = _string(value, "data", path), _string(value, "header", path)
    named = None if data else _strings(value, "fields", path)
    if not data and not named and dictionary.layout(definition or kind) is None:
        named = None
    if not _HEADER.fullmatch(header):
        raise _at(f"{path}.header", "not MANDT to HLEVEL of a data record, 33 characters")
    origin = Origin(0, header=header) if header else None
    return Segment(kind, definition or kind, data, children, 0, named, origin)


def _member(value: object, name: str, path: str) -> object:
    if not isinstance(value, Mapping):
        raise _at(path, "not an object")
    return value.get(name)


def _list(value: object, name: str, path: str) -> list[object]:
    found = _member(value, name, path)
    if found is None:
        return []
    if not isinstance(found, list):
        raise _at(f"{path}.{name}", "not a list")
    return found


def _string(value: object, name: str, path: str) -> str:
    found = _member(value, name, path)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _at(f"{path}.{name}", "not a text")
    return found


def _strings(value: object, name: str, path: str) -> dict[str, str]:
    found = _member(value, name, path)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise _at(f"{path}.{name}", "not an object")
    for key, text in found.items():
        if not isinstance(text, str):
            raise _at(f"{path}.{name}.{key[:40]}", "not a text: IDocs hold text only, numbers included")
    return {key: text.rstrip(" ") for key, text in found.items()}


def _at(path: str, reason: str) -> ReadFault:
    return ReadFault(Problem(reason, segment=path))
