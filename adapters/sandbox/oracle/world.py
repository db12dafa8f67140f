"""What was found in the systems: plain values, gathered before anything is judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .mapping import Meaning


class UnreachableError(Exception):
    """A system could not be read; the text says which and why, without secrets."""


class InputError(Exception):
    """A file given to the judge cannot be used; the text says which line and why."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One record as a system holds it: that system's own key, and its fields by their common names."""

    own_key: str
    fields: Mapping[str, Meaning]

    @property
    def number(self) -> str:
        """The business key; "" for a record without one."""
        return self.fields["number"] or ""


@dataclass(frozen=True, slots=True)
class World:
    """All systems at one judgement.

    holdings      object → system → its records
    writes        Salesforce's own log of committed writes, oldest first; empty where it keeps none
    posted_twice  message names under which SAP posted more than one IDoc
    """

    holdings: Mapping[str, Mapping[str, Sequence[Holding]]]
    writes: Sequence[Mapping[str, Any]] = field(default=())
    posted_twice: Sequence[str] = field(default=())

    def fingerprint(self) -> str:
        """The same for two readings that found the same records; the logs do not count."""
        shown = {
            name: {
                system: sorted((row.own_key, sorted(row.fields.items())) for row in rows)
                for system, rows in by_system.items()
            }
            for name, by_system in self.holdings.items()
        }
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
