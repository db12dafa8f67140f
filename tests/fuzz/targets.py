"""What is fuzzed, and what has to hold whatever comes in.

Every target takes bytes. Nothing but problems may come of them: no other exception, no file, no connection.
What was read without an error must come back after it was written.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Item, items_of
from adapters.idoc.format.flat import read_status
from adapters.idoc.format.flat_writing import FlatForm, FlatWriter
from adapters.idoc.format.framing import Numbering, Padding
from adapters.idoc.format.json_form import JsonWriter, read_json
from adapters.idoc.format.opening import Form, Opened
from adapters.idoc.format.parser_export import read_parser_export
from adapters.idoc.format.problems import Findings, IdocFault, ReadFault
from adapters.idoc.format.schema import read_schema
from adapters.idoc.format.table import read_table
from adapters.idoc.format.validation import Validator
from adapters.idoc.format.xml_writing import XmlWriter
from tests.fuzz.guard import Target
from tests.fuzz.seeds import DICTIONARY

#: The first byte of an input says in which code page the rest is.
ENCODINGS = ("utf-8", "1100", "1160", "4103", "4102", "8000")


def flat(data: bytes) -> None:
    """A flat file in some code page."""
    encoding = ENCODINGS[data[0] % len(ENCODINGS)] if data else "utf-8"
    content = data[1:]
    found = Findings()
    opened = Opened(
        io.BytesIO(content), encoding=encoding, dictionary=DICTIONARY, report=found.add, form=Form.FLAT
    )
    items = list(Validator(DICTIONARY, Findings().add, codec=opened.codec).check(opened))
    _check_places(found, content)
    _check_strict(content, Form.FLAT, encoding, found)
    _convert(content, Form.FLAT, encoding)
    if not found.errors:
        form = FlatForm(encoding, opened.framing, Padding.AS_READ, Numbering.AS_READ)
        again = b"".join(FlatWriter(form, DICTIONARY).write(items))
        back = Opened(io.BytesIO(again), encoding=encoding, dictionary=DICTIONARY, form=Form.FLAT)
        assert _told(list(back)) == _told(items), "a flat file does not come back"


def xml(data: bytes) -> None:
    """An XML document."""
    found = Findings()
    opened = Opened(io.BytesIO(data), dictionary=DICTIONARY, report=found.add, form=Form.XML)
    items = list(Validator(DICTIONARY, Findings().add).check(opened))
    _check_places(found, data)
    _check_strict(data, Form.XML, "", found)
    _convert(data, Form.XML, "")
    if found.errors:
        return
    try:
        again = b"".join(XmlWriter(None, DICTIONARY).write(items))
    except IdocFault:
        return
    back = Opened(io.BytesIO(again), dictionary=DICTIONARY)
    assert _said(list(back)) == _said(items), "an XML document does not come back"


def json(data: bytes) -> None:
    """A JSON document."""
    found = Findings()
    items = list(items_of(read_json(io.BytesIO(data), dictionary=DICTIONARY, report=found.add)))
    _check_places(found, data)
    _check_strict(data, Form.JSON, "", found)
    _convert(data, Form.JSON, "")
    if not found.errors:
        again = b"".join(JsonWriter(DICTIONARY).write(items))
        back = Opened(io.BytesIO(again), dictionary=DICTIONARY, form=Form.JSON)
        assert _said(list(back)) == _said(items), "a JSON document does not come back"


def status(data: bytes) -> None:
    """A status file."""
    found = Findings()
    list(read_status(io.BytesIO(data), report=found.add))
    _check_places(found, data)


def parser(data: bytes) -> None:
    """A parser export."""
    found = Findings()
    _use(read_parser_export(io.BytesIO(data), report=found.add), found)


def schema(data: bytes) -> None:
    """A schema or WSDL."""
    found = Findings()
    _use(read_schema(io.BytesIO(data), report=found.add), found)


def table(data: bytes) -> None:
    """A CSV table."""
    found = Findings()
    _use(read_table(io.BytesIO(data), report=found.add), found)


TARGETS: Mapping[str, Target] = {
    "flat": flat,
    "xml": xml,
    "json": json,
    "status": status,
    "parser": parser,
    "schema": schema,
    "table": table,
}


def _check_places(found: Findings, content: bytes) -> None:
    for problem in found:
        assert problem.reason
        assert problem.line >= 0
        assert problem.offset is None or 0 <= problem.offset <= len(content) + 8, "a place outside the file"


def _check_strict(content: bytes, form: Form, encoding: str, found: Findings) -> None:
    """The strict reader raises exactly where the other one tells of an error."""
    raised = False
    try:
        for _ in Opened(io.BytesIO(content), encoding=encoding, dictionary=DICTIONARY, form=form):
            pass
    except ReadFault:
        raised = True
    assert raised == bool(found.errors), "strict and telling readers disagree"


def _convert(content: bytes, form: Form, encoding: str) -> None:
    for to in Form:
        found = Findings(most=100)
        opened = Opened(
            io.BytesIO(content), encoding=encoding, dictionary=DICTIONARY, report=found.add, form=form
        )
        for _ in convert(opened, Conversion(to, types=True), DICTIONARY, found.add):
            pass


def _told(items: list[Item]) -> list[object]:
    """What a flat file says."""
    found: list[object] = []
    for item in items:
        if isinstance(item, Head):
            found.append(dict(item.control))
        else:
            segment = item.segment
            found.append((segment.definition, segment.data, segment.level, item.parent, item.depth))
    return found


def _said(items: list[Item]) -> list[object]:
    """What an XML document says: blank fields are as good as absent."""
    found: list[object] = []
    for item in items:
        if isinstance(item, Head):
            found.append({name: text for name, text in item.control.items() if text and name != "TABNAM"})
        elif isinstance(item, Entry):
            segment = item.segment
            named = {name: text for name, text in (segment.named or {}).items() if text}
            found.append((segment.type, segment.data, named, item.parent, item.depth))
    return found


def _use(dictionary: Dictionary, found: Findings) -> None:
    """A dictionary that was read is good for work, even a wrong one."""
    for problem in found:
        assert problem.reason
    for name in dictionary.types():
        layout = dictionary.layout(name)
        assert layout is not None
        filled = {entry.name: "x" * min(entry.length, 3) for entry in layout.fields[:50]}
        if not found.errors:
            assert layout.filled(layout.write(filled)) == filled, "fields do not come back"
        dictionary.definition_of(name)
        dictionary.parents_of(name)
    for idoc_type in dictionary.idoc_types():
        assert sum(1 for _ in idoc_type.root.walk()) < 200_000
    rubbish = Findings(most=100)
    opened = Opened(io.BytesIO(b"EDI_DC40"), dictionary=dictionary, report=rubbish.add)
    list(Validator(dictionary, rubbish.add).check(opened))
    assert len(rubbish) > 0


__all__ = ["ENCODINGS", "TARGETS"]
