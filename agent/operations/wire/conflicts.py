"""Conflicts as people see and rule them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from agent.operations.wire.status import Wire

#: Which side of a conflict holds: the value that the others hold, or that of the system that differs.
Side = Literal["winner", "loser"]


class Digests(Wire):
    """Stand for both values as they were shown, so that masked ones can be compared too.

    They hold until the service is started anew.
    """

    winner: str
    loser: str


class ConflictItem(Wire):
    """Two systems changed a field. While it is open, ``winner`` is what the others hold.

    A decided one has the value that holds as ``winner`` and keeps the other as ``loser``. Personal values are
    masked. ``by`` and ``reason`` are a person's, empty where a rule decided.
    """

    id: int
    state: Literal["open", "decided"]
    entity: str
    type: str = ""
    business_key: str = ""
    field: str
    pii: bool = False
    rule: str
    winner_system: str
    winner: str
    loser_system: str
    loser: str
    base: str
    at: datetime
    shown: Digests
    by: str = ""
    reason: str = ""
    ruled: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether a person's ruling settles it; a changed document cannot be ruled."""
        return self.state == "open" and self.rule != "immutable"


class ConflictPage(Wire):
    """A stretch of the list, open ones first; ``total`` counts all that the question is about."""

    total: int
    items: tuple[ConflictItem, ...]
