"""XML as it comes from anywhere: read in pieces, strictly, and without ever following a reference.

A document may carry an internal DTD, which old XML ports write; entities and external subsets are refused, so
nothing can grow inside the parser or be fetched. Tokens, depth and text are bounded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, Protocol
from xml.parsers import expat

from adapters.idoc.format.codepage import codec_of, looks_like_utf8
from adapters.idoc.format.problems import Problem, Report, Severity

_CHUNK = 1 << 16
#: No tag, comment or declaration is longer than this; the parser would scan it again with every piece.
_LONGEST_TOKEN = 1 << 20
#: What follows the root is blanks and comments.
_LONGEST_TAIL = 1 << 16
#: No IDoc is nested deeper, with its wrapping.
_DEEPEST = 120
_DECLARED = re.compile(rb"""^<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, b"<\0\0\0", b"\0\0\0<")
_WITHOUT_MARK = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))


class Stopped(Exception):
    """The document cannot be read any further; why was reported."""


class Sink(Protocol):
    """What takes the elements of a document."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Characters of the innermost element, perhaps only some of them."""


class Markup:
    """One document. ``read`` feeds the sink; ``line``, ``column`` and ``offset`` say where it stands.

    ``prolog`` and ``tail`` are what stands before and behind the root, ``empty_tag`` says whether the element
    that ended last was written ``<A/>``, ``whole`` whether the document was read up to its end.
    """

    def __init__(
        self,
        stream: BinaryIO,
        sink: Sink,
        report: Report,
        *,
        encoding: str = "",
        separator: str | None = None,
    ) -> None:
        self._stream = stream
        self._sink = sink
        self._report = report
        self._given = encoding
        self._depth = 0
        self._shift = 0
        self._fed = 0
        self._parsed = 0
        self._begun = 0
        self._before: bytearray | None = bytearray()
        self._closed = -1
        self.empty_tag = False
        self.whole = False
        self.tail = ""
        self.codec = ""
        self.marked = False
        self.prolog = ""
        self._parser = expat.ParserCreate("utf-8", separator)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = sink.text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._entity
        self._parser.UnparsedEntityDeclHandler = self._entity
        self._parser.NotationDeclHandler = self._entity
        self._parser.ExternalEntityRefHandler = self._external
        self._parser.SkippedEntityHandler = self._skipped

    @property
    def line(self) -> int:
        """Line of what is being read, from 1."""
        return self._parser.CurrentLineNumber

    @property
    def column(self) -> int:
        """Column of what is being read, from 1."""
        return self._parser.CurrentColumnNumber + 1

    @property
    def offset(self) -> int:
        """Byte in the file; -1 where the file is not in UTF-8, which the parser counts in."""
        return self._parser.CurrentByteIndex + self._shift if self.codec == "utf-8" else -1

    def problem(
        self, reason: str, *, severity: Severity = Severity.ERROR, segment: str = "", remedy: str = ""
    ) -> Problem:
        """A problem at the place that is being read."""
        offset = self.offset
        return Problem(
            reason,
            severity,
            segment=segment,
            line=self.line,
            column=self.column,
            offset=offset if offset >= 0 else None,
            remedy=remedy,
        )

    def stop(self, reason: str, remedy: str = "") -> None:
        """Report a problem behind which nothing can be read."""
        self._report(self.problem(reason, remedy=remedy))
        raise Stopped

    def read(self) -> Iterator[None]:
        """Feed the sink; yields after every piece, so that what it made can be handed on."""
        try:
            yield from self._pieces()
        except Stopped:
            return
        except expat.ExpatError as error:
            reason = f"not well-formed XML: {expat.errors.messages[error.code]}"
            self._report(
                Problem(
                    reason,
                    line=error.lineno,
                    column=error.offset + 1,
                    offset=self._error_offset(),
                )
            )

    def _error_offset(self) -> int | None:
        at = self._parser.ErrorByteIndex
        return at + self._shift if at >= 0 and self.codec == "utf-8" else None

    def _pieces(self) -> Iterator[None]:
        data = self._stream.read(_CHUNK)
        data = data[self._decide(data) :]
        decoder = codecs.getincrementaldecoder(self.codec)("strict")
        first = True
        while True:
            final = not data and not first
            try:
                text = decoder.decode(data, final=final)
            except UnicodeDecodeError as error:
                self._undecodable(error)
            if first:
                self._begin(text)
                first = False
            self._fed += len(data)
            content = data if self.codec == "utf-8" else text.encode("utf-8", "surrogatepass")
            if self._before is not None and len(self._before) < _LONGEST_TOKEN:
                self._before += content
            self._parsed += len(content)
            self._parser.Parse(content, final)
            self._follow(content)
            yield
            if final:
                self.whole = True
                return
            self._check_progress(len(content))
            data = self._stream.read(_CHUNK)

    def _decide(self, data: bytes) -> int:
        """Find the encoding out; how many bytes a byte order mark takes."""
        declared = ""
        if data.startswith(_UTF_32):
            self.codec = "ascii"
            self.stop("the document is in UTF-32, which is not read", "save it as UTF-8")
        for mark, codec in _BOMS:
            if data.startswith(mark):
                self.codec, self.marked, self._shift = codec, True, len(mark)
                return len(mark)
        for start, codec in _WITHOUT_MARK:
            if data.startswith(start):
                self.codec = codec
                return 0
        match = _DECLARED.match(data)
        if match:
            declared = match[1].decode("ascii")
        if declared.lower().replace("-", "").startswith(("utf16", "ucs2", "unicode")):
            self.codec = "ascii"
            self.stop(
                f"the document declares {declared} and is not written in it",
                "correct the declaration: a program that made it a text in memory may have left it there",
            )
        try:
            self.codec = codec_of(declared or self._given or "utf-8")
        except ValueError as error:
            self.codec = "ascii"
            self.stop(str(error))
        if self.codec.startswith("utf-16"):
            self.stop(f"the document declares {declared or self._given} and is not written in it")
        return 0

    def _follow(self, content: bytes) -> None:
        """Keep what stands behind the root."""
        if self._closed < 0 or len(self.tail) > _LONGEST_TAIL:
            return
        start = self._closed - (self._parsed - len(content))
        if start > 0 or not self.tail:
            content = content[content.find(b">", max(start, 0)) + 1 :]
        self.tail += content.decode("utf-8", "replace")

    def _begin(self, text: str) -> None:
        if looks_like_utf8(text[: _CHUNK // 2], self.codec):
            self._report(
                Problem(f"the document declares {self.codec} and looks like UTF-8", Severity.WARNING, line=1)
            )

    def _undecodable(self, error: UnicodeDecodeError) -> None:
        at = self._fed + self._shift + error.start
        self._report(
            Problem(
                f"not valid in {self.codec}, which the document declares or has by default",
                line=self.line,
                offset=at,
                remedy="correct the encoding that the XML declaration names",
            )
        )
        raise Stopped

    def _check_progress(self, fed: int) -> None:
        """The parser keeps a token until it is whole."""
        if fed and self._parsed - self._parser.CurrentByteIndex > _LONGEST_TOKEN:
            self.stop(f"a tag, comment or declaration of more than {_LONGEST_TOKEN} bytes")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self.stop(f"elements are nested deeper than {_DEEPEST} levels")
        self._begun = self._parser.CurrentByteIndex
        if self._before is not None:
            self.prolog = self._before[: self._begun].decode("utf-8", "surrogatepass")
            self._before = None
        self._sink.start(name, attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if not self._depth:
            self._closed = self._parser.CurrentByteIndex
        self.empty_tag = self._parser.CurrentByteIndex == self._begun
        self._sink.end(name)

    def _doctype(self, _name: str, system: str | None, public: str | None, _internal: bool) -> None:
        if system or public:
            self.stop("the document refers to an external DTD, which is never fetched")

    def _entity(self, *_: object) -> None:
        self.stop("the document declares an entity or a notation, which is not read")

    def _skipped(self, name: str, _parameter: bool) -> None:
        self.stop(f"the entity {name[:40]} is used and not declared here: its text would be lost")

    def _external(self, *_: object) -> int:
        self.stop("the document refers to an external entity, which is never fetched")
        return 0
