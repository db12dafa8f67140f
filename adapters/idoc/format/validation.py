"""Whether IDocs are what their dictionary says: control record, segments, order, number, fields, values.

Works on items as they stream by and reports every problem. What the dictionary does not know is a warning: an
extension is legal, and a dictionary may be of another release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Item, Origin, Segment
from adapters.idoc.format.grammar import IdocType, Node
from adapters.idoc.format.hints import Hint
from adapters.idoc.format.layout import Field, Layout
from adapters.idoc.format.problems import Problem, Report, Severity, ValueFault
from adapters.idoc.format.records import CONTROL, CONTROL_NAMES, XML_CONTROL_NAMES
from adapters.idoc.format.text import width_of
from adapters.idoc.format.values import NODATA, UNIT_FIELDS, check_value, iso_unit

#: So many names that no dictionary knows are told of.
_MOST_STRANGE = 10_000
_CONTROL_KINDS = {"CREDAT": "DATS", "CRETIM": "TIMS", "DOCNUM": "NUMC", "MANDT": "NUMC"}
_CONTROL_VALUES = {"DIRECT": ("1", "2"), "TEST": ("X",), "EXPRSS": ("X",), "OUTMOD": ("1", "2", "3", "4")}


@dataclass(slots=True)
class _Level:
    """An open segment: where it stands in the grammar, and what has come below it."""

    name: str
    node: Node | None
    origin: Origin
    at: int
    counts: dict[str, int] = field(default_factory=dict)
    reached: int = -1


class Validator:
    """Passes items on and reports what is wrong with them. ``codec`` is Python's name of the file's encoding,
    for hints.
    """

    def __init__(self, dictionary: Dictionary, report: Report, *, codec: str = "utf-8") -> None:
        self._dictionary = dictionary
        self._report = report
        self._codec = codec
        self._type: IdocType | None = None
        self._stack: list[_Level] = []
        self._index = 0
        self._number = ""
        self._hint = Hint(None, report, codec)
        self._strange: set[str] = set()
        self._last = 0

    def check(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, each looked at."""
        self._hint = Hint(items, self._report, self._codec)
        for item in items:
            if isinstance(item, Head):
                self._close(-1)
                self._head(item)
            else:
                self._entry(item)
            yield item
        self._close(-1)

    def _tell(
        self, origin: Origin, reason: str, segment: str = "", name: str = "", *, warning: bool = False
    ) -> None:
        self._report(
            Problem(
                reason,
                Severity.WARNING if warning else Severity.ERROR,
                idoc=self._index,
                number=self._number,
                segment=origin.path or segment,
                field=".".join(filter(None, (segment, name))) if origin.path else name,
                line=origin.line,
                column=origin.column,
                offset=origin.offset if origin.offset >= 0 else None,
            )
        )

    def _head(self, head: Head) -> None:
        control = head.control
        self._index, self._number = head.at, control.get("DOCNUM", "")
        self._last = 0
        self._control(head.origin, control)
        self._type = self._dictionary.idoc_type_of(control)
        name = " / ".join(filter(None, (control.get("IDOCTYP", ""), control.get("CIMTYP", ""))))
        if self._type is None and name and name not in self._strange and len(self._strange) < _MOST_STRANGE:
            self._strange.add(name)
            reason = f"no dictionary describes the IDoc type {name}: its hierarchy is not checked"
            self._tell(head.origin, reason, warning=True)
        root = self._type.root if self._type else None
        self._stack = [_Level("", root, head.origin, 0)]

    def _control(self, origin: Origin, control: Mapping[str, str]) -> None:
        for entry in CONTROL.fields:
            text = control.get(entry.name, "")
            if text:
                kind = _CONTROL_KINDS.get(entry.name, "CHAR")
                values = _CONTROL_VALUES.get(entry.name, ())
                checked = Field(entry.name, entry.offset, entry.length, kind, values)
                self._field(origin, "EDI_DC40", checked, text)
        if control.get("TABNAM", "") not in CONTROL_NAMES | XML_CONTROL_NAMES:
            self._tell(origin, "TABNAM is neither EDI_DC40 nor EDI_DC40_U", "EDI_DC40", "TABNAM")
        for name in ("DIRECT", "SNDPRN", "RCVPRN"):
            if not control.get(name):
                self._tell(origin, f"{name} is blank", "EDI_DC40", name, warning=True)

    def _entry(self, entry: Entry) -> None:
        self._close(entry.parent)
        segment = entry.segment
        origin = segment.origin or Origin(0)
        self._numbers(segment, origin)
        node = self._placed(segment, origin)
        self._stack.append(_Level(segment.type, node, origin, entry.at))
        layout = self._dictionary.layout(segment.definition)
        if layout is None:
            self._unknown(segment, origin)
        else:
            self._content(segment, layout, origin)
        self._hint.look(entry, self._index, self._number)

    def _numbers(self, segment: Segment, origin: Origin) -> None:
        """SAP numbers from 1 in steps of 1; its own filters leave gaps."""
        digits = origin.header[19:25].strip()
        if digits.isascii() and digits.isdigit():
            if self._last >= 0 and int(digits) > self._last + 1:
                reason = (
                    f"SEGNUM {digits} follows {self._last:06d}: a filter left a gap, or records are missing"
                )
                self._tell(origin, reason, segment.definition, warning=True)
            self._last = int(digits)

    def _placed(self, segment: Segment, origin: Origin) -> Node | None:
        """The segment's place in the grammar, looked up and counted."""
        above = self._stack[-1]
        if above.node is None:
            return None
        place = above.node.place(segment.type)
        where = f"below {above.name}" if above.name else "at the top"
        if place < 0:
            known = self._type is not None and self._type.find(segment.type) is not None
            reason = f"{segment.type} does not belong {where}"
            if not known:
                reason = f"the IDoc type has no segment {segment.type}"
            self._tell(origin, reason, segment.definition)
            return None
        node = above.node.children[place]
        if place < above.reached:
            later = above.node.children[above.reached].type
            self._tell(
                origin, f"{segment.type} stands behind {later} and belongs before it", segment.definition
            )
        above.reached = max(above.reached, place)
        count = above.counts[segment.type] = above.counts.get(segment.type, 0) + 1
        if count == node.most + 1:
            self._tell(origin, f"more than {node.most} of {segment.type} {where}", segment.definition)
        return node

    def _close(self, parent: int) -> None:
        """Segments above which the next one hangs end; -1 ends the IDoc. What had to stand below them and
        does not is told of.
        """
        while self._stack and self._stack[-1].at > parent:
            level = self._stack.pop()
            if level.node is None:
                continue
            for child in level.node.children:
                found = level.counts.get(child.type, 0)
                if found < child.least:
                    where = f"below {level.name}" if level.name else "at the top"
                    reason = f"{child.type} is missing {where}"
                    if found:
                        reason = f"{child.type} stands {found} times {where}, and must {child.least} times"
                    self._tell(level.origin, reason, level.name)

    def _unknown(self, segment: Segment, origin: Origin) -> None:
        if segment.definition not in self._strange and len(self._strange) < _MOST_STRANGE:
            self._strange.add(segment.definition)
            reason = "no dictionary describes this segment: its fields are not checked"
            self._tell(origin, reason, segment.definition, warning=True)

    def _content(self, segment: Segment, layout: Layout, origin: Origin) -> None:
        where = segment.definition
        try:
            fields = segment.filled(self._dictionary)
            rest = "" if segment.named is not None else layout.rest(segment.data)
        except ValueFault as fault:
            self._tell(origin, fault.reason, where, fault.where)
            return
        if rest and not layout.partial:
            reason = (
                f"{width_of(rest)} characters stand behind the last known field:"
                " the sender's release is newer than the dictionary, or fields are shifted"
            )
            self._tell(origin, reason, where)
        for name, text in fields.items():
            if name in layout:
                self._field(origin, where, layout.field(name), text)
            elif not layout.partial:
                self._tell(origin, "no such field in this segment", where, name)

    def _field(self, origin: Origin, where: str, entry: Field, text: str) -> None:
        have = width_of(text)
        if have > entry.length:
            self._tell(origin, f"{have} characters do not fit into {entry.length}", where, entry.name)
        if text == NODATA:
            return
        if entry.values and text not in entry.values:
            self._tell(origin, "a value that the dictionary does not list", where, entry.name)
        if entry.name in UNIT_FIELDS and iso_unit(text) != text:
            reason = "a unit as SAP keeps it inside; between systems its ISO code is expected"
            self._tell(origin, reason, where, entry.name, warning=True)
        try:
            check_value(text, entry.kind)
        except ValueError as error:
            self._tell(origin, str(error), where, entry.name)
