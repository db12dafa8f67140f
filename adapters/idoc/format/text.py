"""The text of a flat file, decoded as it streams in, with the line and byte of every character."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO, NamedTuple

from adapters.idoc.format.codepage import codec_of, looks_like_utf8, suspicion
from adapters.idoc.format.problems import Problem, ReadFault, Report, refuse
from adapters.idoc.format.records import DATA_LENGTH
from adapters.idoc.format.values import from_units, to_units

_CHUNK = 1 << 18
_LINE_END = re.compile(r"\r\n|\r|\n")
#: Ctrl-Z and NUL: what old systems leave behind the last record.
END_MARKS = "\x1a\x00"
#: A longer line than this has lost its line ends; no padding is that wide.
_LONGEST_LINE = 4 * DATA_LENGTH


class Record(NamedTuple):
    """One record: ``text`` without its line end; its bytes from ``offset`` up to ``end`` are with it.
    ``offset`` is -1 behind bytes that could not be decoded.
    """

    text: str
    line: int
    offset: int
    end: int

    def problem(self, reason: str, *, segment: str = "", remedy: str = "", column: int = 0) -> Problem:
        """A problem at this record."""
        offset = self.offset if self.offset >= 0 else None
        return Problem(reason, segment=segment, line=self.line, column=column, offset=offset, remedy=remedy)

    def fault(self, reason: str, *, remedy: str = "") -> ReadFault:
        """A fault at this record."""
        return ReadFault(self.problem(reason, remedy=remedy))


class TextStream:
    """Decodes a binary stream strictly and hands out characters. ``read(n)`` is all it needs of the stream.

    A byte that is not in the code page goes to ``report``; where that does not raise, U+FFFD stands for it.
    """

    def __init__(self, stream: BinaryIO, encoding: str, report: Report = refuse) -> None:
        self.codec = codec_of(encoding)
        self._stream = stream
        self._report = report
        self._decoder = codecs.getincrementaldecoder(self.codec)("strict")
        self._narrow = not self.codec.startswith("utf-16")
        self._buffer = ""
        self._at = 0
        self._fed = 0
        self._ended = False
        self._exact = True
        self._suspicion = ""
        self.offset = 0
        self.line = 1
        self.marked = False
        self._skip_mark()

    def _skip_mark(self) -> None:
        """A byte order mark at the start belongs to no record. What contradicts the code page is a fault."""
        first = self.peek(3)
        if self._suspicion:
            self._report(
                self.problem(
                    f"the file is not in the declared code page {self.codec}: {self._suspicion}",
                    remedy="correct the partner's encoding",
                )
            )
        if first.startswith("\ufeff"):
            self.marked = True
            self.take(1)

    def problem(self, reason: str, *, remedy: str = "") -> Problem:
        """A problem at the next character."""
        offset = self.offset if self._exact else None
        return Problem(reason, line=self.line, offset=offset, remedy=remedy)

    def fault(self, reason: str, *, remedy: str = "") -> ReadFault:
        """A fault at the next character."""
        return ReadFault(self.problem(reason, remedy=remedy))

    def peek(self, count: int) -> str:
        """The next characters without taking them; fewer only at the end of the file."""
        while len(self._buffer) - self._at < count and not self._ended:
            self._fill()
        return self._buffer[self._at : self._at + count]

    def _fill(self) -> None:
        data = self._stream.read(_CHUNK)
        if not self._fed:
            self._suspicion = suspicion(data[:16], self.codec)
        self._buffer = self._buffer[self._at :]
        self._at = 0
        pending = len(self._decoder.getstate()[0])
        start = self._fed - pending
        self._fed += len(data)
        try:
            self._buffer += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            self._repair(error, start, final=not data)
        self._ended = not data

    def _repair(self, error: UnicodeDecodeError, start: int, *, final: bool) -> None:
        """Tell of every byte that is not in the code page, with what was read before it counted in."""
        while True:
            self._buffer += error.object[: error.start].decode(self.codec, "ignore")
            self._report(self._undecodable(start + error.start))
            self._buffer += "\ufffd"
            self._exact = False
            rest = error.object[error.end :]
            start += error.end
            self._decoder.reset()
            try:
                self._buffer += self._decoder.decode(rest, final=final)
            except UnicodeDecodeError as another:
                error = another
                continue
            return

    def _undecodable(self, at: int) -> Problem:
        line = self.line + len(_LINE_END.findall(self._buffer))
        last = max(self._buffer.rfind("\n"), self._buffer.rfind("\r"))
        return Problem(
            f"not valid in the declared code page {self.codec}",
            line=line,
            column=len(self._buffer) - last if last >= 0 else 0,
            offset=at,
            remedy=self._suspicion
            or "compare the partner's encoding with the char. set of SAP's port (WE21)",
        )

    def take(self, count: int) -> str:
        """The next characters, taken. Fewer only at the end of the file."""
        text = self.peek(count)
        self._at += len(text)
        self.offset += self._bytes(text)
        return text

    def _bytes(self, text: str) -> int:
        if text.isascii():
            return len(text) if self._narrow else 2 * len(text)
        return len(text.encode(self.codec, "replace"))

    def take_record(self, count: int) -> Record:
        """A record of a known number of UTF-16 code units, from a file without line ends."""
        line, start = self.line, self._place
        text = self.peek(count)
        while not text.isascii() and len(to_units(text)) > count:
            text = text[:-1]
        return self._checked(Record(self.take(len(text)), line, start, self.offset))

    @property
    def _place(self) -> int:
        return self.offset if self._exact else -1

    def take_line(self) -> tuple[Record, str]:
        """The next line and its end ("" at the end of the file). LF, CRLF and CR may be mixed."""
        stop, end = self._line_end()
        while stop < 0 and not self._ended and len(self._buffer) - self._at < _LONGEST_LINE:
            self._fill()
            stop, end = self._line_end()
        line, start = self.line, self._place
        if stop < 0 and len(self._buffer) - self._at >= _LONGEST_LINE:
            self._report(self.problem(f"no line end within {_LONGEST_LINE} characters: not a flat IDoc file"))
            return self._skipped(line, start)
        stop = len(self._buffer) if stop < 0 else stop
        text = self._buffer[self._at : stop]
        self._at = stop + len(end)
        self.offset += self._bytes(text) + (len(end) if self._narrow else 2 * len(end))
        self.line += bool(end)
        return self._checked(Record(text, line, start, self.offset)), end

    def _line_end(self) -> tuple[int, str]:
        """Where the line that begins here ends in the buffer, and how; -1 where that is not known yet."""
        feed = self._buffer.find("\n", self._at)
        carriage = self._buffer.find("\r", self._at, feed if feed >= 0 else len(self._buffer))
        if carriage < 0:
            return feed, "\n" if feed >= 0 else ""
        if carriage + 1 == len(self._buffer) and not self._ended:
            self._fill()
            return self._line_end()
        return carriage, "\r\n" if self._buffer[carriage + 1 : carriage + 2] == "\n" else "\r"

    def _skipped(self, line: int, start: int) -> tuple[Record, str]:
        """Go on behind a line that is too long; an empty line stands for it."""
        while self.peek(1):
            stop, end = self._line_end()
            self.take(len(self._buffer) - self._at if stop < 0 else stop - self._at + len(end))
            if stop >= 0:
                self.line += 1
                return Record("", line, start, self.offset), end
        return Record("", line, start, self.offset), ""

    def _checked(self, record: Record) -> Record:
        if not record.text.isascii() and looks_like_utf8(record.text, self.codec):
            self._report(
                record.problem(
                    f"this line is UTF-8 and declared as {self.codec}: so read, all later fields would shift",
                    remedy="correct the partner's encoding",
                )
            )
        return record


def width_of(text: str) -> int:
    """Characters as SAP counts them: a character beyond U+FFFF is two."""
    return len(text) if text.isascii() else len(to_units(text))


__all__ = ["END_MARKS", "Record", "TextStream", "from_units", "width_of"]
