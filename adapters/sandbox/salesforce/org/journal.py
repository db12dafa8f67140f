"""Everything that was written to the org or refused, in order: the evidence for an independent check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.values import Value, to_json


class Journal:
    """Committed and rejected writes; entries are JSON objects with a running number ``n`` over both lists."""

    def __init__(self) -> None:
        self.writes: list[dict[str, Any]] = []
        self.rejected: list[dict[str, Any]] = []
        self._number = 0

    def written(self, entry: dict[str, Any]) -> None:
        """Adds one committed write."""
        self._number += 1
        self.writes.append({"n": self._number, **entry})

    def refused(self, entry: dict[str, Any], error: ApiError) -> None:
        """Adds one write that changed nothing."""
        self._number += 1
        self.rejected.append({"n": self._number, **entry, "error": error.code, "message": error.message})


def entry(at: datetime, actor: Actor, operation: str, object_name: str, record_id: str) -> dict[str, Any]:
    """The part that every journal entry has."""
    return {
        "time": at.isoformat(),
        "operation": operation,
        "object": object_name,
        "id": record_id,
        "user": actor.user.username,
        "client": actor.client,
        "origin": actor.origin,
    }


def shown(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values as JSON for an entry."""
    return {name: to_json(value) for name, value in values.items()}
