"""XML schemas of an IDoc type: as WE60 exports them (anonymous types), as process integration does (named
types), and either inside a WSDL.

A schema tells types, hierarchy and lengths, so offsets are running sums; it tells no definitions (E2…). What
it includes or imports is never fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.grammar import UNBOUNDED, IdocType, Node
from adapters.idoc.format.layout import Field, Layout
from adapters.idoc.format.markup import Markup
from adapters.idoc.format.problems import Problem, Report, Severity, refuse
from adapters.idoc.format.records import SDATA_LENGTH, XML_CONTROL_NAMES

_XSD = "http://www.w3.org/2001/XMLSchema}"
_BIZTALK = "http://Microsoft.LobServices.Sap/"
#: Named types refer to each other; a tree of them may not grow without end.
_MOST_NODES = 50_000
_MOST_ELEMENTS = 1_000_000
_DEEPEST = 60
_CONTAINERS = {"complexType", "sequence", "choice", "all", "complexContent", "extension", "restriction"}
_UNREAD = {"group", "any"}
_TYPES = {"string": "CHAR", "normalizedString": "CHAR", "token": "CHAR", "date": "DATS", "decimal": "DEC"}


@dataclass(slots=True)
class _Element:
    """An element of the schema document; ``tag`` is its local name if it is of XML Schema."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[_Element] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def find(self, *tags: str) -> _Element | None:
        """The first child with one of the tags."""
        return next((child for child in self.children if child.tag in tags), None)

    def walk(self) -> Iterator[_Element]:
        """This element and all below it."""
        stack = [self]
        while stack:
            element = stack.pop()
            yield element
            stack.extend(reversed(element.children))


class _Collector:
    """Takes a document's elements as a tree."""

    def __init__(self) -> None:
        self.root = _Element("", {}, 0)
        self.count = 0
        self.biztalk = False
        self.markup: Markup | None = None
        self._open = [self.root]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        tag = name.removeprefix(_XSD) if name.startswith(_XSD) else f"?{name}"
        line = self.markup.line if self.markup else 0
        if attributes.get("targetNamespace", "").startswith(_BIZTALK):
            self.biztalk = True
        self.count += 1
        if self.count > _MOST_ELEMENTS and self.markup is not None:
            self.markup.stop(f"a schema of more than {_MOST_ELEMENTS} elements")
        element = _Element(tag, attributes, line)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, name: str) -> None:
        """An element ends."""
        del name
        self._open.pop()

    def text(self, text: str) -> None:
        """Characters."""
        if self._open[-1].tag == "documentation" and len(self._open[-1].words) < 20:
            self._open[-1].words.append(text)


def read_schema(stream: BinaryIO, *, report: Report = refuse) -> Dictionary:
    """The dictionary of a schema or WSDL. Raises ReadFault, or reports every problem."""
    collector = _Collector()
    broken: list[Problem] = []

    def note(problem: Problem) -> None:
        if problem.severity is Severity.ERROR:
            broken.append(problem)
        report(problem)

    markup = Markup(stream, collector, note, separator="}")
    collector.markup = markup
    for _ in markup.read():
        pass
    reader = _Schema(note, collector.root)
    if collector.biztalk:
        note(Problem("this is the BizTalk form of a schema, which is not read", remedy="export it from WE60"))
    elif not broken:
        reader.read()
    return reader.dictionary


