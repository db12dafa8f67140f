"""XML as it comes in: read piece by piece, without document types, entities or addresses; local names
only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from adapters.sandbox.salesforce.org.errors import ApiError

MOST_DEPTH = 30


@dataclass(slots=True)
class Element:
    """One element: local name, attributes by local name, text, children."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def child(self, name: str) -> Element | None:
        """The first child of that name."""
        return next((each for each in self.children if each.name == name), None)

    def all(self, name: str) -> list[Element]:
        """Every child of that name."""
        return [each for each in self.children if each.name == name]

    def value(self, name: str) -> str:
        """Text of the first child of that name, else blank."""
        found = self.child(name)
        return found.text.strip() if found is not None else ""

    @property
    def null(self) -> bool:
        """Whether it says ``xsi:nil="true"``."""
        return self.attributes.get("nil") in ("true", "1")


class Elements:
    """Hands out the children of the root one by one, so that a long document never stands in memory whole."""

    def __init__(self, code: str = "INVALID_CONTENT") -> None:
        self._code = code
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.buffer_text = True
        self._stack: list[Element] = []
        self._ready: list[Element] = []
        self.root: Element | None = None

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Element]:
        """Reads on; yields each child of the root that is complete. Raises ApiError when it is no XML."""
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise ApiError(self._code, f"the document is no valid XML: {error}") from None
        ready, self._ready = self._ready, []
        yield from ready

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(_local(name), {_local(each): value for each, value in attributes.items()})
        if len(self._stack) == MOST_DEPTH:
            raise ApiError(self._code, f"the document is more than {MOST_DEPTH} elements deep")
        if len(self._stack) > 1:
            self._stack[-1].children.append(element)
        if not self._stack:
            self.root = element
        self._stack.append(element)

    def _end(self, name: str) -> None:
        element = self._stack.pop()
        if len(self._stack) == 1:
            self._ready.append(element)

    def _text(self, text: str) -> None:
        if len(self._stack) > 1:
            self._stack[-1].text += text

    def _refuse(self, *declared: object) -> None:
        raise ApiError(self._code, "a document type is not allowed")


def _local(name: str) -> str:
    return name.rpartition(" ")[2].rpartition(":")[2]


def parse(data: bytes, code: str = "INVALID_CONTENT") -> Element:
    """A whole small document. Raises ApiError when it is no XML."""
    elements = Elements(code)
    children = [*elements.feed(data, last=True)]
    if elements.root is None:
        raise ApiError(code, "the document is empty")
    elements.root.children = children
    return elements.root
