"""What a transaction knows of the database without asking again.

A batch is read ahead by one statement per table, instead of by several per record. Every write passes here
first (``Transaction``): it has everything forgotten that is known of its table, or, where the writer names
the subject, what is known of that. Only then may the writer say what it has left there (``keep``).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

#: Stands for what has to be asked of the database.
UNKNOWN: Final[Any] = object()


class Known:
    """Facts by table and subject. The subject is the id of an entity, except where a module says otherwise.

    holders   facts of bindings by what they are looked up by: (type, system, key) → entity, role; or None
    """

    def __init__(self) -> None:
        self.facts: dict[str, dict[Hashable, Any]] = {}
        self.holders: dict[tuple[str, str, str], Any] = {}

    def get(self, table: str, subject: Hashable) -> Any:
        """What is known of a subject in a table, or ``UNKNOWN``."""
        facts = self.facts.get(table)
        return UNKNOWN if facts is None else facts.get(subject, UNKNOWN)

    def put(self, table: str, subject: Hashable, fact: Any) -> None:
        """What was read of a subject."""
        self.facts.setdefault(table, {})[subject] = fact

    def put_all(self, table: str, facts: Mapping[Any, Any]) -> None:
        """What was read of many subjects."""
        self.facts.setdefault(table, {}).update(facts)

    def forget(self, table: str, subject: Hashable = None) -> None:
        """Something is written to a table: about one subject, or about any."""
        facts = self.facts.get(table)
        if facts is not None:
            facts.clear() if subject is None else facts.pop(subject, None)
        if table == "binding":
            self._forget_holders(subject)

    def clear(self) -> None:
        """Know nothing any more."""
        self.facts.clear()
        self.holders.clear()

    def _forget_holders(self, entity: Hashable) -> None:
        """A key of the entity, or one that nobody has, may stand for another entity or role now."""
        kept = {} if entity is None else self.holders
        self.holders = {
            key: holder for key, holder in kept.items() if holder is not None and holder.entity != entity
        }
