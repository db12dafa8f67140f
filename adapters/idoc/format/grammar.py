"""Which segments an IDoc type has, below which, in which order and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

#: What dictionaries write for "as often as you like".
UNBOUNDED = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Node:
    """A segment's place in an IDoc type.

    least  how often it must stand below each parent that stands; 0 where it is optional
    most   how often it may
    level  HLEVEL that SAP writes; 0 where the dictionary does not tell
    definition  the release's name that this IDoc type uses; blank where the dictionary does not tell
    """

    type: str
    least: int = 0
    most: int = UNBOUNDED
    level: int = 0
    definition: str = ""
    children: tuple[Node, ...] = ()
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places: dict[str, int] = {}
        for at, child in enumerate(self.children):
            places.setdefault(child.type, at)
        object.__setattr__(self, "_places", places)

    def place(self, segment_type: str) -> int:
        """Where a type stands among the children; -1 where it does not."""
        return self._places.get(segment_type, -1)

    def child(self, segment_type: str) -> Node | None:
        """The child of that type."""
        at = self.place(segment_type)
        return None if at < 0 else self.children[at]

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in their order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


@dataclass(frozen=True, slots=True)
class IdocType:
    """An IDoc type: a basic type, or an extension of one (CIMTYP). ``root`` has its segments as children."""

    name: str
    root: Node
    extension: str = ""

    def find(self, segment_type: str) -> Node | None:
        """The first node of a segment type."""
        return next((node for node in self.root.walk() if node.type == segment_type), None)
