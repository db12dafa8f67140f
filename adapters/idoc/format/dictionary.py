"""Which definition belongs to which segment type, how each is laid out, and which IDoc types there are.

A segment has a type (``E1KNA1M``, free of releases, used in mappings and XML) and definitions
(``E2KNA1M005``, one per release, used in flat files). Newer definitions only add fields at the end, so the
newest known layout reads every older record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from adapters.idoc.format.grammar import IdocType
from adapters.idoc.format.layout import Layout
from adapters.idoc.format.problems import ValueFault


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
    """Known segments by definition and by type, and IDoc types by name. Looked up first; the naming rule is
    only the fallback.
    """

    def __init__(self, layouts: Iterable[Layout] = (), idoc_types: Iterable[IdocType] = ()) -> None:
        self._by_definition: dict[str, Layout] = {}
        self._by_type: dict[str, Layout] = {}
        self._definitions: dict[str, list[str]] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._idoc_types: dict[tuple[str, str], IdocType] = {}
        self._rules: dict[str, str] = {}
        for layout in layouts:
            self.add(layout)
        for idoc_type in idoc_types:
            self.add_type(idoc_type)

    def add(self, layout: Layout) -> None:
        """Add a definition; of several definitions of one type the longest is the newest. A layout without a
        definition (from a schema) takes the place of none that has one. Of one definition the later layout
        holds, unless the one before only has more fields.
        """
        if layout.definition != layout.name:
            same = self._by_definition.get(layout.definition)
            if same is not None and same.length > layout.length and same.agrees(layout):
                layout = same
            self._by_definition[layout.definition] = layout
            names = self._definitions.setdefault(layout.name, [])
            if layout.definition not in names:
                names.append(layout.definition)
        known = self._by_type.get(layout.name)
        if (
            known is None
            or known.definition == layout.definition
            or (layout.length, layout.definition != layout.name)
            >= (
                known.length,
                known.definition != known.name,
            )
        ):
            self._by_type[layout.name] = layout
        self._rules.clear()

    def add_type(self, idoc_type: IdocType) -> None:
        """Add an IDoc type; its segments' layouts are added by ``add``."""
        self._idoc_types[idoc_type.name, idoc_type.extension] = idoc_type
        for node in idoc_type.root.walk():
            for child in node.children:
                known = self._parents.get(child.type, ())
                above = node.type if node is not idoc_type.root else ""
                if above not in known:
                    self._parents[child.type] = (*known, above)

    def extend(self, other: Dictionary) -> None:
        """Add everything that another dictionary knows; where both describe a definition and one layout does
        not just have more fields, the other's holds.
        """
        for layout in other.layouts():
            self.add(layout)
        for idoc_type in other._idoc_types.values():
            self.add_type(idoc_type)

    def layouts(self) -> Iterator[Layout]:
        """Every layout that is known, those without a definition first."""
        yield from (layout for layout in self._by_type.values() if layout.definition == layout.name)
        yield from self._by_definition.values()

    def contradiction(self, layout: Layout) -> Layout | None:
        """What is known of a segment and says otherwise than a layout, which is of another release if one of
        both only has more fields.
        """
        known = self._by_definition.get(layout.definition)
        if known is None:
            newest = self._by_type.get(layout.name)
            if newest is not None and layout.name in (layout.definition, newest.definition):
                known = newest
        return None if known is None or known.agrees(layout) else known

    def type_of(self, name: str) -> str:
        """The type of a name found in SEGNAM, which may be a definition or, from some senders, the type
        itself.
        """
        found = self._rules.get(name)
        if found is None:
            found = self._rules[name] = self._type_of(name)
            if len(self._rules) > 100_000:  # names of a broken file are no reason to grow
                self._rules.clear()
        return found

    def _type_of(self, name: str) -> str:
        if name in self._by_definition:
            return self._by_definition[name].name
        if name in self._by_type or name in self._parents:
            return name
        return type_by_rule(name)

    def layout(self, name: str) -> Layout | None:
        """The layout for a definition or type; the newest of its type for a version that is not listed."""
        return self._by_definition.get(name) or self._by_type.get(self.type_of(name))

    def definition_of(self, segment_type: str) -> str | None:
        """The name to write into SEGNAM: the newest definition of a type; None where none is known."""
        layout = self._by_type.get(segment_type)
        if layout is not None and layout.definition != layout.name:
            return layout.definition
        names = self._definitions.get(segment_type)
        return names[-1] if names else None

    def definitions_of(self, segment_type: str) -> tuple[str, ...]:
        """All definitions of a type, as they were added."""
        return tuple(self._definitions.get(segment_type, ()))

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
        """Types that may stand above it in any IDoc type; empty for a root, None if the type is not known."""
        layout = self._by_type.get(segment_type)
        if layout is not None and layout.parents:
            return layout.parents
        known = self._parents.get(segment_type)
        if known is not None:
            return () if "" in known else known
        return None if layout is None else ()

    def idoc_type(self, name: str, extension: str = "") -> IdocType | None:
        """The IDoc type of a control record's IDOCTYP and CIMTYP.

        Schemas name an extension without its basic type, so CIMTYP alone finds it too. None where it is not
        known: the basic type is no substitute for its extension.
        """
        found = self._idoc_types.get((name, extension))
        if found is None and extension:
            found = next((each for each in self._idoc_types.values() if each.extension == extension), None)
            found = found or self._idoc_types.get((extension, ""))
        return found

    def idoc_types(self) -> tuple[IdocType, ...]:
        """All IDoc types that are known."""
        return tuple(self._idoc_types.values())

    def idoc_type_of(self, control: Mapping[str, str]) -> IdocType | None:
        """The IDoc type that a control record names."""
        return self.idoc_type(control.get("IDOCTYP", ""), control.get("CIMTYP", ""))
