"""What of a record may be shown: never a field marked ``pii``, nor its values in a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from agent.core.rulebook import Rulebook
from agent.operations.wire import clean, mask, scrub

#: Shorter parts of a value say nothing of anybody, and would make every text unreadable.
_WORD = 4


@dataclass(frozen=True, slots=True)
class Privacy:
    """Makes every cell that holds data. A field or type that nobody configured counts as personal."""

    book: Rulebook

    def is_pii(self, type_: str, field: str) -> bool:
        """Whether a field is personal."""
        rules = self.book.entities.get(type_)
        return rules is None or field not in rules.fields or rules.fields[field].pii

    def cell(self, type_: str, field: str, value: object) -> str:
        """A value as it may be shown."""
        return mask(value) if self.is_pii(type_, field) else shown(value)

    def business_key(self, type_: str, value: str | None) -> str:
        """What people call the record, unless that is personal."""
        rules = self.book.entities.get(type_)
        key = rules.key if rules is not None else None
        return mask(value) if key is None or self.is_pii(type_, key) else shown(value)

    def secrets(self, type_: str, documents: Iterable[str]) -> frozenset[str]:
        """The personal values in JSON objects (field → value), and the words of which they consist.

        A system that refuses a value may repeat it cut off, or only the part that it minds.
        """
        found: set[str] = set()
        for document in documents:
            fields: Mapping[str, Any] = orjson.loads(document)
            for name, value in fields.items():
                if isinstance(value, str) and self.is_pii(type_, name):
                    found |= {value, *(word for word in value.split() if len(word) >= _WORD)}
        return frozenset(found)

    def text(self, text: str, secrets: frozenset[str]) -> str:
        """A text for people: control characters made visible, personal values masked."""
        return clean(scrub(text, secrets))


def shown(value: object) -> str:
    """A canonical value as a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(value)
