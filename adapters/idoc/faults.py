"""What can be wrong with an IDoc, said so that a person finds the place: record, line and byte, never
the value.

IdocFault (InputError)
├── ReadFault   a file cannot be read: reason, line and byte offset
└── ValueFault  a value cannot be written or read: SEGMENT.FIELD, its offset and length
"""

from __future__ import annotations

from agent.errors import InputError


class IdocFault(InputError):
    """Something about an IDoc is not as the layout says."""


class ReadFault(IdocFault):
    """A file that cannot be read. ``line`` counts from 1, ``offset`` in bytes from 0, both in the file."""

    def __init__(self, reason: str, *, line: int, offset: int, remedy: str = "") -> None:
        super().__init__(reason, where=f"line {line}, byte {offset}", remedy=remedy)
        self.reason = reason
        self.line = line
        self.offset = offset


class ValueFault(IdocFault):
    """A value that a field cannot hold. ``offset`` and ``length`` count characters inside SDATA."""

    def __init__(
        self, reason: str, *, field: str, offset: int = 0, length: int = 0, remedy: str = ""
    ) -> None:
        super().__init__(reason, where=field, remedy=remedy)
        self.reason = reason
        self.field = field
        self.offset = offset
        self.length = length
