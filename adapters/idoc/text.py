"""The text of a file, decoded as it streams in, with the line and byte of every character."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import BinaryIO

from adapters.idoc.codepage import codec_of, looks_like_utf8
from adapters.idoc.faults import ReadFault
from adapters.idoc.layout import DATA_LENGTH

_CHUNK = 1 << 16
_LINE_END = re.compile(r"\r\n|\r|\n")
#: Ctrl-Z and NUL: what old systems leave behind the last record.
END_MARKS = "\x1a\x00"
#: A longer line than this has lost its line ends; no padding is that wide.
_LONGEST_LINE = 4 * DATA_LENGTH


@dataclass(frozen=True, slots=True)
class Record:
    """One record: ``text`` without its line end; its bytes from ``offset`` up to ``end`` are with it."""

    text: str
    line: int
    offset: int
    end: int

    def fault(self, reason: str, *, remedy: str = "") -> ReadFault:
        """A fault at this record."""
        return ReadFault(reason, line=self.line, offset=self.offset, remedy=remedy)


class TextStream:
    """Decodes a binary stream strictly and hands out characters. ``read(n)`` is all it needs of the
    stream.
    """

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self.codec = codec_of(encoding)
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(self.codec)("strict")
        self._buffer = ""
        self._fed = 0
        self._ended = False
        self.offset = 0
        self.line = 1
        self._skip_mark()

    def _skip_mark(self) -> None:
        """A byte order mark at the start belongs to no record. One of UTF-8 contradicts another code page."""
        first = self.peek(3)
        if first.startswith("\ufeff"):
            self.take(1)
        elif first.encode(self.codec, "replace").startswith(codecs.BOM_UTF8):
            raise self.fault(
                f"the file starts with a UTF-8 mark, its partner is declared as {self.codec}",
                remedy="correct the partner's encoding",
            )

    def fault(self, reason: str, *, remedy: str = "") -> ReadFault:
        """A fault at the next character."""
        return ReadFault(reason, line=self.line, offset=self.offset, remedy=remedy)

    def peek(self, count: int) -> str:
        """The next characters without taking them; fewer only at the end of the file."""
        while len(self._buffer) < count and not self._ended:
            self._fill()
        return self._buffer[:count]

    def _fill(self) -> None:
        data = self._stream.read(_CHUNK)
        pending = len(self._decoder.getstate()[0])
        try:
            self._buffer += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self._undecodable(data, pending, error) from None
        self._fed += len(data)
        self._ended = not data

    def _undecodable(self, data: bytes, pending: int, error: UnicodeDecodeError) -> ReadFault:
        """Line and byte of what is not in the declared code page, with what was read before it counted in."""
        good = error.object[: error.start].decode(self.codec, "ignore")
        lines = len(_LINE_END.findall(self._buffer + good))
        return ReadFault(
            f"not valid in the declared code page {self.codec}",
            line=self.line + lines,
            offset=self._fed - pending + error.start,
            remedy="compare the partner's encoding with the char. set of SAP's port (WE21)",
        )

    def take(self, count: int) -> str:
        """The next characters, taken. Fewer only at the end of the file."""
        text = self.peek(count)
        self._buffer = self._buffer[len(text) :]
        self.offset += len(text) if text.isascii() and self._one_byte else len(text.encode(self.codec))
        return text

    @property
    def _one_byte(self) -> bool:
        return not self.codec.startswith("utf-16")

    def take_record(self, count: int) -> Record:
        """A record of a known number of characters, from a file without line ends."""
        line, start = self.line, self.offset
        return self._checked(Record(self.take(count), line, start, self.offset))

    def take_line(self) -> tuple[Record, str]:
        """The next line and its end ("" at the end of the file). LF, CRLF and CR may be mixed."""
        line, start = self.line, self.offset
        match = _LINE_END.search(self.peek(_LONGEST_LINE))
        if match is None and len(self._buffer) >= _LONGEST_LINE:
            raise self.fault(f"no line end within {_LONGEST_LINE} characters: not a flat IDoc file")
        if match is not None and match.group() == "\r" and match.end() == _LONGEST_LINE:
            match = _LINE_END.search(self.peek(_LONGEST_LINE + 1))
        text = self.take(match.start() if match else _LONGEST_LINE)
        end = match.group() if match else ""
        self.take(len(end))
        self.line += bool(end)
        return self._checked(Record(text, line, start, self.offset)), end

    def _checked(self, record: Record) -> Record:
        if looks_like_utf8(record.text, self.codec):
            raise record.fault(
                f"this line is UTF-8, its partner is declared as {self.codec}; read so, fields would shift",
                remedy="correct the partner's encoding",
            )
        return record
