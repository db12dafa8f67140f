"""Where the mapped fields of an object stand in the events of one schema, and what an event says about them.

Per field: named in ``nulledFields`` it is null, in ``diffFields`` a text difference, in ``changedFields`` it
has the value of the body. Otherwise the event says nothing about it, whatever the body holds: a null in the
body is an unchanged, a nulled or a hidden field, and only the bitmaps tell which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.salesforce import values
from adapters.salesforce.stream import bitmap, header
from adapters.salesforce.stream.avro import EventSchema, Undecodable, decode
from adapters.salesforce.stream.decoder import Body, Unsupported, Writer
from adapters.salesforce.values import Unsure
from agent.core.change import RawValue
from agent.core.objects import FieldType

#: In every event that changes a record by a person's or a program's doing; the record's version.
MODIFIED = "LastModifiedDate"
#: Bitmap patterns that are remembered for one schema: the same few come again and again.
_PATTERNS = 4096
#: Components of a person's name that the whole name is put together of.
_NAMES = ("FirstName", "MiddleName", "LastName", "Suffix")


@dataclass(frozen=True, slots=True)
class Column:
    """Where a mapped field stands in an event; ``child`` is empty for a field that is no component.

    convert   from the event's value to ours; None where they are the same
    """

    rest: str
    parent: str
    child: str
    convert: Callable[[Any], RawValue] | None

    @property
    def named(self) -> str:
        """Its name in bitmaps."""
        return f"{self.parent}.{self.child}" if self.child else self.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pattern of bitmaps says about the mapped fields.

    unsure   why the event alone cannot tell what they are; "" where it can
    beyond   a bit lay past the end of the schema: schema and event do not fit together well
    """

    nulled: tuple[str, ...] = ()
    differing: tuple[Column, ...] = ()
    changed: tuple[Column, ...] = ()
    unsure: str = ""
    beyond: bool = False


class Layout:
    """The mapped fields (REST name → type) in events of one schema."""

    def __init__(self, schema: EventSchema, kinds: Mapping[str, FieldType]) -> None:
        self._schema = schema
        self._columns: dict[str, tuple[Column, ...]] = {}
        for name in schema.fields:
            self._place(name, kinds)
        self.every = tuple({c.rest: c for group in self._columns.values() for c in group}.values())
        self.missing = tuple(sorted(kinds.keys() - {column.rest for column in self.every}))
        self._plans: dict[header.Marks, Plan] = {}
        self._body = self._decoder()

    def body(self, payload: bytes, rest: int | dict[str, Any]) -> Mapping[str, Any]:
        """The mapped fields of an event that are not null. Raises Undecodable."""
        if not isinstance(rest, int):
            return rest
        if self._body is not None:
            try:
                return self._body(payload, rest)
            except Exception:  # noqa: S110 - a function for good bytes meets any; the general decoder judges
                pass
        return decode(self._schema, payload)

    def plan(self, marks: header.Marks) -> Plan:
        """What the bitmaps of an event say. Raises ValueError where they contradict the schema."""
        plan = self._plans.get(marks)
        if plan is None:
            if len(self._plans) >= _PATTERNS:
                self._plans.clear()
            plan = self._plans[marks] = self._planned(*header.listed(marks))
        return plan

    def _decoder(self) -> Body | None:
        wanted = {column.parent for column in self.every} | {MODIFIED}
        try:
            return Writer(self._schema.parsed).body(self._schema.body, wanted)
        except Unsupported:
            return None

    def _place(self, name: str, kinds: Mapping[str, FieldType]) -> None:
        """Find the mapped fields behind one field of the schema and behind its components."""
        field = self._schema.fields[name]
        whole: tuple[Column, ...] = ()
        if name in kinds:
            compound = "record" in field.types
            convert = (
                _whole_name if compound and name == "Name" else values.converter(field.hint, kinds[name])
            )
            whole = (Column(name, name, "", None if field.types <= {"string", "boolean"} else convert),)
        parts: tuple[Column, ...] = ()
        for child, rest in field.children.items():
            if rest in kinds:
                part = Column(rest, name, child, values.converter("", kinds[rest]))
                parts += (part,)
                self._columns[part.named] = (part,)
            if whole and (name != "Name" or child in _NAMES):
                self._columns[f"{name}.{child}"] = (*self._columns.get(f"{name}.{child}", ()), *whole)
        if whole or parts:
            self._columns[name] = whole + parts

    def _planned(self, nulled: Sequence[str], diffs: Sequence[str], changed: Sequence[str]) -> Plan:
        members = self._schema.members
        marks = [bitmap.decode(elements, members) for elements in (nulled, diffs, changed)]
        beyond = any(one.beyond for one in marks)
        told = {name for one in marks for name in one.names}
        seen: set[str] = set()
        groups: list[tuple[Column, ...]] = []
        for one in marks:
            found = {c.rest: c for name in one.names for c in self._columns.get(name, ())}
            groups.append(tuple(column for rest, column in found.items() if rest not in seen))
            seen |= found.keys()
        emptied, differing, altered = groups
        wholes = {c for group in groups for c in group if self._is_compound(c) and c.parent not in told}
        for column in wholes:
            if not self._is_told(column, told):
                return Plan(unsure=f"{column.rest}: a part of a compound value was changed", beyond=beyond)
        if not wholes.isdisjoint(differing):
            return Plan(unsure="a part of a compound value was sent as a text difference", beyond=beyond)
        composed = tuple(column for column in emptied if column in wholes)
        named = tuple(column.rest for column in emptied if column not in wholes)
        return Plan(named, differing, (*altered, *composed), "", beyond)

    def _is_compound(self, column: Column) -> bool:
        return not column.child and "record" in self._schema.fields[column.parent].types

    def _is_told(self, column: Column, told: set[str]) -> bool:
        """Whether the event names every component that a whole name is put together of."""
        children = self._schema.fields[column.parent].children
        return column.parent == "Name" and all(f"Name.{c}" in told for c in _NAMES if c in children)


def value_of(column: Column, body: Mapping[str, Any]) -> RawValue:
    """A field's value; None also where the event does not show it. Raises Unsure."""
    value = body.get(column.parent)
    if column.child:
        value = value.get(column.child) if isinstance(value, dict) else None
    if value is None or column.convert is None:
        return value
    try:
        return column.convert(value)
    except Unsure as unsure:
        raise Unsure(f"{column.rest}: {unsure}") from unsure


def changed_value(column: Column, body: Mapping[str, Any]) -> RawValue:
    """A changed field's value. Raises Unsure: null without its bit in nulledFields may be a hidden value."""
    value = value_of(column, body)
    if value is None:
        raise Unsure(f"{column.rest}: changed, but its value is not in the event")
    return value


def is_plain(column: Column, body: Mapping[str, Any]) -> bool:
    """Whether a component stands where a plain value is: a business account's name has no parts."""
    return bool(column.child) and not isinstance(body.get(column.parent), dict | None)


def _whole_name(value: Any) -> RawValue:
    """A name: text, or a person's by its components.

    One component is the whole name. With several, their order is that of the reading user's locale, which no
    event tells. Raises Unsure.
    """
    if not isinstance(value, dict):
        return values.from_event(value, "", FieldType.TEXT)
    given = [value.get(child) for child in _NAMES if value.get(child) is not None]
    if len(given) != 1 or not isinstance(given[0], str):
        raise Unsure("a name of several parts")
    return given[0]


__all__ = ["MODIFIED", "Column", "Layout", "Plan", "Undecodable", "changed_value", "is_plain", "value_of"]
