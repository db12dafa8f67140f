"""The text of a flat file, decoded as it streams in, with the line and byte of every character."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from adapters.idoc.format.codepage import Evidence, codec_of, instead, suspicion, utf8_evidence
from adapters.idoc.format.problems import Problem, ReadFault, Report, Severity, refuse
from adapters.idoc.format.records import DATA_LENGTH, OLD_RELEASE_REMEDY, old_release
from adapters.idoc.format.values import from_units, width_of

_CHUNK = 1 << 18
#: Ctrl-Z and NUL: what old systems leave behind the last record.
END_MARKS = "\x1a\x00"
#: A longer line than this has lost its line ends; no padding is that wide.
_LONGEST_LINE = 4 * DATA_LENGTH
#: What stands for bytes that are not in the code page until they are told of: characters that no text has.
_UNDECODABLE = re.compile("[\ud800-\udfff]+")


class Record(NamedTuple):
    """One record: ``text`` without its line end; its bytes from ``offset`` up to ``end`` are with it."""

    text: str
    line: int
    offset: int
    end: int

    def problem(self, reason: str, *, segment: str = "", remedy: str = "", column: int = 0) -> Problem:
        """A problem at this record."""
        return Problem(
            reason, segment=segment, line=self.line, column=column, offset=self.offset, remedy=remedy
        )

    def fault(self, reason: str, *, remedy: str = "") -> ReadFault:
        """A fault at this record."""
        return ReadFault(self.problem(reason, remedy=remedy))


class TextStream:
    """Decodes a binary stream strictly and hands out characters. ``read(n)`` is all it needs of the stream.

    A byte that is not in the code page is told of by ``sound``, when the record that holds it is looked at:
    so it is known which IDoc it is in, and what stands before it is whole.
    """

    def __init__(self, stream: BinaryIO, encoding: str, report: Report = refuse) -> None:
        self.codec = codec_of(encoding)
        self._stream = stream
        self._report = report
        self._narrow = not self.codec.startswith("utf-16")
        self._lenient = "surrogateescape" if self._narrow else "surrogatepass"
        self._decoder = codecs.getincrementaldecoder(self.codec)(self._lenient)
        self._buffer = ""
        self._at = 0
        self._begun = False
        self._ended = False
        self._suspicion = ""
        self.offset = 0
        self.line = 1
        self.marked = False
        self.undecodable = False
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
        return Problem(reason, line=self.line, offset=self.offset, remedy=remedy)

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
        if not self._begun:
            self._begun, self._suspicion = True, suspicion(data[:16], self.codec)
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError:  # UTF-16 that ends within a character
            text = "\udfff"
        self._buffer = self._buffer[self._at :] + text
        self._at = 0
        self._ended = not data

    def take(self, count: int) -> str:
        """The next characters, taken. Fewer only at the end of the file."""
        text = self.peek(count)
        self._at += len(text)
        self.offset += self.size(text)
        return text

    def size(self, text: str) -> int:
        """The bytes that a text takes in the file."""
        if text.isascii():
            return len(text) if self._narrow else 2 * len(text)
        return len(text.encode(self.codec, self._lenient))

    def take_record(self, count: int) -> Record:
        """A record of a known number of UTF-16 code units, from a file without line ends."""
        line, start = self.line, self.offset
        text = self.peek(count)
        if not text.isascii() and max(text) > "\uffff":
            units = 0
            for at, char in enumerate(text):
                units += 2 if char > "\uffff" else 1
                if units > count:
                    text = text[:at]
                    break
        return Record(self.take(len(text)), line, start, self.offset)

    def take_line(self) -> tuple[Record, str]:
        """The next line and its end ("" at the end of the file). LF, CRLF and CR may be mixed."""
        stop, end = self._line_end()
        while stop < 0 and not self._ended and len(self._buffer) - self._at < _LONGEST_LINE:
            self._fill()
            stop, end = self._line_end()
        line, start = self.line, self.offset
        if stop < 0 and len(self._buffer) - self._at >= _LONGEST_LINE:
            return self._endless(line, start)
        stop = len(self._buffer) if stop < 0 else stop
        text = self._buffer[self._at : stop]
        self._at = stop + len(end)
        self.offset += self.size(text) + (len(end) if self._narrow else 2 * len(end))
        self.line += bool(end)
        return Record(text, line, start, self.offset), end

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

    def _endless(self, line: int, start: int) -> tuple[Record, str]:
        """Go on behind a line that is too long; an empty line stands for it. Filling up to the end of a
        block with NUL, Ctrl-Z or blanks is no line.
        """
        text = self.peek(_LONGEST_LINE)
        if not text.strip(END_MARKS + " "):
            while text := self.peek(_LONGEST_LINE):
                filling = len(text) - len(text.lstrip(END_MARKS + " "))
                self.take(filling)
                if filling < len(text):
                    break
            return Record("", line, start, self.offset), ""
        old = old_release(text)
        reason = old or f"no line end within {_LONGEST_LINE} characters: not a flat IDoc file"
        self._report(self.problem(reason, remedy=OLD_RELEASE_REMEDY if old else ""))
        while self.peek(1):
            stop, end = self._line_end()
            self.take(len(self._buffer) - self._at if stop < 0 else stop - self._at + len(end))
            if stop >= 0:
                self.line += 1
                return Record("", line, start, self.offset), end
        return Record("", line, start, self.offset), ""

    def sound(self, record: Record, segment: str = "") -> Record:
        """The record, once it was told of what no record may hold; U+FFFD and blanks stand for that."""
        text = record.text
        if not text.isascii():
            text = self._decodable(record, segment)
            self._doubt(record, utf8_evidence(text, self.codec), segment)
        if "\x00" in text or "\x1a" in text:
            self._report(record.problem("NUL or Ctrl-Z inside a record", segment=segment))
            text = text.translate({0: " ", 0x1A: " "})
        return record if text is record.text else record._replace(text=text)

    def _doubt(self, record: Record, evidence: Evidence, segment: str) -> None:
        if evidence is Evidence.NONE:
            return
        reason = f"this line is UTF-8 and declared as {self.codec}: so read, all later fields would shift"
        remedy = "correct the partner's encoding"
        severity = Severity.ERROR
        if evidence is Evidence.WEAK:
            reason = f"this line, declared as {self.codec}, may be UTF-8: later fields would be shifted"
            remedy = "look at its text; if signs stand where letters belong, correct the partner's encoding"
            severity = Severity.WARNING
        self._report(replace(record.problem(reason, segment=segment, remedy=remedy), severity=severity))

    def _decodable(self, record: Record, segment: str) -> str:
        text, remedy = record.text, ""
        for found in _UNDECODABLE.finditer(text):
            self.undecodable = True
            remedy = remedy or self._remedy(text)
            problem = Problem(
                f"not valid in the declared code page {self.codec}",
                segment=segment,
                line=record.line,
                column=found.start() + 1,
                offset=record.offset + self.size(text[: found.start()]),
                remedy=remedy,
            )
            self._report(problem)
        return _UNDECODABLE.sub("\ufffd", text) if remedy else text

    def _remedy(self, text: str) -> str:
        """What to do about a text that is not in the code page."""
        other = instead(text.encode(self.codec, self._lenient), self.codec) if self._narrow else ""
        compare = "compare the partner's encoding with the char. set of SAP's port (WE21)"
        return self._suspicion or other or compare


__all__ = ["END_MARKS", "Record", "TextStream", "from_units", "width_of"]
