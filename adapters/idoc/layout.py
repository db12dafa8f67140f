"""Where the fields of a record stand, and which definition belongs to which segment type.

Offsets and lengths count characters (UTF-16 code units), never bytes. A segment has a type
(``E1KNA1M``, free of releases, used in mappings and XML) and definitions (``E2KNA1M005``, one per
release, used in flat files). Newer definitions only add fields at the end, so the newest known layout
reads every older record.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adapters.idoc.faults import ValueFault
from adapters.idoc.values import from_units, to_units

#: Characters before SDATA in a data record, and of a whole one.
HEADER_LENGTH = 63
DATA_LENGTH = 1063
CONTROL_LENGTH = 524
SDATA_LENGTH = DATA_LENGTH - HEADER_LENGTH

#: What a flat file cannot hold inside a field: line ends, the end-of-file mark of old systems, NUL.
_FORBIDDEN = frozenset("\r\n\x00\x1a")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``offset`` and ``length`` in characters within its record or SDATA."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one record kind or segment definition.

    name        record name or segment type
    definition  the release's name (``E2KNA1M005``); same as ``name`` for records
    parents     segment types that may stand above it; empty for a root
    level       HLEVEL that SAP writes, 0 where it is not known
    keys        fields that say which instance this is, beside the parent
    """

    name: str
    definition: str
    fields: tuple[Field, ...]
    parents: tuple[str, ...] = ()
    level: int = 0
    keys: tuple[str, ...] = ()
    _by_name: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {entry.name: entry for entry in self.fields})

    @property
    def length(self) -> int:
        """Characters from the first field to the end of the last."""
        return self.fields[-1].offset + self.fields[-1].length

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def field(self, name: str) -> Field:
        """The field of that name. Raises ValueFault with the nearest valid name."""
        entry = self._by_name.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, self._by_name, n=1)
            remedy = f"did you mean {self.name}.{near[0]}?" if near else ""
            raise ValueFault("no such field in this segment", field=f"{self.name}.{name}", remedy=remedy)
        return entry

    def read(self, data: str) -> dict[str, str]:
        """Every field of a record; a record that ends early has blank fields. Only trailing blanks are
        cut.
        """
        units = to_units(data)
        return {entry.name: self._cut(units, entry) for entry in self.fields}

    def value(self, data: str, name: str) -> str:
        """One field of a record, without trailing blanks."""
        return self._cut(to_units(data), self.field(name))

    def _cut(self, units: str, entry: Field) -> str:
        try:
            return from_units(units[entry.offset : entry.offset + entry.length]).rstrip(" ")
        except ValueError as error:
            raise ValueFault(
                str(error), field=f"{self.name}.{entry.name}", offset=entry.offset, length=entry.length
            ) from None

    def write(self, values: Mapping[str, str], *, pad: bool = True) -> str:
        """A record from its fields; ``pad`` fills it to the end. A value is refused rather than cut."""
        places: list[tuple[Field, str]] = []
        for name, text in values.items():
            entry = self.field(name)
            units = to_units(text)
            where = f"{self.name}.{name}"
            if len(units) > entry.length:
                raise ValueFault(
                    f"{len(units)} characters do not fit into {entry.length} at offset {entry.offset}",
                    field=where,
                    offset=entry.offset,
                    length=entry.length,
                    remedy="shorten the value at its source or map it to a longer field",
                )
            if not _FORBIDDEN.isdisjoint(units):
                raise ValueFault(
                    "a line end, NUL or Ctrl-Z cannot stand in a flat file",
                    field=where,
                    offset=entry.offset,
                    length=entry.length,
                )
            places.append((entry, units))
        line: list[str] = []
        at = 0
        for entry, units in sorted(places, key=lambda place: place[0].offset):
            line.append(" " * (entry.offset - at))
            line.append(units)
            at = entry.offset + len(units)
        text = "".join(line)
        return from_units(text.ljust(self.length) if pad else text.rstrip(" "))


def layout_of(
    name: str,
    text: str,
    *,
    definition: str = "",
    parents: tuple[str, ...] = (),
    level: int = 0,
    keys: tuple[str, ...] = (),
) -> Layout:
    """A layout from ``"NAME:length NAME:length …"`` in the order of the record."""
    fields: list[Field] = []
    at = 0
    for item in text.split():
        field_name, length = item.split(":")
        fields.append(Field(field_name, at, int(length)))
        at += int(length)
    return Layout(name, definition or name, tuple(fields), parents, level, keys)


def type_by_rule(definition: str) -> str:
    """The segment type of a definition that no dictionary knows.

    Cut exactly three final digits, then a 2 in second place becomes 1 (E2 to E1, Z2 to Z1). Right for
    every versioned name; a name without a version that itself ends in three digits needs a dictionary.
    """
    base = definition
    if len(base) > 3 and base[-3:].isascii() and base[-3:].isdigit():
        base = base[:-3]
    if base[1:2] == "2":
        base = f"{base[0]}1{base[2:]}"
    return base


class Dictionary:
    """Known segments by definition and by type. Looked up first; the naming rule is only the fallback."""

    def __init__(self, layouts: Iterable[Layout] = ()) -> None:
        self._by_definition: dict[str, Layout] = {}
        self._by_type: dict[str, Layout] = {}
        for layout in layouts:
            self.add(layout)

    def add(self, layout: Layout) -> None:
        """Add a definition; of several definitions of one type the longest is the newest."""
        self._by_definition[layout.definition] = layout
        known = self._by_type.get(layout.name)
        if known is None or layout.length >= known.length:
            self._by_type[layout.name] = layout

    def type_of(self, name: str) -> str:
        """The type of a name found in SEGNAM, which may be a definition or, from some senders, the type
        itself.
        """
        if name in self._by_definition:
            return self._by_definition[name].name
        if name in self._by_type:
            return name
        return type_by_rule(name)

    def layout(self, name: str) -> Layout | None:
        """The layout for a definition or type; the newest of its type for a version that is not listed."""
        return self._by_definition.get(name) or self._by_type.get(self.type_of(name))

    def length_of(self, name: str) -> int:
        """Length of the field ``SEGMENTTYPE.FIELD``. Raises ValueFault for one that is not known."""
        segment_type, _, field_name = name.partition(".")
        layout = self.layout(segment_type)
        if layout is None:
            raise ValueFault("no such segment", field=name)
        return layout.field(field_name).length

    def types(self) -> tuple[str, ...]:
        """Every segment type that is known."""
        return tuple(self._by_type)

    def parents_of(self, segment_type: str) -> tuple[str, ...] | None:
        """Types that may stand above it; empty for a root, None if the type is not known."""
        layout = self._by_type.get(segment_type)
        return None if layout is None else layout.parents
