"""A system like an ERP database whose customers are written through a staging table: answered later."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agent.core.change import Answer, Batch, Change, ChangeKind
from agent.core.delivery import Delivery, Guarantees, Outcome, OutcomeKind
from tests.flow.systems.ledger import Ledger

STREAM = "staging:customer"


@dataclass
class Staged(Ledger):
    """Its own program takes a command whenever the source finds nothing else.

    told_first  which of the two the agent hears first: "row", by the journal, or "answer"
    refuse      how many commands the program refuses
    """

    told_first: str = "row"
    refuse: int = 0
    given: dict[str, Delivery] = field(default_factory=dict)
    waiting: list[Delivery] = field(default_factory=list)
    answered: list[Answer] = field(default_factory=list)

    def guarantees(self, object: str) -> Guarantees:
        """Customers go through the staging table."""
        return replace(super().guarantees(object), answers=object == "customer")

    def _apply(self, delivery: Delivery) -> Outcome:
        if delivery.object != "customer":
            return super()._apply(delivery)
        if delivery.life != self.witness.mark.life:
            return Outcome(OutcomeKind.RETRY, code="fenced")
        if delivery.message_id not in self.given:
            self.given[delivery.message_id] = delivery
            self.waiting.append(delivery)
        return Outcome(OutcomeKind.STORED, handle=delivery.message_id)

    def work(self) -> bool:
        """The ERP's program takes the next command."""
        if not self.waiting:
            return False
        delivery = self.waiting.pop(0)
        if self.refuse:
            self.refuse -= 1
            self.answered.append(Answer(delivery.message_id, "rejected", "refused", "not today"))
            return True
        outcome = super()._apply(replace(delivery, life=self.witness.mark.life))
        done = outcome.kind is OutcomeKind.ACCEPTED
        said = "" if done else str(outcome.reason)
        key = outcome.key if done else None
        self.answered.append(Answer(delivery.message_id, "accepted" if done else "rejected", said, "", key))
        return True

    async def read(self) -> Batch:
        """Journal rows and answers, each of which may come first."""
        if not self.journal and not self.answered:
            self.work()
        if self.answered and (self.told_first == "answer" or not self.journal):
            answer = self.answered[0]
            source_id = f"s:{answer.handle}"
            change = Change(source_id, STREAM, ChangeKind.ANSWER, "customer", answer=answer)
            return Batch(STREAM, (change,), None, [answer.handle])
        return await super().read()

    async def ack(self, batch: Batch) -> None:
        """Mark exactly what is durable at the agent."""
        if batch.stream != STREAM:
            await super().ack(batch)
            return
        self.answered = [one for one in self.answered if one.handle not in batch.receipt]
