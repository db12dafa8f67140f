"""Records: values that nobody changes once they are made.

The type checker sees ``dataclass(frozen=True, slots=True)`` and refuses every assignment. The guard that
Python would add at runtime makes such an object several times as dear, and an event makes thirty of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import dataclass

    def record(*, frozen: bool, slots: bool) -> object:
        """The decorator of a record, which is equal and hashed by its fields."""
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["record"]
