"""A store with an engine between a cloud in memory and a real ERP behind ODBC."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.odbc import Settings, connect
from agent.clock import SystemClock
from agent.core.change import Batch, Change, ChangeKind, Operation, RawValue
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
from agent.core.guard import MassLimits
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.core.rulebook import Rulebook
from agent.flow.confirm import Confirm
from agent.flow.delivery import Delivery
from agent.flow.desk import Terms
from agent.flow.engine import Engine
from agent.flow.intake import Intake
from agent.ports import System
from agent.store.database import Store
from agent.store.writer import DirectWriter, Writer
from tests.benchmarks.applying.figures import CUSTOMER
from tests.benchmarks.peers import Peer

CLOUD, ERP, TYPE, OBJECT = "crm", "erp", "customer", "Account"
IDENTITY_FIELD = "Isthmus_Id__c"
#: Written by people in the cloud, unless they are shared with the ERP's.
FIELDS = tuple(item.name for item in CUSTOMER.fields if item.name != CUSTOMER.key)
SHARED = frozenset({"phone"})
#: By this people would know the record in the ERP.
BUSINESS_KEY = "name"
#: Changes of one batch.
BATCH = 200
_KINDS = {item.name: item.type for item in CUSTOMER.fields}


def rulebook(cloud: Peer, erp: System) -> Rulebook:
    """A customer that is born in the cloud."""
    mine = tuple(FieldSpec(name, _KINDS[name]) for name in FIELDS)
    places = (
        EntityAtSystem(
            system=CLOUD,
            object=ObjectSpec(OBJECT, "Id", mine, IDENTITY_FIELD),
            fields={name: FieldMapping(name, name) for name in FIELDS},
            guarantees=cloud.guarantees(OBJECT),
        ),
        EntityAtSystem(
            system=ERP,
            object=CUSTOMER,
            fields={name: FieldMapping(name, name) for name in FIELDS},
            guarantees=erp.target.guarantees(CUSTOMER.name),
            create=True,
            delete=True,
        ),
    )
    rules = EntityRules(
        type=TYPE,
        version="v1",
        transfer=Transfer.STATE,
        fields={name: _field(name) for name in FIELDS},
        systems={place.system: place for place in places},
        births=(CLOUD,),
        key=BUSINESS_KEY,
        mass=MassLimits(change_floor=10**9),  # what is held back is not what is measured
    )
    return Rulebook({TYPE: with_identity(rules)})


def _field(name: str) -> ContractField:
    shared = name in SHARED
    return ContractField(
        name,
        _KINDS.get(name, FieldType.TEXT),
        owners=() if shared else (OwnerRow(CLOUD),),
        survivorship=Survivorship(SurvivorshipKind.PREFER, CLOUD) if shared else None,
    )


@dataclass
class Place:
    """The open store, and the loops of the flow, to be stepped by hand."""

    engine: Engine
    cloud: Peer
    erp: System
    number: int = 0

    async def enter(self, rows: Sequence[dict[str, RawValue]]) -> None:
        """People in the cloud create these: commands to the ERP stand ready then, nothing else."""
        await self._take([self._event(row, Operation.CREATE, row) for row in rows])
        await self._all(Delivery(self.engine, self.engine.systems[CLOUD]))
        await self._all(Confirm(self.engine, self.engine.systems[CLOUD]))

    async def edit(self, rows: Sequence[dict[str, RawValue]]) -> None:
        """People in the cloud move these, and give them another telephone."""
        named = ("name", "street", "city", "phone")
        edits = [{name: f"{row[name]} II" for name in named if name != BUSINESS_KEY} for row in rows]
        await self._take(
            [self._event(row, Operation.UPDATE, edit) for row, edit in zip(rows, edits, strict=True)]
        )

    async def confirm(self) -> None:
        """What was written in the ERP is read there."""
        await self._all(Confirm(self.engine, self.erp))

    async def drain(self) -> int:
        """Deliver until nothing is left. Returns how many commands moved."""
        return await self._all(Delivery(self.engine, self.erp))

    async def troubles(self) -> list[str]:
        """What the target answered beside that it took a command, each once."""
        statement = "SELECT DISTINCT why FROM journal WHERE subject = 'command' AND before = 'sent'"
        found = await self.engine.work("trouble", lambda desk: desk.tx.rows(statement))
        return sorted({str(row[0]) for row in found} - {"accepted"})

    async def _all(self, loop: Delivery | Confirm) -> int:
        moved = 0
        while some := await loop.step():
            moved += some
        return moved

    def _event(
        self, row: Mapping[str, RawValue], operation: Operation, fields: Mapping[str, RawValue]
    ) -> Change:
        self.number += 1
        key = f"001-{row[BUSINESS_KEY]}"
        self.cloud.rows[key] = {**self.cloud.rows.get(key, {}), **fields}
        return Change(
            source_id=f"event-{self.number}",
            stream="events",
            kind=ChangeKind.EVENT,
            object=OBJECT,
            keys=(key,),
            operation=operation,
            fields=fields,
            order=self.number,
            at=datetime.now(UTC),
            origin="user",
        )

    async def _take(self, changes: Sequence[Change]) -> None:
        for start in range(0, len(changes), BATCH):
            self.cloud.coming.append(Batch("events", tuple(changes[start : start + BATCH]), b"behind"))
        intake = Intake(self.engine, self.engine.systems[CLOUD])
        while self.cloud.coming:
            await intake.step()


@contextmanager
def opened(directory: Path, connection: str, *, threaded: bool = True) -> Iterator[Place]:
    """A new store in a directory. ``threaded``: with the writer thread of a running agent."""
    cloud = Peer(CLOUD, IDENTITY_FIELD, client="isthmus")
    erp = connect(ERP, Settings(connection=connection), [CUSTOMER], str)
    clock = SystemClock()
    store = Store.open(directory, clock)
    writer = Writer(store) if threaded else None
    systems = {CLOUD: cloud.system(), ERP: erp}
    try:
        engine = Engine(
            store,
            writer or DirectWriter(store),
            rulebook(cloud, erp),
            systems,
            clock,
            Terms(confirm_after_s=0.0),
            random.Random(1),
        )
        yield Place(engine, cloud, erp)
    finally:
        if writer is not None:
            writer.close()
        store.close()
