"""The running agent between three systems that wait for their users, on a disk that can be filled up."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent import runtime
from agent.api.client import ServiceClient
from agent.config import AgentSettings, Config
from agent.config.shape import SystemSettings
from agent.core.change import Batch
from agent.core.delivery import Delivery, Outcome
from agent.core.retry import Retry
from agent.operations.verdict import verdict
from agent.store.database import FILE
from tests.faults.disk import place
from tests.faults.disk.budget import Budget, limited
from tests.flow.rules import rulebook
from tests.flow.systems.blind import Blind
from tests.flow.systems.cloud import Cloud
from tests.flow.systems.ledger import Ledger
from tests.flow.systems.time import TestClock

MB = 1 << 20
#: Megabytes: of the disk, of the ballast, and of what must be free besides.
DISK, BALLAST, RESERVE = 40, 16, 4
#: Seconds after which nothing is waited for any more, and between two looks.
DEADLINE_S, LOOK_S = 20.0, 0.02


async def until(look: Callable[[], object], what: str) -> None:
    """Until something holds. Raises AssertionError saying what never came."""
    ends = time.monotonic() + DEADLINE_S
    while not look():
        assert time.monotonic() < ends, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(LOOK_S)


async def _news(look: Callable[[], object]) -> None:
    """Until a system has something to tell, however long that takes."""
    while not look():  # noqa: ASYNC110 - the systems have no event that could be waited for
        await asyncio.sleep(LOOK_S)


class _Running(TestClock):
    """A clock that runs, from the day of the tests."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=time.monotonic() - self._began)

    def monotonic(self) -> float:
        return time.monotonic()


class _Cloud(Cloud):
    """``reading``: whether the agent has its stream open."""

    reading = False

    async def open(self, positions: Mapping[str, bytes]) -> None:
        await super().open(positions)
        self.reading = True

    async def close(self) -> None:
        self.reading = False

    async def read(self) -> Batch:
        await _news(lambda: self.events[self._position :])
        return await super().read()


class _Erp(Ledger):
    """Can be held: what it is sent waits, and is applied when it is let go."""

    free: asyncio.Event

    async def read(self) -> Batch:
        await _news(lambda: self.journal)
        return await super().read()

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        await self.free.wait()
        return await super().apply(deliveries)


class _Sap(Blind):
    """Posts what it is handed at once."""

    async def read(self) -> Batch:
        await _news(lambda: self.files)
        return await super().read()

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes = await super().apply(deliveries)
        while self.post(echo=True):
            pass
        return outcomes


class Shop:
    """What a test does with it, and what it may look at."""

    def __init__(self, directory: Path, budget: Budget) -> None:
        self.directory = directory
        self.budget = budget
        self.clock = _Running()
        self.cloud, self.erp, self.sap = _Cloud(self.clock), _Erp(), _Sap()
        self.erp.free = asyncio.Event()
        self.erp.free.set()
        self.values = 0

    def assembly(self) -> runtime.Assembly:
        """The agent, as if it were configured so."""
        systems = {
            system.name: system for system in (self.cloud.system(), self.erp.system(), self.sap.system())
        }
        settings = AgentSettings(
            state_dir=self.directory, ballast_mb=BALLAST, reserve_mb=RESERVE, sweep_s=1.0
        )
        tried = {
            name: SystemSettings(name, system.kind, settings, Retry(0.1, 300.0))
            for name, system in systems.items()
        }
        config = Config(self.directory / "none.toml", settings, tried, {}, {}, "", {})
        return runtime.Assembly(config, systems, rulebook(systems["sf"], systems["erp"], systems["sap"]))

    async def run(self) -> None:
        """The agent runs."""
        assembly = self.assembly()
        async with runtime.engine(assembly, self.clock) as built:
            await runtime.Runtime(assembly, built).run()

    def create(self) -> str:
        """A user creates a customer."""
        return self.cloud.user_create("Account", {"Name": self._value(), "Phone": self._value()})

    def rename(self, customer: str) -> str:
        """A user gives a customer another name; which."""
        name = self._value()
        self.cloud.user_edit(customer, "Name", name)
        return name

    def _value(self) -> str:
        self.values += 1
        return f"v{self.values} " + "x" * 2000

    def names(self) -> set[object]:
        """The names of the customers in the ERP."""
        return {row.get("name") for (object_, _), row in self.erp.rows.items() if object_ == "customer"}

    def name_of(self, customer: str) -> object:
        """The name of a customer in the cloud."""
        return self.cloud.records[customer].fields["Name"]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the store."""
        with closing(sqlite3.connect(f"file:{self.directory / FILE}?mode=ro&vfs=unix", uri=True)) as look:
            return look.execute(statement).fetchall()

    def count(self, where: str) -> int:
        """How many commands for the ERP there are with this."""
        return int(self.rows(f"SELECT count(*) FROM outbox WHERE target = 'erp' AND {where}")[0][0])

    def ballast(self) -> int:
        """Megabytes of ballast in place."""
        file = self.directory / "ballast"
        return file.stat().st_size // MB if file.exists() else 0

    async def said(self) -> str:
        """What `isthmus status` says."""
        async with ServiceClient(self.directory / "control.sock") as client:
            found = verdict(await client.status())
        return f"{found.word}: {'; '.join(found.reasons)}"


@asynccontextmanager
async def opened() -> AsyncIterator[Shop]:
    """The agent runs until the block ends; what ended it before is raised."""
    with place.folder("shop") as directory, limited(directory, DISK * MB) as budget:
        shop = Shop(directory, budget)
        running = asyncio.create_task(shop.run())
        try:
            await until(lambda: running.done() or shop.ballast() == BALLAST, "the agent runs")
            yield shop
            assert not running.done()
        finally:
            running.cancel()
            [ended] = await asyncio.gather(running, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended
