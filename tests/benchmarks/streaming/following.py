"""The product's own way from the stream into the mirror: its source, its intake, its store on disk."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.salesforce.system import connect
from agent.clock import SystemClock
from agent.core.change import Batch
from agent.core.delivery import Guarantees
from agent.core.guard import MassLimits
from agent.core.objects import FieldSpec, ObjectSpec
from agent.core.rulebook import Rulebook
from agent.errors import RemoteError
from agent.flow.confirm import Confirm
from agent.flow.delivery import Delivery
from agent.flow.desk import Terms
from agent.flow.engine import Engine
from agent.flow.intake import Intake
from agent.flow.rounds import after
from agent.ports import Source, System
from agent.store.database import Store
from agent.store.writer import DirectWriter, Writer
from tests.benchmarks.contract import (
    CLOUD,
    ERP,
    FIELDS,
    IDENTITY_FIELD,
    OBJECT,
    TYPE,
    field_type,
    rulebook,
    source_name,
)
from tests.benchmarks.peers import Peer
from tests.salesforce.orgprocess import Org

CUSTOMER = ObjectSpec(
    OBJECT, "Id", tuple(FieldSpec(source_name(n), field_type(n)) for n in range(FIELDS)), IDENTITY_FIELD
)
#: Told of each batch that is durable, and when, by the monotonic clock.
Told = Callable[[Batch, float], None]


def connected(told: Mapping[str, Any], **settings: Any) -> System:
    """The org as a system: TLS and a JWT."""
    org = Org(dict(told))
    return connect(CLOUD, org.settings(**settings), [CUSTOMER], org.secret)


@dataclass
class Linked(Peer):
    """The place of the org in the rules."""

    system_there: System | None = None

    def guarantees(self, object: str) -> Guarantees:
        """Those of the adapter."""
        assert self.system_there is not None
        return self.system_there.target.guarantees(object)


class Witness:
    """A source that is passed through, and notes what the engine made durable."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.position: bytes | None = None
        self.seen = 0
        self.batches = 0
        self.told: Told = lambda batch, at: None

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """As the source."""
        await self.source.open(positions)

    async def read(self) -> Batch:
        """As the source."""
        return await self.source.read()

    async def ack(self, batch: Batch) -> None:
        """The engine calls this as soon as it has committed."""
        self.told(batch, time.monotonic())
        self.seen += len(batch.changes)
        self.batches += bool(batch.changes)
        self.position = batch.position or self.position
        await self.source.ack(batch)

    async def close(self) -> None:
        """As the source."""
        await self.source.close()


class Following:
    """An open store, and the intake that follows the org into it."""

    def __init__(self, engine: Engine, witness: Witness) -> None:
        self.engine = engine
        self.witness = witness
        self._intake = Intake(engine, engine.systems[CLOUD])
        self._chance = random.Random(1)

    async def open(self) -> None:
        """Connect behind the stored position."""
        await self._intake.open()

    async def close(self) -> None:
        """Hang up."""
        await self._intake.close()

    async def step(self) -> None:
        """One batch, made durable."""
        await self._intake.step()

    async def until(self, position: bytes) -> None:
        """Take all that comes until this place is durable."""
        while self.witness.position != position:
            await self._intake.step()

    async def endure(self, position: bytes) -> None:
        """The same as the running agent does: what breaks is opened again, with its back-off."""
        failures = 0
        while self.witness.position != position:
            try:
                await self._intake.open()
                await self._intake.step()
            except RemoteError as error:
                failures += 1
                await self._intake.close()
                retry = self.engine.terms.retry_of(CLOUD)
                await asyncio.sleep(after(error, failures, retry, self._chance.random()))
            else:
                failures = 0

    async def settle(self) -> None:
        """Deliver what was planned for the ERP and read it back, so that nothing is left open there."""
        await self._deliver(ERP)

    async def agree(self, newest: Callable[[], bytes]) -> None:
        """Take all that there is and deliver both ways, echoes too, until nothing is left open anywhere.

        However many are created: where there was nothing before, that would be held back as a mass change.
        """
        usual, moved = self.engine.book, 1
        unheld = replace(usual.of(TYPE), mass=MassLimits(change_floor=10**9))
        self.engine.book = Rulebook({TYPE: unheld})
        while moved:
            await self.open()
            await self.until(newest())
            await self.close()
            moved = await self._deliver(ERP) + await self._deliver(CLOUD)
        self.engine.book = usual

    async def _deliver(self, name: str) -> int:
        system, count, moved = self.engine.systems[name], 0, 1
        loops = (Delivery(self.engine, system), Confirm(self.engine, system))
        while moved:
            moved = sum([await loop.step() for loop in loops])
            count += moved
        return count

    @contextmanager
    def through(self, source: Source) -> Iterator[None]:
        """Follow by another way meanwhile; nothing is open before and behind."""
        before, self.witness.source = self.witness.source, source
        try:
            yield
        finally:
            self.witness.source = before


@asynccontextmanager
async def following(
    told: Mapping[str, Any], directory: Path, *, threaded: bool = True, **settings: Any
) -> AsyncIterator[Following]:
    """A store in the directory and an engine on it. ``threaded``: with the writer thread of an agent."""
    system = connected(told, **settings)
    witness = Witness(system.source)
    cloud = Linked(CLOUD, IDENTITY_FIELD, client="isthmus", system_there=system)
    erp = Peer(ERP, IDENTITY_FIELD)
    clock = SystemClock()
    store = Store.open(directory, clock)
    writer = Writer(store) if threaded else None
    systems = {CLOUD: replace(system, source=witness), ERP: erp.system()}
    terms, chance = Terms(confirm_after_s=0.0), random.Random(1)
    made = Following(
        Engine(store, writer or DirectWriter(store), rulebook((cloud, erp)), systems, clock, terms, chance),
        witness,
    )
    try:
        yield made
    finally:
        await made.close()
        await system.target.close()
        if writer is not None:
            writer.close()
        store.close()
