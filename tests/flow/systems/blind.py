"""A system like SAP behind IDoc files: it can't be read, posts later, and answers when it likes.

It has no duplicate check: what is handed over twice is posted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent import failpoints
from agent.core.change import Answer, Batch, Change, ChangeKind, RawValue, Row
from agent.core.delivery import Delivery, DeliveryKind, Guarantees, Outcome, OutcomeKind, Resolution
from agent.ports import Check, System
from tests.flow.systems.meanwhile import Meanwhile
from tests.flow.systems.record_of_writes import Writes
from tests.flow.systems.witness import MarkRow

Place = tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """A create in the book of hand-overs: under which mark, from which place, under which handle, of what."""

    life: str
    token: int
    place: Place
    handle: str
    fields: Mapping[str, RawValue]


@dataclass
class Blind:
    """The system itself, and its ports."""

    name: str = "sap"
    records: dict[str, dict[str, RawValue]] = field(default_factory=dict)
    temporary: dict[Place, Delivery] = field(default_factory=dict)
    handed: list[Delivery] = field(default_factory=list)
    hand_overs: Counter[str] = field(default_factory=Counter)
    files: list[Change] = field(default_factory=list)
    writes: Writes = field(default_factory=Writes)
    meanwhile: Meanwhile = field(default_factory=Meanwhile)
    witness: MarkRow = field(default_factory=lambda: MarkRow("sap"))
    book: dict[str, Entry] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    refuse: int = 0
    reject: int = 0
    _order: int = 0

    def system(self) -> System:
        """The ports that the engine is given."""
        return System(self.name, "blind", self, self, None, self, self.witness)

    # --- the other side

    def user_edit(self, key: str, name: str, value: str) -> None:
        """A user changes a field; the whole record is told."""
        record = self.records[key]
        self.writes.user(key, name, value, record.get(name))
        record[name] = value
        self._tell(key)

    def post(self, *, echo: bool) -> bool:
        """Post the next message that was handed over, and answer it. With ``echo`` the record is told too."""
        if not self.handed:
            return False
        delivery = self.handed.pop(0)
        handle = handle_of(delivery)
        if self.refuse:
            self.refuse -= 1
            self._answer(Answer(handle, "pending", "51", "locked by a user"))
            self.handed.insert(0, delivery)
            return True
        if self.reject:
            self.reject -= 1
            self._answer(Answer(handle, "rejected", "68", "will never be posted"))
            return True
        if delivery.kind is DeliveryKind.CREATE:
            key = f"{len(self.records) + 1:010d}"
            self.records[key] = {}
            self.writes.created[delivery.reference] += 1
        else:
            key = delivery.key or ""
        self.records[key].update(delivery.fields)
        self.writes.count += 1
        self.writes.effects[delivery.message_id] += 1
        for name, value in delivery.fields.items():
            self.writes.by_agent(key, name, value)
        if echo:
            self._tell(key)
        self._answer(Answer(handle, "accepted", "53", "", key))
        return True

    def send_again(self) -> None:
        """People at SAP send every record and every answer again."""
        for answer in tuple(self.answers):
            self._file(ChangeKind.ANSWER, (), {}, answer)
        for key in self.records:
            self._tell(key)

    def _tell(self, key: str) -> None:
        self._file(ChangeKind.TOLD, (key,), dict(self.records[key]), None)

    def _answer(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._file(ChangeKind.ANSWER, (), {}, answer)

    def _file(
        self, kind: ChangeKind, keys: tuple[str, ...], fields: dict[str, RawValue], answer: Answer | None
    ) -> None:
        self._order += 1
        self.files.append(
            Change(
                source_id=f"f{self._order}",
                stream="files",
                kind=kind,
                object="DEBMAS",
                keys=keys,
                fields=fields,
                order=self._order,
                answer=answer,
            )
        )

    # --- source

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Files lie where they lie."""

    async def read(self) -> Batch:
        """The oldest file."""
        found = tuple(self.files[:1])
        self.meanwhile.at("sap.read")
        return Batch("files", found, None, found)

    async def ack(self, batch: Batch) -> None:
        """Take the file away."""
        for change in batch.receipt:
            if change in self.files:
                self.files.remove(change)

    async def close(self) -> None:
        """Nothing to stop."""

    # --- target

    def guarantees(self, object: str) -> Guarantees:
        """Nothing but at most one hand-over per message."""
        return Guarantees(
            compare_and_set=False,
            read_back=False,
            delete=False,
            answers=True,
            on_uncertain_update=Resolution.RESEND,
            on_uncertain_create=Resolution.RESEND,
            batch=2,
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Write the temporary files."""
        for delivery in deliveries:
            self.temporary[place_of(delivery)] = delivery
        self.meanwhile.at("sap.prepare")

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Rename what lies ready; what does not lie there any more was handed over."""
        outcomes = [self._apply(delivery) for delivery in deliveries]
        self.meanwhile.at("sap.apply")
        return outcomes

    def _apply(self, delivery: Delivery) -> Outcome:
        if delivery.life != self.witness.mark.life:
            return Outcome(OutcomeKind.RETRY, code="fenced")
        failpoints.hit("blind.before_rename")
        handle, carried = handle_of(delivery), None
        if delivery.kind is DeliveryKind.CREATE:
            entry = self._booked(delivery)
            handle = entry.handle
            if handle != handle_of(delivery):
                same = (n for n, value in delivery.fields.items() if entry.fields.get(n, delivery) == value)
                carried = frozenset(same)
        waiting = self.temporary.pop(place_of(delivery), None)
        if waiting is not None and handle == handle_of(delivery):
            self.handed.append(waiting)
            self.hand_overs[waiting.message_id] += 1
        failpoints.hit("blind.after_rename")
        return Outcome(OutcomeKind.STORED, handle=handle, carried=carried)

    def _booked(self, delivery: Delivery) -> Entry:
        """The hand-over that creates this record: a life that the store does not know may have done it."""
        own, mark = place_of(delivery), self.witness.mark
        entry = self.book.get(delivery.reference)
        if entry is not None and entry.place == own:
            return entry
        made = Entry(mark.life, mark.token, own, handle_of(delivery), dict(delivery.fields))
        if entry is not None and entry.token > self.witness.past.get(entry.life, -1):
            if entry.place in self.temporary:
                del self.temporary[entry.place]
            else:
                made = replace(made, handle=entry.handle, fields=entry.fields)
        self.book[delivery.reference] = made
        return made

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Cannot be asked."""
        return []

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """The same for each question."""
        return [await self.find(object, fields) for fields in questions]

    async def check(self) -> Sequence[Check]:
        """Always there."""
        return [Check("directories", ok=True)]


def place_of(delivery: Delivery) -> Place:
    """What tells its file from every other one."""
    return delivery.epoch, delivery.number


def handle_of(delivery: Delivery) -> str:
    """The number by which answers name it."""
    return f"d{delivery.epoch}.{delivery.number}"
