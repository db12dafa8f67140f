"""A store with an engine that captures one ERP's table, and the moments at which changes were durable."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from adapters.odbc import Settings, connect
from adapters.odbc.tables import TableSettings
from agent.clock import SystemClock
from agent.core.change import Batch
from agent.core.contract import (
    ContractField,
    EntityAtSystem,
    EntityRules,
    FieldMapping,
    OwnerRow,
    Transfer,
)
from agent.core.objects import FieldType
from agent.core.rulebook import Rulebook
from agent.flow.desk import Terms
from agent.flow.engine import Engine
from agent.flow.intake import Intake
from agent.ports import Source, System
from agent.store.database import Store
from agent.store.transaction import Transaction
from agent.store.writer import Writer
from tests.benchmarks.capture.table import ACCOUNT, COLUMNS

ERP, TYPE = "erp", "account"
T = TypeVar("T")


@dataclass
class Noted:
    """A source that keeps the batch which it gave last."""

    source: Source
    last: Batch = field(default_factory=lambda: Batch("", ()))

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """As the source."""
        await self.source.open(positions)

    async def read(self) -> Batch:
        """As the source."""
        self.last = await self.source.read()
        return self.last

    async def ack(self, batch: Batch) -> None:
        """As the source."""
        await self.source.ack(batch)

    async def close(self) -> None:
        """As the source."""
        await self.source.close()


@dataclass
class Committing:
    """Writes of the store; tells the moment at which a batch was durable."""

    writer: Writer
    told: Callable[[], None] = lambda: None

    async def write(self, label: str, work: Callable[[Transaction], T], actor: str = "agent") -> T:
        """As the writer."""
        result = await self.writer.write(label, work, actor)
        if label == "intake":
            self.told()
        return result


@dataclass
class Place:
    """The open store and its intake.

    there   what a change is known by → when it was durable, by the monotonic clock
    """

    engine: Engine
    erp: System
    intake: Intake
    source: Noted
    there: dict[str, float] = field(default_factory=dict)
    changes: int = 0

    def note(self) -> None:
        """The last batch is durable."""
        now = time.monotonic()
        self.changes += len(self.source.last.changes)
        for change in self.source.last.changes:
            name = change.fields.get("name")
            if name is not None:
                self.there.setdefault(str(name), now)

    async def until(self, names: set[str]) -> None:
        """Take what comes until all of these were seen."""
        while not names <= self.there.keys():
            await self.intake.step()

    async def close(self) -> None:
        """Give the ERP up."""
        await self.intake.close()
        await self.erp.target.close()


def rulebook(erp: System) -> Rulebook:
    """An account that is born in the ERP, and goes nowhere from there."""
    place = EntityAtSystem(
        system=ERP,
        object=ACCOUNT,
        fields={name: FieldMapping(name, name) for name in COLUMNS},
        guarantees=erp.target.guarantees(ACCOUNT.name),
    )
    fields = {name: _field(name) for name in COLUMNS}
    return Rulebook({TYPE: EntityRules(TYPE, "v1", Transfer.STATE, fields, {ERP: place}, births=(ERP,))})


def _field(name: str) -> ContractField:
    kind = FieldType.DECIMAL if name == "credit" else FieldType.TEXT
    return ContractField(name, kind, owners=(OwnerRow(ERP),))


@contextmanager
def opened(
    directory: Path, connection: str, table: TableSettings, poll_s: float | None = None
) -> Iterator[Place]:
    """A new store in a directory, captured in the given way."""
    settings = Settings(connection=connection, tables={ACCOUNT.name: table})
    if poll_s is not None:
        settings.poll_s = poll_s
    found = connect(ERP, settings, [ACCOUNT], str)
    noted = Noted(found.source)
    erp = replace(found, source=noted)
    clock = SystemClock()
    store = Store.open(directory, clock)
    writes = Committing(Writer(store))
    try:
        engine = Engine(store, writes, rulebook(erp), {ERP: erp}, clock, Terms(), random.Random(1))
        place = Place(engine, erp, Intake(engine, erp), noted)
        writes.told = place.note
        yield place
    finally:
        writes.writer.close()
        store.close()
