"""The desk at which one transaction works: the transaction, the rules, and what it leaves to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.clock import moment
from agent.core.contract import Context, EntityAtSystem, EntityRules, Role
from agent.core.entity import Entity
from agent.core.mapping import Decoder
from agent.core.retry import Retry
from agent.core.rulebook import Rulebook, agreed_value, context_of
from agent.flow.effects import Effects
from agent.store import bindings, entities, withheld
from agent.store.exceptions import Raised, open_
from agent.store.transaction import Transaction
from agent.store.withheld import Withheld


@dataclass(frozen=True, slots=True)
class Terms:
    """Times that the engine works with, in seconds, and who owns what nobody was named for."""

    confirm_after_s: float = 1.0
    retry: Mapping[str, Retry] = field(default_factory=dict)
    stored_due_s: float = 86_400.0
    uncertain_due_s: float = 3_600.0
    exception_due_h: float = 24.0
    exception_owner: str = "operations"
    mass_window_s: float = 900.0
    look_every_s: float = 3_600.0

    def retry_of(self, system: str) -> Retry:
        """How often a system is tried again."""
        return self.retry.get(system, Retry())

    @property
    def mass_window_ms(self) -> int:
        """How far back the guard against mass changes looks, in milliseconds."""
        return int(self.mass_window_s * 1000)


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding that this transaction made."""

    entity: str
    type: str
    system: str
    key: str


@dataclass
class Desk:
    """Everything a unit of work needs. ``spread`` in [0, 1) jitters retries; it is drawn outside the core.

    because  the inbox row of the observation that is being taken: the cause of what is planned now
    merged   (loser, winner) pairs whose keys and dependants are to be passed on
    retired  (entity, system) pairs whose key was given up
    ended    entities that ended
    released entities that do not refer any more to something that they referred to
    coming   (entity, target) pairs whose create is ready: those that refer to it may go along
    """

    tx: Transaction
    book: Rulebook
    terms: Terms
    spread: float = 0.5
    effects: Effects = field(default_factory=Effects)
    bound: list[Bound] = field(default_factory=list)
    because: int | None = None
    merged: list[tuple[str, str]] = field(default_factory=list)
    retired: list[tuple[str, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    coming: list[tuple[str, str]] = field(default_factory=list)
    _withheld: list[Withheld] | None = None
    _today: Context | None = None

    @property
    def pending(self) -> bool:
        """Whether something still follows from the work of this transaction."""
        return any(self._following())

    def mark(self) -> tuple[int, ...]:
        """How much follows so far, for ``take_back``."""
        return tuple(map(len, self._following()))

    def take_back(self, mark: tuple[int, ...]) -> None:
        """Forget what follows from work that was rolled back. A loop woken for nothing does no harm."""
        self._withheld = None
        for following, length in zip(self._following(), mark, strict=True):
            del following[length:]

    def withheld(self, target: str, type_: str) -> dict[str, Withheld]:
        """Fields that a target does not take, by name. Read once per transaction."""
        if self._withheld is None:
            self._withheld = withheld.all_(self.tx)
        if not self._withheld:
            return {}
        return {one.field: one for one in self._withheld if one.target == target and one.type == type_}

    def look_again(self) -> None:
        """What is withheld has changed."""
        self._withheld = None

    def _following(self) -> tuple[list[Any], ...]:
        return self.bound, self.merged, self.retired, self.ended, self.released, self.coming

    def bind(self, entity: str, type_: str, system: str, key: str) -> bool:
        """Give an entity its key at a system; what waited for it is taken up at the end of the work.

        False when another entity has that key: two entities would share one record.
        """
        holder = bindings.holder(self.tx, type_, system, key)
        if holder is not None and (holder.entity != entity or holder.role is not Role.RETIRED):
            return holder.entity == entity
        if holder is not None:
            bindings.change_role(self.tx, entity, system, key, Role.LIVE, "the record is there again")
            self.bound.append(Bound(entity, type_, system, key))
            return True
        bindings.bind(self.tx, entity, type_, system, key)
        self.bound.append(Bound(entity, type_, system, key))
        return True

    def context(self, entity: Entity, rules: EntityRules) -> Context:
        """The context of a decision about an entity, today."""
        if self._today is None:
            self._today = Context(moment(self.tx.now).date())
        if rules.legal_entity is None and rules.lifecycle_state is None:
            return self._today
        return context_of(entity, rules, self._today.today)

    def decoder(self, rules: EntityRules, place: EntityAtSystem) -> Decoder:
        """Turns a system's fields into canonical ones; references are looked up in this transaction."""

        def find(type_: str, system: str, key: str) -> str | None:
            found = bindings.entity_of(self.tx, type_, system, key)
            return None if found is None else entities.successor(self.tx, found)

        return Decoder(rules, place, find)

    def raise_(self, raised: Raised, entity: Entity | None = None) -> int | None:
        """Open an exception with owner and due date, and the money of the entity if it has any."""
        amount = currency = None
        if entity is not None and entity.type in self.book.entities:
            rules = self.book.of(entity.type)
            amount, currency = agreed_value(entity, rules.amount), agreed_value(entity, rules.currency)
        return open_(
            self.tx,
            Raised(
                kind=raised.kind,
                system=raised.system,
                cause=raised.cause,
                entity=raised.entity,
                mark=raised.mark,
                subject=raised.subject,
                code=raised.code,
                remedy=raised.remedy,
                command=raised.command,
                inbox=raised.inbox,
                amount=None if amount is None else str(amount),
                currency=None if currency is None else str(currency),
                owner=self.terms.exception_owner,
                due_ms=int(self.terms.exception_due_h * 3_600_000),
            ),
        )
