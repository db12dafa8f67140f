"""What is wrong, as data: one finding per fact, with personal values masked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from .mapping import Field, Meaning


def shown(value: Meaning, about: Field) -> str | None:
    """A value for printing: personal data become the start of their hash and their length."""
    if value is None or not about.private:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:8]
    return f"#{digest} ({len(value)} characters)"


@dataclass(frozen=True, slots=True)
class Missing:
    """A system that should hold a record does not; or it holds one without a business key (``own_key``)."""

    object: str
    key: str
    system: str
    own_key: str = ""


@dataclass(frozen=True, slots=True)
class Different:
    """A field whose meaning differs between systems."""

    object: str
    key: str
    field: str
    systems: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Doubled:
    """Something that exists or happened more than once where once is right."""

    object: str
    key: str
    system: str
    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A user's edit of which nothing is left and that nobody overwrote knowingly."""

    object: str
    key: str
    field: str
    system: str
    value: str | None
    final: Mapping[str, str | None]
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement. ``within_limit`` are losses that Salesforce's one-second precondition cannot prevent."""

    entities_compared: int
    fields_compared: int
    missing: list[Missing] = field(default_factory=list)
    different: list[Different] = field(default_factory=list)
    doubled: list[Doubled] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    within_limit: list[Lost] = field(default_factory=list)
    edits_judged: int = 0

    @property
    def equal(self) -> bool:
        """Everything there, once, the same everywhere, nothing lost; nothing compared proves nothing."""
        wrong = self.missing or self.different or self.doubled or self.lost
        return self.entities_compared > 0 and not wrong
