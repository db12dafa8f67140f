"""One word per file about a code page that looks wrong, although every character could be decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapters.idoc.format.codepage import mojibake
from adapters.idoc.format.document import Entry, Head, Item, Origin
from adapters.idoc.format.problems import Problem, Report, Severity


class Hint:
    """Looks at segments until one looks wrong. What is being read (``Opened``) may tell its ``codec``, and by
    ``undecodable`` that U+FFFD stands for bytes that were told of.
    """

    def __init__(self, source: object, report: Report, codec: str = "utf-8") -> None:
        self._source = source
        self._report = report
        self._codec = codec
        self._given = False

    def look(self, entry: Entry, idoc: int, number: str) -> None:
        """Tell of the first text that looks wrong."""
        segment = entry.segment
        if self._given:
            return
        for text in (segment.data,) if segment.named is None else segment.named.values():
            hint = "" if text.isascii() else self._of(text)
            if hint:
                self._given = True
                origin = segment.origin or Origin(0)
                self._report(
                    Problem(
                        f"the text looks wrong: {hint}",
                        Severity.WARNING,
                        idoc=idoc,
                        number=number,
                        segment=origin.path or segment.definition,
                        line=origin.line,
                        column=origin.column,
                        offset=origin.offset if origin.offset >= 0 else None,
                    )
                )
                return

    def _of(self, text: str) -> str:
        codec = getattr(self._source, "codec", self._codec)
        return mojibake(text, codec, told=getattr(self._source, "undecodable", False))


def hinted(items: Iterable[Item], report: Report) -> Iterator[Item]:
    """The items of a file, each looked at."""
    hint = Hint(items, report)
    idoc, number = 0, ""
    for item in items:
        if isinstance(item, Head):
            idoc, number = item.at, item.control.get("DOCNUM", "")
        else:
            hint.look(item, idoc, number)
        yield item
