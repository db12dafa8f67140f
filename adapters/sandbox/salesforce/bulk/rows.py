"""Rows of an uploaded file, one after the other: CSV, JSON or XML. No file stands in memory whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.markup import Element, Elements

Row = dict[str, Any]
NULL = "#N/A"
DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
_PIECE = 64 * 1024
_LONGEST_CELL = 1_000_000
csv.field_size_limit(_LONGEST_CELL)


def bad(text: str) -> ApiError:
    """A file that cannot be read as rows."""
    return ApiError("InvalidBatch", f"InvalidBatch : {text}")


class CsvRows:
    """Rows of a CSV file; ``titles`` are its first line. An empty cell leaves a field as it is, ``#N/A``
    makes it null. ``ending`` (LF or CRLF) is what the lines must end with; empty takes any."""

    def __init__(self, path: Path, delimiter: str, ending: str = "") -> None:
        self._ending = ending
        self._first = _ending_of(path)
        self._lines = path.open(encoding="utf-8-sig", newline="")
        self._reader = csv.reader(self._lines, delimiter=DELIMITERS[delimiter], strict=True)
        self.titles: list[str] = []

    def close(self) -> None:
        """Closes the file."""
        self._lines.close()

    def begin(self) -> None:
        """Reads the titles. Raises ApiError."""
        self.titles = [each.strip() for each in self._next() or []]
        if not self.titles:
            raise bad("Empty file: no header row")
        if self._ending and self._first not in ("", self._ending):
            raise bad(f"LineEnding is invalid on user data. Current LineEnding setting is {self._ending}")
        if len({each.lower() for each in self.titles}) < len(self.titles):
            raise bad("Duplicate column in the header row")

    def __iter__(self) -> Iterator[list[str]]:
        """Raises ApiError for a line with another number of cells."""
        while (cells := self._next()) is not None:
            if not cells:
                continue
            if len(cells) != len(self.titles):
                raise bad(f"The row has {len(cells)} values, the header row {len(self.titles)}")
            yield cells

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except (csv.Error, UnicodeDecodeError) as error:
            raise bad(f"Failed to parse CSV: {error}") from None


def _ending_of(path: Path) -> str:
    """How the first line of a file ends; empty when there is but one."""
    with path.open("rb") as data:
        line = data.readline(_LONGEST_CELL)
    if not line.endswith(b"\n"):
        return ""
    return "CRLF" if line.endswith(b"\r\n") else "LF"


def check_titles(titles: list[str], kind: ObjectType) -> None:
    """Every title names a field of the object, or a parent's external id. Raises ApiError."""
    for title in titles:
        head = title.partition(".")[0].rpartition(":")[0] or title.partition(".")[0]
        parents = {each.relationship.lower() for each in kind.fields if each.relationship}
        if ("." in title and head.lower() not in parents) or ("." not in title and kind.find(title) is None):
            raise bad(f"Field name not found : {title}")


def record_of(titles: list[str], cells: list[str]) -> Row:
    """A CSV row as a record: parents nested, empty cells left out."""
    row: Row = {}
    for title, cell in zip(titles, cells, strict=True):
        if not cell:
            continue
        value = None if cell == NULL else cell
        if "." in title:
            head, _, name = title.partition(".")
            row[head.rpartition(":")[0] or head] = {name: value}
        else:
            row[title] = value
    return row


def json_rows(path: Path) -> Iterator[Row]:
    """Objects of a JSON array. Raises ApiError."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    with path.open(encoding="utf-8-sig") as lines:
        buffer, began, ended = "", False, False
        try:
            while piece := lines.read(_PIECE):
                buffer += piece
                while True:
                    buffer = buffer.lstrip()
                    if not began and buffer[:1] == "[":
                        buffer, began = buffer[1:].lstrip(), True
                    buffer = buffer.removeprefix(",").lstrip() if began else buffer
                    if began and buffer[:1] == "]":
                        buffer, ended = buffer[1:], True
                    if not began or ended or not buffer:
                        break
                    try:
                        row, end = decoder.raw_decode(buffer)
                    except json.JSONDecodeError:
                        break
                    buffer = buffer[end:]
                    if not isinstance(row, dict):
                        raise bad("Failed to parse JSON: each element must be an object")
                    yield row
                if len(buffer) > _LONGEST_CELL + _PIECE:
                    break
        except (ValueError, RecursionError) as error:
            raise bad(f"Failed to parse JSON: {error}") from None
        if not ended or buffer.strip():
            raise bad("Failed to parse JSON: no array of objects")


def xml_rows(path: Path) -> Iterator[Row]:
    """sObjects of an XML file. Raises ApiError."""
    elements = Elements("InvalidBatch")
    with path.open("rb") as data:
        while piece := data.read(_PIECE):
            for element in elements.feed(piece):
                yield _sobject(element)
    for element in elements.feed(b"", last=True):
        yield _sobject(element)
    if elements.root is None or elements.root.name != "sObjects":
        raise bad("Failed to parse XML: the root must be sObjects")


def _sobject(element: Element) -> Row:
    row: Row = {}
    for child in element.children:
        if child.name == "type":
            continue
        inner = child.child("sObject")
        if inner is not None:
            row[child.name] = _sobject(inner)
        else:
            row[child.name] = None if child.null else child.text
    return row
