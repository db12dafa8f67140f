"""Everything that was written to the org or refused, in order: the evidence for an independent check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.values import Value, to_json


class Journal:
    """Committed and rejected writes; entries carry a running number ``n`` over both lists.

    They are kept as JSON text: a million of them is then no burden. A quiet journal writes nothing down.
    """

    def __init__(self) -> None:
        self._writes: list[bytes] = []
        self._rejected: list[bytes] = []
        self._number = 0
        self.quiet = False

    def written(self, entry: dict[str, Any]) -> None:
        """Adds one committed write."""
        if self.quiet:
            return
        self._number += 1
        self._writes.append(_line({"n": self._number, **entry}))

    def refused(self, entry: dict[str, Any], error: ApiError) -> None:
        """Adds one write that changed nothing."""
        self._number += 1
        told = {"n": self._number, **entry, "error": error.code, "message": error.message}
        self._rejected.append(_line(told))

    def json(self) -> bytes:
        """An object with the lists ``writes`` and ``rejected``."""
        return b"".join(
            (b'{"writes":[', b",".join(self._writes), b'],"rejected":[', b",".join(self._rejected), b"]}")
        )


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


def _line(entry: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(entry, default=_exact)
    except TypeError:
        readable = {name: value for name, value in entry.items() if name != "fields"}
        return orjson.dumps({**readable, "fields": {}}, default=_exact)


def _exact(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value)) if value.is_finite() else str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")
