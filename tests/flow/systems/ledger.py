"""A system like an ERP database: a journal acknowledged by exact ids, a ledger, real compare-and-set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agent.core.change import Batch, Change, ChangeKind, Operation, RawValue, ReadResult, Row, Touched
from agent.core.delivery import Delivery, DeliveryKind, Guarantees, Outcome, OutcomeKind, Reason, Resolution
from agent.errors import Refused
from agent.ports import Check, System
from tests.flow.systems.meanwhile import Meanwhile
from tests.flow.systems.record_of_writes import Writes
from tests.flow.systems.witness import MarkRow


@dataclass
class Ledger:
    """The system itself, and its ports. Rows are (object, key) → fields."""

    name: str = "erp"
    rows: dict[tuple[str, str], dict[str, RawValue]] = field(default_factory=dict)
    journal: dict[int, tuple[str, str]] = field(default_factory=dict)
    ledger: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    writes: Writes = field(default_factory=Writes)
    faults: list[str] = field(default_factory=list)
    meanwhile: Meanwhile = field(default_factory=Meanwhile)
    witness: MarkRow = field(default_factory=lambda: MarkRow("erp"))
    lacking: set[str] = field(default_factory=set)
    unasked: int = 0
    _seq: int = 0
    _keys: int = 0

    def system(self) -> System:
        """The ports that the engine is given."""
        return System(self.name, "ledger", self, self, LedgerReader(self), self, self.witness)

    # --- users

    def user_create(self, object_: str, key: str, fields: Mapping[str, RawValue]) -> None:
        """A user creates a row."""
        self.rows[object_, key] = dict(fields)
        for name, value in fields.items():
            self.writes.user(key, name, str(value), None)
        self._trigger(object_, key)

    def user_edit(self, object_: str, key: str, name: str, value: str) -> None:
        """A user changes a column."""
        row = self.rows[object_, key]
        self.writes.user(key, name, value, row.get(name))
        row[name] = value
        self._trigger(object_, key)

    def user_delete(self, object_: str, key: str) -> None:
        """A user deletes a row."""
        self.writes.user_deleted(self.rows[object_, key])
        self._delete(object_, key)
        self._trigger(object_, key)

    def _delete(self, object_: str, key: str) -> None:
        row = self.rows.pop((object_, key))
        self.writes.deleted[str(row.get("external_ref"))] += 1

    def _trigger(self, object_: str, key: str) -> None:
        self._seq += 1
        self.journal[self._seq] = (object_, key)

    # --- source

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Nothing to position: journal rows are released one by one."""

    async def read(self) -> Batch:
        """The oldest journal rows, with the rows that they name as they are now."""
        found = sorted(self.journal.items())[:2]
        changes = tuple(
            Change(
                source_id=f"j:{seq}",
                stream="journal",
                kind=ChangeKind.READ,
                object=object_,
                keys=(key,),
                operation=Operation.UPDATE if (object_, key) in self.rows else Operation.DELETE,
                fields=dict(self.rows.get((object_, key), {})),
                order=seq,
            )
            for seq, (object_, key) in found
        )
        self.meanwhile.at(f"{self.name}.read")
        return Batch("journal", changes, None, [seq for seq, _ in found])

    async def ack(self, batch: Batch) -> None:
        """Delete exactly the rows that are durable at the agent."""
        for seq in batch.receipt:
            self.journal.pop(seq, None)

    async def close(self) -> None:
        """Nothing to stop."""

    # --- target

    def guarantees(self, object: str) -> Guarantees:
        """Everything, idempotent by the ledger."""
        return Guarantees(
            compare_and_set=True,
            read_back=True,
            delete=True,
            answers=False,
            on_uncertain_update=Resolution.RESEND,
            on_uncertain_create=Resolution.RESEND,
            batch=2,
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to prepare."""
        self.meanwhile.at(f"{self.name}.prepare")

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Apply, with the faults that are armed."""
        outcomes = []
        for delivery in deliveries:
            fault = self.faults.pop(0) if self.faults else ""
            if fault == "busy":
                outcomes.append(Outcome(OutcomeKind.RETRY, code="40P01"))
            elif fault == "refused" and delivery.message_id not in self.ledger:
                outcomes.append(Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="23514"))
            elif fault in ("never-arrived", "late"):
                outcomes.append(Outcome(OutcomeKind.UNCERTAIN, code="08S01"))
            else:
                outcome = self._apply(delivery)
                lost = fault == "answer-lost"
                outcomes.append(Outcome(OutcomeKind.UNCERTAIN, code="08S01") if lost else outcome)
        self.meanwhile.at(f"{self.name}.apply")
        return outcomes

    def _apply(self, delivery: Delivery) -> Outcome:
        known = self.ledger.get(delivery.message_id)
        if delivery.life != self.witness.mark.life:
            return Outcome(OutcomeKind.RETRY, code="fenced")
        if known is not None:
            if known[0] != delivery.payload_hash:
                return Outcome(OutcomeKind.REJECTED, reason=Reason.DUPLICATE_ID)
            return Outcome(OutcomeKind.ACCEPTED, key=known[1])
        lacking = frozenset(self.lacking & delivery.fields.keys())
        if lacking:
            return Outcome(OutcomeKind.REJECTED, reason=Reason.FIELD, code="42703", fields=lacking)
        if delivery.kind is DeliveryKind.CREATE:
            self._keys += 1
            key = f"e{self._keys}"
            self.rows[delivery.object, key] = {"external_ref": delivery.reference}
            self.writes.created[delivery.reference] += 1
        else:
            key = delivery.key or ""
            row = self.rows.get((delivery.object, key))
            if row is None:
                return Outcome(OutcomeKind.REJECTED, reason=Reason.GONE)
            if delivery.guard and any(row.get(n) != v for n, v in delivery.guard.values.items()):
                return Outcome(OutcomeKind.REJECTED, reason=Reason.PRECONDITION)
        if delivery.kind is DeliveryKind.DELETE:
            self._delete(delivery.object, key)
        else:
            self.rows[delivery.object, key].update(delivery.fields)
        again = delivery.kind is DeliveryKind.CREATE and self.writes.deleted[delivery.reference]
        for name, value in delivery.fields.items():
            if not again:  # what its users had said before comes back with the record
                self.writes.by_agent(key, name, value)
        self.writes.count += 1
        self.writes.effects[delivery.message_id] += 1
        self.ledger[delivery.message_id] = (delivery.payload_hash, key)
        self._trigger(delivery.object, key)
        return Outcome(OutcomeKind.ACCEPTED, key=key)

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Rows with these values."""
        return [
            Row(key, dict(row))
            for (name, key), row in self.rows.items()
            if name == object and all(row.get(n) == v for n, v in fields.items())
        ]

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """The same for each question; the next ``unasked`` times it answers none."""
        if self.unasked and questions:
            self.unasked -= 1
            raise Refused(f"no questions about {object} for now", where=self.name)
        return [await self.find(object, fields) for fields in questions]

    async def check(self) -> Sequence[Check]:
        """Always there."""
        return [Check("connect", ok=True)]


class LedgerReader:
    """The reader of a ledger system."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def read(self, object: str, keys: Sequence[str]) -> ReadResult:
        """Rows as they are now."""
        rows = []
        for key in keys:
            row = self._ledger.rows.get((object, key))
            rows.append(Row(key, dict(row) if row is not None else None))
        self._ledger.meanwhile.at(f"{self._ledger.name}.confirm")
        return ReadResult(tuple(rows))

    async def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All rows."""
        keys = [key for name, key in self._ledger.rows if name == object]
        yield await self.read(object, keys)

    async def touched(self, object: str, since: datetime) -> Touched | None:
        """A table does not tell."""
        return None
