"""Managed event subscriptions: the org itself remembers how far a subscriber has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.sandbox.salesforce.org.errors import ApiError

MOST = 200
_PRESETS = ("LATEST", "EARLIEST")


@dataclass(slots=True)
class ManagedSubscription:
    """One of them. ``committed`` is the replay id that the subscriber committed last, blank before."""

    id: str
    name: str
    topic: str
    running: bool
    start: str
    recovery: str
    committed: bytes = b""


class ManagedSubscriptions:
    """All of the org, by id."""

    def __init__(self) -> None:
        self._all: dict[str, ManagedSubscription] = {}

    def define(self, identifier: str, name: str, metadata: dict[str, Any]) -> None:
        """A new one, or new settings of one; what it committed stays. Raises ApiError."""
        start = str(metadata.get("defaultReplay", "LATEST")).upper()
        recovery = str(metadata.get("errorRecoveryReplay", "LATEST")).upper()
        state = str(metadata.get("state", "RUN")).upper()
        topic = metadata.get("topicName")
        if not isinstance(topic, str) or start not in _PRESETS or recovery not in _PRESETS:
            raise ApiError("INVALID_FIELD", "topicName, defaultReplay or errorRecoveryReplay cannot be used")
        if state not in ("RUN", "STOP"):
            raise ApiError("INVALID_FIELD", "state is RUN or STOP", ("State",))
        before = self._all.get(identifier)
        if before is None and len(self._all) == MOST:
            raise ApiError("LIMIT_EXCEEDED", f"an org has {MOST} managed subscriptions at most")
        committed = before.committed if before else b""
        self._all[identifier] = ManagedSubscription(
            identifier, name, topic, state == "RUN", start, recovery, committed
        )

    def find(self, identifier: str, name: str) -> ManagedSubscription | None:
        """By id of 15 or 18 characters, else by developer name."""
        for each in self._all.values():
            if (identifier and each.id[:15] == identifier[:15]) or (not identifier and each.name == name):
                return each
        return None

    def forget(self, identifier: str) -> None:
        """Takes one away."""
        self._all.pop(identifier, None)