class _Schema:
    """Makes layouts and the tree of segments from a schema's elements."""

    def __init__(self, report: Report, root: _Element) -> None:
        self.dictionary = Dictionary()
        self._report = report
        self._root = root
        self._named: dict[str, _Element] = {}
        self._elements: dict[str, _Element] = {}
        self._strange: set[int] = set()
        self._nodes = 0

    def _tell(self, element: _Element, reason: str, segment: str = "", name: str = "") -> None:
        self._report(Problem(reason, segment=segment, field=name, line=element.line))

    def read(self) -> None:
        """Every IDoc type of the document."""
        schemas = [element for element in self._root.walk() if element.tag == "schema"]
        found = False
        for schema in schemas:
            for child in schema.children:
                if child.tag in ("complexType", "simpleType") and "name" in child.attributes:
                    self._named[child.attributes["name"]] = child
                elif child.tag == "element" and "name" in child.attributes:
                    self._elements[child.attributes["name"]] = child
        for schema in schemas:
            for child in schema.children:
                idoc = self._idoc(child) if child.tag == "element" else None
                if idoc is not None:
                    found = True
                    self._type(child, idoc)
        if not found:
            self._tell(self._root, "the schema describes no IDoc (no element IDOC below a root)")

    def _idoc(self, root: _Element) -> _Element | None:
        """The element IDOC of a root element."""
        return next((each for each in self._members(root) if each.attributes.get("name") == "IDOC"), None)

    def _complex(self, element: _Element) -> _Element | None:
        own = element.find("complexType")
        if own is not None:
            return own
        named = self._named.get(element.attributes.get("type", "").rpartition(":")[2])
        return named if named is not None and named.tag == "complexType" else None

    def _members(self, element: _Element) -> list[_Element]:
        """The elements that an element's type lists, in order, each with how often it may stand."""
        kind = self._complex(element)
        found: list[_Element] = []
        stack = [(kind, False, False)] if kind is not None else []
        above: set[int] = set()
        while stack:
            part, optional, repeated = stack.pop()
            if part.tag == "element":
                found.append(self._member(part, optional, repeated))
            elif part.tag in _CONTAINERS:
                optional |= part.tag == "choice" or part.attributes.get("minOccurs") == "0"
                repeated |= part.attributes.get("maxOccurs", "1") != "1"
                stack.extend((child, optional, repeated) for child in reversed(part.children))
                base = self._named.get(part.attributes.get("base", "").rpartition(":")[2])
                if part.tag == "extension" and base is not None and id(base) not in above:
                    above.add(id(base))
                    stack.append((base, optional, repeated))
            elif part.tag in _UNREAD and id(part) not in self._strange:
                self._strange.add(id(part))
                self._tell(part, f"'{part.tag}' is not understood: what it stands for would be missing")
        return found

    def _member(self, element: _Element, optional: bool, repeated: bool) -> _Element:
        """An element as it stands here: what it refers to, seldom or often as what is around it says."""
        attributes, children = element.attributes, element.children
        if "ref" in attributes:
            name = attributes["ref"].rpartition(":")[2]
            meant = self._elements.get(name)
            if meant is None:
                self._tell(element, f"the element {name[:60]}, which it refers to, is not in the file")
            else:
                attributes, children = {**meant.attributes, **attributes}, meant.children
            attributes = {"name": name, **attributes}
        if optional:
            attributes = {**attributes, "minOccurs": "0"}
        if repeated:
            attributes = {**attributes, "maxOccurs": "unbounded"}
        return (
            element
            if attributes is element.attributes
            else replace(element, attributes=attributes, children=children)
        )

    def _type(self, root: _Element, idoc: _Element) -> None:
        name, extension = root.attributes.get("name", ""), ""
        children: list[Node] = []
        for member in self._members(idoc):
            if member.attributes.get("name", "") in XML_CONTROL_NAMES:
                fixed = {each.attributes.get("name"): self._fixed(each) for each in self._members(member)}
                basic, extension = fixed.get("IDOCTYP") or "", fixed.get("CIMTYP") or ""
                name = basic or name
            else:
                children.append(self._node(member, 1, ()))
        if not children:
            self._tell(root, "the IDoc type has no segments")
            return
        self.dictionary.add_type(IdocType(name, Node("", children=tuple(children)), extension))

    def _fixed(self, element: _Element) -> str:
        """The one value that an element may have; "" where there are none or several."""
        fixed = element.attributes.get("fixed", "")
        values = [each.attributes.get("value", "") for each in element.walk() if each.tag == "enumeration"]
        return fixed or (values[0] if len(values) == 1 else "")

    def _node(self, element: _Element, depth: int, above: tuple[str, ...]) -> Node:
        kind = element.attributes.get("name", "").replace("_-", "/")
        least = self._occurs(element, "minOccurs")
        most = self._occurs(element, "maxOccurs")
        self._nodes += 1
        named = element.attributes.get("type", "")
        if least > most:
            self._tell(element, "minOccurs is greater than maxOccurs", segment=kind)
        if depth > _DEEPEST or (named and named in above):
            self._tell(element, "the segment is described as part of itself", segment=kind)
            return Node(kind, least, most)
        if self._nodes > _MOST_NODES:
            if self._nodes == _MOST_NODES + 1:
                self._tell(element, f"the schema describes more than {_MOST_NODES} segments")
            return Node(kind, least, most)
        fields: list[Field] = []
        children: list[Node] = []
        exact = True
        for member in self._members(element):
            if self._complex(member) is not None:
                children.append(self._node(member, depth + 1, (*above, named)))
                continue
            entry = self._field(member, kind, fields[-1].end if fields else 0)
            if entry is not None and any(entry.name == other.name for other in fields):
                self._tell(member, f"the field {entry.name} stands twice in this segment", segment=kind)
                continue
            exact = exact and entry is not None
            if entry is not None and exact:
                fields.append(entry)
        if fields and fields[-1].end > SDATA_LENGTH:
            self._tell(element, f"its fields take more than {SDATA_LENGTH} characters", segment=kind)
        else:
            layout = Layout(kind, kind, tuple(fields), partial=not exact)
            known = self.dictionary.layout(kind)
            if known is not None and not layout.extends(known):
                self._tell(element, "the segment is described twice, with different fields", segment=kind)
            if known is None or known.length < layout.length:
                self.dictionary.add(layout)
        return Node(kind, least, most, children=tuple(children))

    def _occurs(self, element: _Element, name: str) -> int:
        text = element.attributes.get(name, "1")
        if text == "unbounded":
            return UNBOUNDED
        if text.isascii() and text.isdigit() and len(text) <= 12:
            return int(text)
        self._tell(element, f"{name} is no number")
        return 1

    def _field(self, element: _Element, segment: str, offset: int) -> Field | None:
        """A field; None where its length is not told, so that nothing behind it has a place."""
        name = element.attributes.get("name", "")
        simple = element.find("simpleType") or self._named.get(
            element.attributes.get("type", "").rpartition(":")[2]
        )
        values: list[str] = []
        length = 0
        base = element.attributes.get("type", "")
        for facet in simple.walk() if simple is not None else ():
            value = facet.attributes.get("value", "")
            if facet.tag in ("maxLength", "length", "totalDigits") and value.isascii() and value.isdigit():
                length = int(value[:9])
            elif facet.tag == "enumeration":
                values.append(value)
            elif facet.tag == "restriction":
                base = facet.attributes.get("base", base)
        if element.attributes.get("fixed"):
            values.append(element.attributes["fixed"])
        length = length or max((len(value) for value in values), default=0)
        if not 0 < length <= SDATA_LENGTH:
            self._tell(element, "the field's length is not told", segment, name)
            return None
        notes = element.find("annotation")
        note = notes.find("documentation") if notes is not None else None
        text = " ".join("".join(note.words).split())[:80] if note is not None else ""
        kind = _TYPES.get(base.rpartition(":")[2], "CHAR")
        return Field(name, offset, length, kind, tuple(dict.fromkeys(values)), text)
