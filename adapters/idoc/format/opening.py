"""Reading a file whatever its form is: flat, XML or JSON, told by its first bytes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import BinaryIO

from adapters.idoc.format.codepage import codec_of
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Item, items_of
from adapters.idoc.format.flat import FlatReader
from adapters.idoc.format.framing import Framing
from adapters.idoc.format.json_form import read_json
from adapters.idoc.format.problems import Report, refuse
from adapters.idoc.format.xml import XmlReader, XmlStyle

_START = 64


class Form(StrEnum):
    """The form of a file."""

    FLAT = "flat"
    XML = "xml"
    JSON = "json"


def form_of(start: bytes) -> Form:
    """The form of a file, by its first bytes."""
    plain = start.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf")
    plain = plain.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip(b" \t\r\n")
    if plain.startswith(b"<"):
        return Form.XML
    return Form.JSON if plain.startswith((b"{", b"[")) else Form.FLAT


class _Begun:
    """A stream whose first bytes were looked at."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start = start
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Bytes as the stream has them; perhaps fewer than asked for."""
        if self._start:
            start, self._start = self._start, b""
            return start + self._stream.read(max(0, size - len(start)) if size >= 0 else -1)
        return self._stream.read(size)


class Opened:
    """A file that is being read. Iterate over it for its items; every problem goes to ``report``.

    ``framing`` and ``style`` say how a flat file or an XML document is set, as far as it was read.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        encoding: str = "",
        dictionary: Dictionary | None = None,
        report: Report = refuse,
        form: Form | None = None,
    ) -> None:
        start = stream.read(_START)
        self.form = form or form_of(start)
        self.framing: Framing | None = None
        self.style: XmlStyle | None = None
        self._begun: BinaryIO = _Begun(start, stream)  # type: ignore[assignment]  # readers only read
        self._report = report
        self._dictionary = dictionary
        self._reader: FlatReader | XmlReader | None = None
        self._codec = codec_of(encoding or "utf-8")
        if self.form is Form.FLAT:
            self._reader = FlatReader(
                self._begun, encoding=encoding or "utf-8", dictionary=dictionary, report=report
            )
            self.framing = self._reader.framing
        elif self.form is Form.XML:
            self._reader = XmlReader(self._begun, encoding=encoding, dictionary=dictionary, report=report)
            self.style = self._reader.style

    @property
    def codec(self) -> str:
        """Python's name of the file's encoding; of an XML document once it was begun."""
        return (self._reader.codec or "utf-8") if isinstance(self._reader, XmlReader) else self._codec

    @property
    def undecodable(self) -> bool:
        """Whether there were bytes that are not in the code page; U+FFFD stands for them."""
        return isinstance(self._reader, FlatReader) and self._reader.undecodable

    @property
    def between(self) -> bool:
        """Whether the IDoc that was handed out last is whole, and the next one is not begun."""
        return self._reader is None or self._reader.between

    def __iter__(self) -> Iterator[Item]:
        if self._reader is not None:
            yield from self._reader
        else:
            yield from items_of(read_json(self._begun, dictionary=self._dictionary, report=self._report))
