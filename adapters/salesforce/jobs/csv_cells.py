"""CSV as it arrives: bytes in any pieces in, whole records as lists of cells out.

RFC 4180 as the bulk APIs write it: UTF-8, cells in quotes, a quote doubled, line ends inside of quotes. Never
more than one piece and one unfinished record is held.
"""

from __future__ import annotations

import codecs
import csv
import io

Cells = list[str]

#: A long text holds 131,072 characters, which is the csv module's own limit for a cell, and rich text more.
csv.field_size_limit(1 << 24)
#: Characters of one record; beyond that it is no answer of the bulk API.
_LONGEST = 1 << 26
#: What Bulk API 1.0 writes in place of CSV when nothing was found.
_NOTHING = ["Records not found for this query"]


class CsvCells:
    """One CSV file on its way in. The first record is kept apart: ``titles``."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._left: list[str] = []
        self._held = 0
        self._inside = False
        self.titles: Cells = []

    def feed(self, piece: bytes) -> list[Cells]:
        """The records that this piece completes. Raises ValueError for what is no CSV."""
        text = self._decoder.decode(piece)
        if "\0" in text:
            text = text.replace("\0", "")
        cut = self._cut(text)
        if cut == 0:
            self._keep(text)
            return []
        self._left.append(text[:cut])
        whole = "".join(self._left)
        self._left, self._held, self._inside = [], 0, False
        self._keep(text[cut:])
        return self._records(whole)

    def end(self) -> list[Cells]:
        """The last record, where it has no line end. Raises ValueError where the file was cut off."""
        self._decoder.decode(b"", final=True)
        if self._inside:
            raise ValueError("the file ends inside of a cell")
        whole = "".join(self._left)
        self._left, self._held = [], 0
        return self._records(whole) if whole else []

    def _cut(self, text: str) -> int:
        """The place behind the last line end that is outside of quotes; 0 if there is none.

        A line end is outside where the number of quotes before it is even: a doubled one counts twice.
        """
        inside = self._inside ^ bool(text.count('"') & 1)
        end = len(text)
        while True:
            at = text.rfind("\n", 0, end)
            if at < 0:
                return 0
            inside ^= bool(text.count('"', at, end) & 1)
            if not inside:
                return at + 1
            end = at

    def _keep(self, text: str) -> None:
        if not text:
            return
        self._left.append(text)
        self._held += len(text)
        self._inside ^= bool(text.count('"') & 1)
        if self._held > _LONGEST:
            raise ValueError("a record that does not end")

    def _records(self, text: str) -> list[Cells]:
        try:
            records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        except csv.Error as error:
            raise ValueError(str(error)) from None
        if not self.titles and records:
            self.titles = records.pop(0)
        return [] if self.titles == _NOTHING else records
