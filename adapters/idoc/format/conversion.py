"""From one form to another, item by item: flat, XML and JSON, each to each, whatever the file's size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from adapters.idoc.format.codepage import codec_of
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Head, Item
from adapters.idoc.format.flat_writing import FlatForm, FlatWriter
from adapters.idoc.format.framing import Framing, Numbering, Padding
from adapters.idoc.format.hints import hinted
from adapters.idoc.format.json_form import JsonWriter
from adapters.idoc.format.layout import Layout
from adapters.idoc.format.opening import Form, Opened
from adapters.idoc.format.problems import Problem, Report, Severity, ValueFault
from adapters.idoc.format.records import CONTROL
from adapters.idoc.format.refusing import problems_of
from adapters.idoc.format.xml_writing import XmlForm, XmlWriter


@dataclass(frozen=True, slots=True)
class Conversion:
    """What to make of a file.

    encoding  code page of what is written; that of the source where it is blank (JSON is always UTF-8)
    line_end  of a flat file; as in the source, or LF, where it is None
    padding   of a flat file; as in a flat source, or to the end of the segment, where it is None
    types     write segment types into SEGNAM where no definition is known
    """

    to: Form
    encoding: str = ""
    line_end: str | None = None
    padding: Padding | None = None
    types: bool = False


def convert(opened: Opened, wanted: Conversion, dictionary: Dictionary, report: Report) -> Iterator[bytes]:
    """The converted file, piece by piece. A problem goes to ``report``; what was written is whole only if
    there was no error. A flat file that becomes flat, or an XML document that becomes XML, stays as it was
    set, byte for byte if its form is regular.
    """
    for problem in _unsaid(wanted):
        report(problem)
    try:
        yield from _written(opened, wanted, dictionary, report)
    except ValueFault as fault:
        for each in fault.each:
            report(Problem(each.reason, Severity.ERROR, field=each.where, remedy=each.remedy))


def _written(opened: Opened, wanted: Conversion, dictionary: Dictionary, report: Report) -> Iterator[bytes]:
    if wanted.to is Form.JSON:
        items = _measured(hinted(opened, report), dictionary, report)
        return JsonWriter(dictionary, report).write(items)
    if wanted.to is Form.XML:
        again = opened.form is Form.XML and not wanted.encoding
        return _xml(opened, wanted, dictionary, report, again)
    flat = opened.framing
    framing = flat if flat is not None and wanted.line_end is None else Framing(wanted.line_end or "\n")
    padding = wanted.padding or (Padding.AS_READ if flat is not None else Padding.SEGMENT)
    kept = flat is not None or opened.form is Form.JSON
    form = FlatForm(
        wanted.encoding or (opened.codec if flat is not None else "utf-8"),
        framing,
        padding,
        Numbering.AS_READ if kept else Numbering.FRESH,
        wanted.types,
    )
    return FlatWriter(form, dictionary, report).write(hinted(opened, report))


def _measured(items: Iterable[Item], dictionary: Dictionary, report: Report) -> Iterator[Item]:
    """The items; values that no flat file could hold are told of, where their form does not mind."""
    idoc, number = 0, ""
    for item in items:
        layout: Layout | None = CONTROL
        if isinstance(item, Head):
            idoc, number, named = item.at, item.control.get("DOCNUM", ""), item.control
        else:
            named = item.segment.named or {}
            layout = dictionary.layout(item.segment.definition) if named else None
        for entry, have in layout.overlong(named) if layout else ():
            reason = f"{have} characters, and the field has {entry.length}: no flat file could hold them"
            fault = ValueFault(reason, field=f"{layout.name if layout else ''}.{entry.name}")
            for problem in problems_of(fault, item, idoc, number):
                report(replace(problem, severity=Severity.WARNING))
        yield item


def _unsaid(wanted: Conversion) -> Iterator[Problem]:
    """What is asked for and the form has no such thing."""
    named = {"line_end": wanted.line_end is not None, "padding": wanted.padding is not None}
    named["types"] = wanted.types
    if wanted.to is Form.JSON:
        named["encoding"] = bool(wanted.encoding) and codec_of(wanted.encoding) != "utf-8"
    for name in (name for name, asked in named.items() if asked and wanted.to is not Form.FLAT):
        reason = f"{wanted.to.value} has no {name.replace('_', ' ')} to choose: what is asked for is not done"
        if name == "encoding":
            reason = "JSON is always UTF-8: the encoding that is asked for is not used"
        yield Problem(reason, Severity.WARNING)


def _xml(
    opened: Opened, wanted: Conversion, dictionary: Dictionary, report: Report, again: bool
) -> Iterator[bytes]:
    items = _measured(hinted(opened, report), dictionary, report)
    first = next(items, None)  # the encoding of a document is known once it was begun
    codec = wanted.encoding or (opened.codec if again else "utf-8")
    form = XmlForm(codec, opened.style if again else None, blanks=again)
    begun = () if first is None else (first,)
    yield from XmlWriter(form, dictionary, report).write(chain(begun, items))
