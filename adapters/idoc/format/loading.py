"""Dictionaries from files, whatever form they have: parser export, schema or WSDL, CSV table."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.parser_export import is_parser_export, read_parser_export
from adapters.idoc.format.problems import Problem, Report, refuse
from adapters.idoc.format.schema import read_schema
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.table import is_table, read_table

#: Of a file in UTF-16, which is turned round in memory, no more is read.
_LARGEST = 64 << 20


def load_dictionary(paths: Iterable[Path], *, report: Report = refuse) -> Dictionary:
    """The segments that are known anyway and those of every file; of what two files describe, the later one
    holds. Raises ReadFault at the first problem, or reports them all; OSError for a file it cannot open.
    """
    dictionary = standard_dictionary()
    for path in paths:
        dictionary.extend(_load(path, report))
    return dictionary


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
