"""Dictionaries from files, whatever form they have: parser export, schema or WSDL, CSV table."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.layout import Layout
from adapters.idoc.format.parser_export import is_parser_export, read_parser_export
from adapters.idoc.format.problems import Problem, Report, Severity, refuse
from adapters.idoc.format.schema import read_schema
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.table import is_table, read_table

#: Of a file in UTF-16, which is turned round in memory, no more is read.
_LARGEST = 64 << 20


def load_dictionary(paths: Iterable[Path], *, report: Report = refuse) -> Dictionary:
    """The segments that are known anyway and those of every file. Of a definition in two files the longer
    layout holds where it only has more fields; else the later one does, and there is a warning. Raises
    ReadFault at the first problem, or reports them all; OSError for a file it cannot open.
    """
    dictionary = standard_dictionary()
    sources = dict.fromkeys(
        (layout.definition for layout in dictionary.layouts()), "what is known without a file"
    )
    for path in paths:
        found = _load(path, report)
        for layout in found.layouts():
            other = dictionary.contradiction(layout)
            if other is not None:
                report(_contradicts(layout, other, str(path), sources[other.definition]))
        sources |= dict.fromkeys((layout.definition for layout in found.layouts()), str(path))
        dictionary.extend(found)
    return dictionary


def _contradicts(layout: Layout, known: Layout, file: str, other: str) -> Problem:
    reason = f"its fields are not those that it has by {other}, and neither of both only has more"
    if layout.name != known.name:
        reason = f"it is a definition of {layout.name[:30]} here, and of {known.name[:30]} by {other}"
    return Problem(
        reason,
        Severity.WARNING,
        file=file,
        segment=layout.definition,
        remedy="leave out the dictionary that is not of this sender",
    )


def _load(path: Path, report: Report) -> Dictionary:
    def named(problem: Problem) -> None:
        report(replace(problem, file=str(path)))

    with path.open("rb") as file:
        stream = _without_mark(file)
        start = stream.read(4096)
        stream.seek(0)
        if is_parser_export(start):
            return read_parser_export(stream, report=named)
        if start.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<"):
            return read_schema(stream, report=named)
        if is_table(start):
            return read_table(stream, report=named)
    named(
        Problem(
            "the file is no parser export, no schema and no table",
            remedy="export the IDoc type in WE60 as parser or XML schema, or write a CSV with a header row",
        )
    )
    return Dictionary()


def _without_mark(file: BinaryIO) -> BinaryIO:
    """The file; one in UTF-16, as PC programs save "Unicode text", as UTF-8 in memory. XML is left alone."""
    if not file.seekable():  # a pipe
        return io.BytesIO(file.read(_LARGEST))
    start = file.read(4)
    file.seek(0)
    if not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"<" in start:
        return file
    return io.BytesIO(file.read(_LARGEST).decode("utf-16", "replace").encode())
