"""The bitmaps of a change event header: which fields changed.

``changedFields``, ``nulledFields`` and ``diffFields`` are arrays of strings, each ``0x<HEX>`` (top level) or
``<P>-0x<HEX>`` (inside the record at top-level position P). The hex is a big-endian number; bit i, counted
from the least significant, is the field at position i of the schema that the event names, position 0 being
the header. (Pub/Sub API guide, "Event Deserialization Considerations"; checked against captured events.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ELEMENT = re.compile(r"^(?:([0-9]+)-)?0x([0-9A-Fa-f]+)$")


@dataclass(frozen=True, slots=True)
class Member:
    """One top-level field of a schema; ``children`` are the fields of its record type, if it has one."""

    name: str
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """Fields that a bitmap array names, in schema order: ``Phone``, ``BillingAddress.Street``.

    beyond   a bit lay past the end of the schema and was ignored: schema and event do not fit together well
    """

    names: tuple[str, ...]
    beyond: bool = False


def decode(elements: Sequence[str], members: Sequence[Member]) -> Named:
    """Name the fields of one bitmap array.

    An element that is no bitmap is a plain field name and is passed on (the form of the older Streaming API).
    Raises ValueError for a nested bitmap at a position that is no record.
    """
    found: list[tuple[int, int, str]] = []
    plain: list[str] = []
    beyond = False
    for element in elements:
        matched = _ELEMENT.match(element)
        if matched is None:
            plain.append(element)
            continue
        parent, digits = matched.groups()
        bits = _positions(int(digits, 16))
        if parent is None:
            inside = [(bit, -1, members[bit].name) for bit in bits if bit < len(members)]
        else:
            inside = _nested(int(parent), bits, members)
        beyond = beyond or len(inside) < len(bits)
        found += inside
    found.sort()
    return Named((*(name for _, _, name in found), *plain), beyond)


def _nested(parent: int, bits: list[int], members: Sequence[Member]) -> list[tuple[int, int, str]]:
    if parent >= len(members):
        return []
    member = members[parent]
    if not member.children:
        raise ValueError(f"nested bitmap for {member.name}, which is not a record")
    return [
        (parent, bit, f"{member.name}.{member.children[bit]}") for bit in bits if bit < len(member.children)
    ]


def _positions(value: int) -> list[int]:
    """The set bits of a number, lowest first."""
    positions = []
    while value:
        lowest = value & -value
        positions.append(lowest.bit_length() - 1)
        value ^= lowest
    return positions
