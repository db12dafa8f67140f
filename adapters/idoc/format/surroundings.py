"""What stands around the IDocs of a document: roots, a root over several roots, the envelope of a service.

All that is passed over. What looks like a part of an IDoc and is in none, and what stands beside IDOC itself,
would get lost that way: it is told of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.markup import Markup
from adapters.idoc.format.problems import Problem, Severity
from adapters.idoc.format.records import XML_CONTROL_NAMES

IDOC = "IDOC"


@dataclass(slots=True)
class _Open:
    """An element that is open. ``place`` says where it begins.

    idocs   an IDOC stands right below
    above   an IDOC stands somewhere below
    filled  text, attributes or elements are in it
    beside  the first thing right below it that is in no IDoc
    told    it was told of, and so was all in it
    """

    name: str
    place: Problem
    filled: bool
    idocs: bool = False
    above: bool = False
    beside: Problem | None = None
    told: bool = False


class Surroundings:
    """Takes the elements and texts outside IDOC, and tells of what would be lost."""

    def __init__(self, markup: Markup, dictionary: Dictionary, tell: Callable[[Problem], None]) -> None:
        self._markup = markup
        self._dictionary = dictionary
        self._tell = tell
        self._open: list[_Open] = []
        self.silent = True

    def _lost(self, place: Problem, reason: str, remedy: str) -> None:
        self.silent = False
        self._tell(replace(place, reason=f"{reason}: what it holds would be lost", remedy=remedy))

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins that is not IDOC."""
        above = self._open[-1] if self._open else None
        if above is not None:
            above.filled = True
        local = name.rpartition(":")[2]
        filled = any(not key.startswith("xmlns") for key in attributes)
        opened = _Open(local, self._markup.problem(""), filled, told=above is not None and above.told)
        self._open.append(opened)
        if opened.told:
            return
        if _misspelled(local) and "BEGIN" in attributes:
            opened.told = True
            self._lost(opened.place, f"the element is named {local[:30]}, not IDOC", "name it IDOC")
        elif "BEGIN" in attributes or "SEGMENT" in attributes or self._is_part(local):
            opened.told = True
            remedy = "put it into its IDOC"
            if above is not None and not above.idocs:
                remedy = f"the element around an IDoc is named IDOC, not {above.name[:30]}"
            self._lost(opened.place, f"{local[:30]} stands outside any IDOC", remedy)

    def _is_part(self, local: str) -> bool:
        """Whether only an IDoc has such an element."""
        return local in XML_CONTROL_NAMES or self._dictionary.layout(local.replace("_-", "/")) is not None

    def idoc(self) -> None:
        """An IDOC begins."""
        for opened in self._open:
            opened.above = True
        if self._open:
            around = self._open[-1]
            around.idocs = around.filled = True
            self._tell_beside(around)

    def text(self, text: str) -> None:
        """Characters outside IDOC."""
        if not self._open or not text.strip():
            return
        opened = self._open[-1]
        opened.filled = True
        if not opened.told:
            reason = "text stands beside IDOC; it is not read"
            self._keep(opened, self._markup.problem(reason, severity=Severity.WARNING))

    def end(self) -> None:
        """The element ends that began last."""
        ended = self._open.pop()
        if ended.told or ended.above:
            return
        if _misspelled(ended.name):
            self._lost(ended.place, f"the element is named {ended.name[:30]}, not IDOC", "name it IDOC")
        elif self._open:
            self._keep(self._open[-1], _beside(ended))

    def _keep(self, around: _Open, beside: Problem) -> None:
        """What stands in an element matters once an IDOC stands there too."""
        if around.beside is None or around.beside.severity is Severity.WARNING:
            around.beside = beside
        self._tell_beside(around)

    def _tell_beside(self, around: _Open) -> None:
        if around.idocs and around.beside is not None:
            self.silent = False
            self._tell(around.beside)
            around.beside = None


def _beside(ended: _Open) -> Problem:
    name = ended.name[:30]
    if not ended.filled:
        reason = f"{name} stands beside IDOC and holds nothing"
        return replace(ended.place, reason=reason, severity=Severity.WARNING)
    reason = f"{name} stands beside IDOC, in no IDoc: what it holds would be lost"
    return replace(ended.place, reason=reason, remedy="put it into its IDOC, or leave it out")


def _misspelled(local: str) -> bool:
    return local != IDOC and local.upper() == IDOC
