"""A small site: one customer type in three systems, a real store, and the real engine driven step by step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.core.change import Answer, Change, ChangeKind, Operation, RawValue
from agent.core.contract import (
    ContractField,
    EntityAtSystem,
    EntityRules,
    FieldMapping,
    OwnerRow,
    Survivorship,
    SurvivorshipKind,
    Transfer,
    with_identity,
)
from agent.core.delivery import Guarantees, Outcome, OutcomeKind, Reason, Resolution
from agent.core.entity import CommandState
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.core.rulebook import Rulebook
from agent.flow import answer, observation
from agent.flow.acts import ExceptionActs
from agent.flow.engine import Engine
from agent.operations.figures import Life
from agent.operations.reads import StoreReads
from agent.store import outbox
from agent.store.database import Store
from agent.store.outbox import Command
from agent.store.reads import StoreReader
from agent.store.writer import DirectWriter

BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KINDS = {"salesforce": "salesforce", "erp": "odbc", "sap": "idoc"}

READABLE = Guarantees(True, True, True, False, Resolution.REREAD, Resolution.RESEND, batch=10)
BLIND = Guarantees(False, False, False, True, Resolution.RESEND, Resolution.RESEND)


def _place(system: str, name: str, fields: Mapping[str, str], guarantees: Guarantees) -> EntityAtSystem:
    specs = tuple(FieldSpec(source) for source in fields.values())
    external = "Isthmus_Id" if guarantees.read_back else None
    return EntityAtSystem(
        system=system,
        object=ObjectSpec(name, "Id", specs, external),
        fields={field: FieldMapping(field, source) for field, source in fields.items()},
        guarantees=guarantees,
        create=True,
    )


def rulebook() -> Rulebook:
    """The customer of the demo, cut down: the name is personal data, phone and note are shared."""
    sf, erp, sap = (OwnerRow(name) for name in KINDS)
    fields = (
        ContractField("number", owners=(sf,)),
        ContractField("name", owners=(sf,), pii=True),
        ContractField("credit_limit", FieldType.DECIMAL, owners=(erp,)),
        ContractField("currency", owners=(sf,)),
        ContractField("order_block", owners=(sap,)),
        ContractField("phone", survivorship=Survivorship(SurvivorshipKind.MANUAL), pii=True),
        ContractField("note", survivorship=Survivorship(SurvivorshipKind.MANUAL)),
    )
    at_sf = {f.name: f.name.title() for f in fields}
    at_erp = {f.name: f.name for f in fields}
    at_sap = {"number": "E1KNA1M.SORTL", "name": "E1KNA1M.NAME1", "order_block": "E1KNA1M.AUFSD"}
    rules = EntityRules(
        type="customer",
        version="r1",
        transfer=Transfer.STATE,
        fields={f.name: f for f in fields},
        systems={
            "salesforce": _place("salesforce", "Account", at_sf, READABLE),
            "erp": _place("erp", "customer", at_erp, READABLE),
            "sap": _place("sap", "DEBMAS", at_sap, BLIND),
        },
        births=("salesforce",),
        key="number",
        amount="credit_limit",
        currency="currency",
    )
    return Rulebook({"customer": with_identity(rules)})


@dataclass
class SteppedClock:
    """Time that goes on only when told."""

    at: datetime = BEGIN
    ticks: float = 0.0

    def now(self) -> datetime:
        """Aware UTC."""
        return self.at

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self.ticks

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)
        self.ticks += seconds


@dataclass
class Site:
    """A store with its engine and its reads, and words for what happens at the systems."""

    store: Store
    engine: Engine
    reads: StoreReads
    acts: ExceptionActs
    clock: SteppedClock
    count: int = field(default=0)

    async def changed(
        self, system: str, key: str, fields: Mapping[str, RawValue], operation: Operation = Operation.UPDATE
    ) -> None:
        """A system's stream says that a record changed."""
        name = self.engine.book.of("customer").at(system).object.name
        self.count += 1
        blind = system == "sap"
        change = Change(
            source_id=f"e{self.count}",
            stream="changes",
            kind=ChangeKind.TOLD if blind else ChangeKind.EVENT,
            object=name,
            keys=(key,),
            operation=operation,
            fields=fields,
            order=self.count,
            at=self.clock.now(),
        )
        await self.take(system, change)

    async def take(self, system: str, change: Change) -> None:
        """One change through the real intake."""
        token = self.store.token
        await self.engine.work("intake", lambda desk: observation.take(desk, system, change, token))

    async def read(self, system: str, key: str, fields: Mapping[str, RawValue]) -> None:
        """A read shows the record as it is now."""
        name = self.engine.book.of("customer").at(system).object.name
        self.count += 1
        await self.take(
            system, Change(f"r{self.count}", "reads", ChangeKind.READ, name, (key,), fields=fields)
        )

    async def ready(self, target: str) -> list[Command]:
        """Commands that wait for a target."""
        return await self.engine.work("ready", lambda desk: outbox.ready(desk.tx, target, 10))

    async def deliver(self, target: str, outcome: Outcome) -> Command:
        """Send the one ready command of a target; this is what came of it."""
        (command,) = await self.ready(target)
        now = int(self.clock.now().timestamp() * 1000)
        await self.engine.work(
            "sent", lambda desk: outbox.move(desk.tx, command, CommandState.SENT, "taken", sent=now)
        )
        await self.engine.work("outcome", lambda desk: answer.record(desk, command.number, outcome))
        return command

    async def answered(self, handle: str, outcome: str, code: str, text: str = "", key: str = "") -> None:
        """SAP answers for an IDoc."""
        self.count += 1
        await self.take(
            "sap",
            Change(
                source_id=f"a{self.count}",
                stream="answers",
                kind=ChangeKind.ANSWER,
                object="DEBMAS",
                order=self.count,
                answer=Answer(handle, outcome, code, text, key or None),
            ),
        )

    async def born(self, number: str = "C-000123", key: str = "001A", name: str = "Müller & Söhne") -> None:
        """A customer is created in Salesforce."""
        fields = {"Number": number, "Name": name, "Currency": "EUR", "Phone": "0461 123"}
        await self.changed("salesforce", key, fields, Operation.CREATE)

    async def rejected(self, text: str = "Name 'Müller & Söhne' is blocked") -> None:
        """The ERP refuses the customer, and repeats its name in doing so."""
        outcome = Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="E42", text=text)
        await self.deliver("erp", outcome)

    async def clashed(self, field: str, at_salesforce: str, at_erp: str) -> None:
        """A customer that has arrived in the ERP is edited there and in Salesforce at once."""
        first = {"number": "C-000123", "name": "Müller & Söhne", "currency": "EUR"}
        first |= {"phone": "0461 123", "note": "white"}
        born = {name.title(): value for name, value in first.items()}
        await self.changed("salesforce", "001A", born, Operation.CREATE)
        await self.deliver("erp", Outcome(OutcomeKind.ACCEPTED, key="4711", code="201"))
        await self.read("erp", "4711", first)
        await self.changed("salesforce", "001A", {field.title(): at_salesforce})
        await self.read("erp", "4711", {**first, field: at_erp})

    def execute(self, statement: str) -> None:
        """Damage the store behind the engine's back."""
        with self.store.transaction("damage") as tx:
            tx.run(statement)

    def states(self, states: Mapping[str, str]) -> None:
        """What the runtime writes about its systems."""
        with self.store.transaction("states") as tx:
            for name, state in states.items():
                tx.run(
                    "INSERT INTO system (name, kind, state, since, reason) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason = excluded.reason",
                    name,
                    KINDS[name],
                    state,
                    tx.now,
                    "" if state == "up" else f"{name} refused the connection",
                )


@asynccontextmanager
async def site(directory: Path) -> AsyncIterator[Site]:
    """An open site; closed in good order."""
    clock = SteppedClock()
    store = Store.open(directory, clock)
    reader = await StoreReader.open(store.file)
    try:
        engine = Engine(store, DirectWriter(store), rulebook(), {}, clock)
        reads = StoreReads(reader, engine.book, clock, Life(kinds=KINDS, started=BEGIN))
        yield Site(store, engine, reads, ExceptionActs(engine), clock)
    finally:
        await reader.close()
        store.close()
