"""The systems at the other end, as cheap as they can be: what is measured is the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from agent.core.change import Batch, RawValue, ReadResult, Row, Touched
from agent.core.delivery import Delivery, DeliveryKind, Guarantees, Outcome, OutcomeKind, Resolution
from agent.ports import Check, System

#: Commands in one call.
BATCH = 200
#: Reads are as old as this, so that every event of a workload is provably newer.
READ_AGE = timedelta(days=1)


@dataclass
class Peer:
    """A system with rows and a ledger in memory; its source gives the batches that were laid in ``coming``.

    identity  the field that keeps the canonical id
    next_key  the number of the next record that it creates, as the agent asks it to
    """

    name: str
    identity: str
    client: str | None = None
    rows: dict[str, dict[str, RawValue]] = field(default_factory=dict)
    ledger: dict[str, str] = field(default_factory=dict)
    coming: deque[Batch] = field(default_factory=deque)
    next_key: int = 1

    def system(self) -> System:
        """The ports that the engine is given."""
        return System(self.name, "peer", self, self, PeerReader(self), self)

    # --- source

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """It has no position of its own: what is laid in is what comes."""

    async def read(self) -> Batch:
        """The next batch; an empty one where there is none."""
        return self.coming.popleft() if self.coming else Batch("events", ())

    async def ack(self, batch: Batch) -> None:
        """Nothing is kept for longer."""

    async def close(self) -> None:
        """Nothing to stop."""

    # --- target

    def guarantees(self, object: str) -> Guarantees:
        """Idempotent by the ledger, and readable."""
        return Guarantees(
            compare_and_set=True,
            read_back=True,
            delete=True,
            answers=False,
            on_uncertain_update=Resolution.RESEND,
            on_uncertain_create=Resolution.RESEND,
            batch=BATCH,
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to prepare."""

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Write each command, once per message id."""
        return [Outcome(OutcomeKind.ACCEPTED, key=self._write(delivery)) for delivery in deliveries]

    def _write(self, delivery: Delivery) -> str:
        known = self.ledger.get(delivery.message_id)
        if known is not None:
            return known
        key = delivery.key
        if delivery.kind is DeliveryKind.CREATE or key is None:
            key, self.next_key = f"{self.name}{self.next_key}", self.next_key + 1
            self.rows[key] = {self.identity: delivery.reference}
        if delivery.kind is DeliveryKind.DELETE:
            self.rows.pop(key, None)
        else:
            self.rows.setdefault(key, {}).update(delivery.fields)
        self.ledger[delivery.message_id] = key
        return key

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """No record is there twice."""
        return ()

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """The same for each question."""
        return [await self.find(object, fields) for fields in questions]

    # --- reader and probe

    async def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All rows at once."""
        yield self.result(list(self.rows))

    def result(self, keys: Sequence[str]) -> ReadResult:
        """What a read by key finds."""
        at = datetime.now(UTC) - READ_AGE
        rows = tuple(Row(key, dict(self.rows[key]) if key in self.rows else None) for key in keys)
        return ReadResult(rows, at, at + timedelta(seconds=1))

    async def check(self) -> Sequence[Check]:
        """Always there."""
        return [Check("connect", ok=True)]


class PeerReader:
    """The reader of a peer: its own object, because a source and a reader both read."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def read(self, object: str, keys: Sequence[str]) -> ReadResult:
        """Rows as they are now."""
        return self._peer.result(keys)

    def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All rows."""
        return self._peer.page(object, resume)

    async def touched(self, object: str, since: datetime) -> Touched | None:
        """It does not tell."""
        return None
