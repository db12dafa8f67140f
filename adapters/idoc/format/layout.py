"""Where the fields of a record stand.

Offsets and lengths count characters (UTF-16 code units, as SAP counts), never bytes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from adapters.idoc.format.problems import ValueFault
from adapters.idoc.format.values import from_units, is_text, to_units, width_of

#: Characters before SDATA in a data record, and of a whole one.
HEADER_LENGTH = 63
DATA_LENGTH = 1063
CONTROL_LENGTH = 524
SDATA_LENGTH = DATA_LENGTH - HEADER_LENGTH

#: What is wrong with a text that JSON can say and no file can hold.
HALF = "half of a character (a lone surrogate) cannot be written"
#: What a flat file cannot hold inside a field: line ends, the end-of-file mark of old systems, NUL.
_FORBIDDEN = frozenset("\r\n\x00\x1a")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: ``offset`` and ``length`` in characters within its record or SDATA.

    kind    SAP's data type where the dictionary tells it (CHAR, NUMC, DATS, TIMS, DEC, …), else CHAR
    values  the values it may have besides blank; empty where any is allowed
    text    its short description
    """

    name: str
    offset: int
    length: int
    kind: str = "CHAR"
    values: tuple[str, ...] = ()
    text: str = ""

    @property
    def end(self) -> int:
        """Characters up to the end of this field."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of one record kind or segment definition.

    name        record name or segment type
    definition  the release's name (``E2KNA1M005``); same as ``name`` for records
    parents     segment types that may stand above it; empty for a root
    level       HLEVEL that SAP writes, 0 where it is not known
    keys        fields that say which instance this is, beside the parent
    partial     fields behind the last one exist and are not described here
    """

    name: str
    definition: str
    fields: tuple[Field, ...]
    parents: tuple[str, ...] = ()
    level: int = 0
    keys: tuple[str, ...] = ()
    partial: bool = False
    _by_name: Mapping[str, Field] = field(init=False, repr=False, compare=False)
    _cuts: tuple[tuple[str, int, int], ...] = field(init=False, repr=False, compare=False)
    length: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {entry.name: entry for entry in self.fields})
        cuts = tuple((entry.name, entry.offset, entry.end) for entry in self.fields)
        object.__setattr__(self, "_cuts", cuts)
        object.__setattr__(self, "length", max((end for _, _, end in cuts), default=0))

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def extends(self, other: Layout) -> bool:
        """Whether the longer of both only adds fields to the other: all that releases do to a segment."""
        both = zip(self._cuts, other._cuts, strict=False)
        return all(mine == theirs for mine, theirs in both)

    def agrees(self, other: Layout) -> bool:
        """Whether both may be of one segment, in two releases of it."""
        return self.name == other.name and self.extends(other)

    def field(self, name: str) -> Field:
        """The field of that name. Raises ValueFault with the nearest valid name."""
        entry = self._by_name.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, self._by_name, n=1)
            remedy = f"did you mean {self.name}.{near[0]}?" if near else ""
            raise ValueFault("no such field in this segment", field=f"{self.name}.{name}", remedy=remedy)
        return entry

    def overlong(self, values: Mapping[str, str]) -> Iterator[tuple[Field, int]]:
        """The fields whose value is too long, and how long it is."""
        for name, text in values.items():
            entry = self._by_name.get(name)
            if entry is not None and len(text) * 2 > entry.length and width_of(text) > entry.length:
                yield entry, width_of(text)

    def read(self, data: str) -> dict[str, str]:
        """Every field of a record; a record that ends early has blank fields. Only trailing blanks are
        cut.
        """
        if data.isascii():
            return {name: data[start:end].rstrip(" ") for name, start, end in self._cuts}
        units = to_units(data)
        return {entry.name: self._cut(units, entry) for entry in self.fields}

    def filled(self, data: str) -> dict[str, str]:
        """The fields that are not blank."""
        return {name: text for name, text in self.read(data).items() if text}

    def rest(self, data: str) -> str:
        """What stands behind the last field, without trailing blanks: a newer release may have written it."""
        return data[self.length :].rstrip(" ") if data.isascii() else self._rest(to_units(data))

    def _rest(self, units: str) -> str:
        try:
            return from_units(units[self.length :]).rstrip(" ")
        except ValueError as error:
            raise ValueFault(str(error), field=self.name, offset=self.length) from None

    def value(self, data: str, name: str) -> str:
        """One field of a record, without trailing blanks."""
        return self._cut(to_units(data), self.field(name))

    def _cut(self, units: str, entry: Field) -> str:
        try:
            return from_units(units[entry.offset : entry.end]).rstrip(" ")
        except ValueError as error:
            raise ValueFault(
                str(error), field=f"{self.name}.{entry.name}", offset=entry.offset, length=entry.length
            ) from None

    def write(self, values: Mapping[str, str], *, pad: bool = True) -> str:
        """A record from its fields; ``pad`` fills it to the end. A value is refused rather than cut, and one
        ValueFault tells of all that are.
        """
        places: list[tuple[Field, str]] = []
        faults: list[ValueFault] = []
        for name, text in values.items():
            try:
                places.append(self._placed(name, text))
            except ValueFault as fault:
                faults.append(fault)
        if faults:
            raise ValueFault.together(faults)
        line: list[str] = []
        at = 0
        for entry, units in sorted(places, key=lambda place: place[0].offset):
            line.append(" " * (entry.offset - at))
            line.append(units)
            at = entry.offset + len(units)
        text = "".join(line)
        return from_units(text.ljust(self.length) if pad else text.rstrip(" "))

    def _placed(self, name: str, text: str) -> tuple[Field, str]:
        """A value as it goes into its field."""
        entry = self.field(name)
        where = f"{self.name}.{name}"
        if not is_text(text):
            raise ValueFault(HALF, field=where, offset=entry.offset, length=entry.length)
        units = to_units(text)
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
        return entry, units


def layout_of(
    name: str,
    text: str,
    *,
    definition: str = "",
    parents: tuple[str, ...] = (),
    level: int = 0,
    keys: tuple[str, ...] = (),
) -> Layout:
    """A layout from ``"NAME:length NAME:length …"`` in the order of the record; ``…`` at the end says that
    more fields follow which nobody has written down.
    """
    fields: list[Field] = []
    at = 0
    items = text.split()
    partial = items[-1] == "…"
    for item in items[:-1] if partial else items:
        field_name, length = item.split(":")
        fields.append(Field(field_name, at, int(length)))
        at += int(length)
    return Layout(name, definition or name, tuple(fields), parents, level, keys, partial)
