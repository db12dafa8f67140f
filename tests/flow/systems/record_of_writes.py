"""Who wrote what: the evidence that the checks judge by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Writes:
    """Everything that users and the agent wrote at one system, in order.

    history     (record, field) → values that users wrote
    agent       (record, field) → values that the agent wrote
    overwritten values that a user of the same system replaced, having seen them
    effects     message id → how often it had an effect
    excused     values lost within the documented one second of Salesforce's conditional update
    deleted     reference → how often its record was deleted here, by whomever
    """

    history: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    agent: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    overwritten: set[str] = field(default_factory=set)
    effects: Counter[str] = field(default_factory=Counter)
    created: Counter[str] = field(default_factory=Counter)
    excused: set[str] = field(default_factory=set)
    deleted: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def user(self, key: str, name: str, value: str, before: object) -> None:
        """A user wrote a value over what was there."""
        self.history[key, name].append(value)
        if isinstance(before, str):
            self.overwritten.add(before)

    def user_deleted(self, record: Mapping[str, object]) -> None:
        """A user deleted a record, having seen what was in it."""
        self.overwritten |= {value for value in record.values() if isinstance(value, str)}

    def by_agent(self, key: str, name: str, value: object) -> None:
        """The agent wrote a value."""
        self.agent[key, name].append(str(value))
