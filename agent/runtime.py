"""The agent at run time: three loops for each system around one store, and one place that sees all errors.

      Salesforce ─ Pub/Sub gRPC ─┐                                  ┌─ REST ──▶ Salesforce
 legacy DB ─ ODBC, trigger journal ─▶ INTAKE ─▶ MIRROR ─▶ PLAN ─▶ OUTBOX ─▶ DELIVERY ─ ODBC ▶ legacy DB
           SAP ─ IDoc files ─────┘      │       images,   (pure)  commands    │      └─ IDoc ──▶ SAP
                                        │       base, agreed                  ▼
        position + inbox + images + plan + outbox    accepted │ stored │ rejected │ retry │ uncertain
                   = ONE transaction                    │         │         │                 │
                          ▲                          CONFIRM      │     exception     resend or read
                          └────── fresh image ◀─────────┘   answer comes through INTAKE (days later)

Read on in ``flow``: recovery, intake, observation, planning, delivery, answer, confirm, sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from adapters import registry
from agent import config as configuration
from agent.api.application import build
from agent.api.server import serve
from agent.clock import Clock
from agent.config import Config, secrets
from agent.core.rulebook import Rulebook
from agent.core.space import Reserve
from agent.errors import ConfigError, Fenced, IsthmusError, RemoteError, RolledBack
from agent.flow.acts import ExceptionActs
from agent.flow.confirm import Confirm
from agent.flow.delivery import Delivery
from agent.flow.desk import Terms
from agent.flow.engine import Engine, Signal
from agent.flow.health import Health
from agent.flow.intake import Intake
from agent.flow.missed import Missed
from agent.flow.recovery import ask_witness, recover
from agent.flow.rounds import Rounds, after
from agent.flow.snapshot import Snapshot
from agent.flow.space import LOOK_S, Space
from agent.flow.sweep import sweep
from agent.operations.figures import Life
from agent.operations.reads import StoreReads
from agent.ports import System
from agent.store.database import Begin, Store
from agent.store.fault import DiskFull
from agent.store.reads import StoreReader
from agent.store.writer import Writer

log = structlog.get_logger()

Worker = Delivery | Confirm | Snapshot | Missed

#: A start waits so long for the witnesses; those that are silent are asked before anything is done there.
WITNESS_S = 10.0
#: So many epochs one process begins at most because systems have seen more than its store knows.
EPOCHS = 3


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything made from a configuration, before the store is opened and anything is reached."""

    config: Config
    systems: Mapping[str, System]
    book: Rulebook


def assemble(config: Config) -> Assembly:
    """Make the systems and the rules. Raises ConfigError with every problem."""
    systems: dict[str, System] = {}
    found: list[configuration.Fault] = []
    for name, chosen in config.systems.items():
        objects = configuration.objects(config, name)
        try:
            systems[name] = registry.connect(chosen.kind, name, chosen.settings, objects, secrets.resolve)
        except ConfigError as error:
            found += configuration.labelled(error, config, name)
    guarantees = {name: system.target.guarantees for name, system in systems.items()}
    return Assembly(config, systems, Rulebook(configuration.rules(config, guarantees, found)))


def terms(config: Config) -> Terms:
    """The engine's times and defaults as configured."""
    agent = config.agent
    return Terms(
        confirm_after_s=agent.confirm_after_s,
        retry={name: system.retry for name, system in config.systems.items()},
        stored_due_s=agent.stored_due_s,
        uncertain_due_s=agent.uncertain_due_s,
        exception_due_h=agent.exception_due_h,
        exception_owner=agent.exception_owner,
        mass_window_s=agent.mass_window_s,
        look_every_s=agent.look_every_s,
    )


@asynccontextmanager
async def engine(assembly: Assembly, clock: Clock, begin: Begin | None = None) -> AsyncIterator[Engine]:
    """The open store with its writer, and the engine on it; all closed in good order."""
    store = Store.open(assembly.config.agent.state_dir, clock, begin)
    writer = Writer(store)
    try:
        yield Engine(store, writer, assembly.book, assembly.systems, clock, terms(assembly.config))
    finally:
        writer.close()
        store.close()


class Runtime:
    """The loops of a running agent. ``run`` returns when it was asked to stop."""

    def __init__(self, assembly: Assembly, engine: Engine) -> None:
        self._assembly = assembly
        self._engine = engine
        self._health = Health(engine)
        agent = assembly.config.agent
        self._space = Space(engine, self._health, Reserve(agent.ballast_mb << 20, agent.reserve_mb << 20))
        self._chance = random.Random()
        self._progress: dict[str, datetime] = {}

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Recover, then run every loop until the first unexpected error or until ``stop`` is set."""
        try:
            await self._recover()
            await self._work(stop or asyncio.Event())
        finally:
            await self._close()
            log.info("stopped", action="agent.stopped")

    async def _recover(self) -> None:
        asking = (self._ask_witness(name) for name in self._engine.systems)
        for found in await asyncio.gather(*asking, return_exceptions=True):
            if isinstance(found, BaseException):
                raise found
        recovered = await recover(self._engine)
        await self._health.declare()
        log.info(
            "recovered",
            action="agent.recovered",
            epoch=self._engine.store.epoch,
            life=self._engine.store.life.id,
            uncertain=recovered.uncertain,
            planned=recovered.planned,
        )

    async def _ask_witness(self, system: str) -> None:
        try:
            async with asyncio.timeout(WITNESS_S):
                await ask_witness(self._engine, system)
        except TimeoutError:
            log.warning("witness silent", action="fence.silent", system=system, reason="no answer in time")

    async def _work(self, stop: asyncio.Event) -> None:
        tasks = [asyncio.create_task(self._lasting(work), name=label) for label, work in self._loops()]
        waiting = asyncio.create_task(stop.wait(), name="stop")
        try:
            log.info("running", action="agent.running", systems=list(self._engine.systems))
            done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {waiting}:
                log.error("a loop ended", action="agent.loop_ended", loop=task.get_name())
                task.result()
                raise RuntimeError(f"the loop {task.get_name()} ended by itself")
        finally:
            for task in (*tasks, waiting):
                task.cancel()
            await asyncio.gather(*tasks, waiting, return_exceptions=True)

    def _loops(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        loops: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = [
            ("space", self._watch_space),
            ("inspection", self._inspect),
            ("sweep", self._sweep),
            ("control", self._control),
        ]
        for name, system in self._engine.systems.items():
            loops.append((f"intake {name}", partial(self._intake, name, Intake(self._engine, system))))
            loops.append((f"delivery {name}", partial(self._deliver, name, Delivery(self._engine, system))))
            if system.reader is not None:
                loops.append((f"confirm {name}", partial(self._confirm, name, Confirm(self._engine, system))))
                loops.append(
                    (f"snapshot {name}", partial(self._snapshot, name, Snapshot(self._engine, system)))
                )
                loops.append((f"missed {name}", partial(self._missed, name, Missed(self._engine, system))))
        return loops

    async def _lasting(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop; where not even the ballast made room for what it did, begin it anew when there is room.

        A delivery begins by taking everything sent without an outcome as uncertain.
        """
        while True:
            try:
                return await loop()
            except DiskFull as full:
                await self._space.relief(full)

    async def _inspect(self) -> None:
        """Read a large store once while it is used; a start does not wait. A damaged one ends the run."""
        store, began = self._engine.store, self._engine.clock.monotonic()
        if not store.inspected:
            try:
                await asyncio.to_thread(store.inspect)
            finally:
                store.stop_inspecting()
            took = round(self._engine.clock.monotonic() - began, 1)
            log.info("the store is whole", action="store.inspected", seconds=took)
        await asyncio.Event().wait()

    async def _watch_space(self) -> None:
        while True:
            self._mark("space")
            await self._space.look()
            await asyncio.sleep(LOOK_S)

    async def _control(self) -> None:
        """Answer the command line and the dashboard on the socket."""
        reader = await StoreReader.open(self._engine.store.file)
        try:
            life = Life(
                kinds={name: system.kind for name, system in self._engine.systems.items()},
                started=self._engine.clock.now(),
                progress=lambda: dict(self._progress),
                ailments=lambda: {
                    name: system.ailments()
                    for name, system in self._engine.systems.items()
                    if system.ailments is not None
                },
                gauges=lambda: {
                    name: system.gauges()
                    for name, system in self._engine.systems.items()
                    if system.gauges is not None
                },
            )
            reads = StoreReads(reader, self._engine.book, self._engine.clock, life)
            app = build(reads, ExceptionActs(self._engine))
            await serve(app, self._assembly.config.agent.socket)
        finally:
            await reader.close()

    async def _intake(self, system: str, intake: Intake) -> None:
        failures = 0
        try:
            while True:
                try:
                    if not self._space.open:
                        await intake.close()
                        await self._space.wait()
                    await intake.open()
                    await self._health.well(system, "intake")
                    await intake.step()
                except RemoteError as error:
                    failures += 1
                    await self._health.ill(system, "intake", str(error))
                    await intake.close()
                    retry = self._engine.terms.retry_of(system)
                    await asyncio.sleep(after(error, failures, retry, self._chance.random()))
                    continue
                failures = 0
                await self._health.well(system, "intake")
        finally:
            with contextlib.suppress(RemoteError):
                await intake.close()

    async def _deliver(self, system: str, delivery: Delivery) -> None:
        await delivery.recover()
        rounds = self._rounds(system, "delivery", delivery, self._engine.deliver[system])
        rounds.refused = lambda: delivery.refused_all
        await rounds.run()

    async def _confirm(self, system: str, confirm: Confirm) -> None:
        await self._rounds(system, "confirm", confirm, self._engine.confirm[system]).run()

    async def _snapshot(self, system: str, snapshot: Snapshot) -> None:
        await self._rounds(system, "snapshot", snapshot, self._engine.snapshot[system]).run()

    async def _missed(self, system: str, missed: Missed) -> None:
        await self._rounds(system, "missed", missed, Signal()).run()

    def _rounds(self, system: str, loop: str, worker: Worker, wake: Signal) -> Rounds:
        return Rounds(
            self._engine,
            self._health,
            system,
            loop,
            worker.step,
            worker.next_due_ms,
            wake,
            mark=self._mark,
            chance=self._chance,
        )

    async def _sweep(self) -> None:
        while True:
            self._mark("sweep")
            await asyncio.sleep(self._assembly.config.agent.sweep_s)
            swept = await sweep(self._engine)
            for fence in self._engine.fences.values():
                with contextlib.suppress(RemoteError):  # the loops of that system tell that it is silent
                    await fence.look()
            if swept.overdue or swept.unbound:
                log.warning(
                    "exceptions opened",
                    action="sweep.exceptions",
                    overdue=swept.overdue,
                    unbound=swept.unbound,
                )

    def _mark(self, loop: str) -> None:
        """A loop got somewhere. One that waits for its source to speak has the source's own watchdog."""
        self._progress[loop] = self._engine.clock.now()

    async def _close(self) -> None:
        for system in self._engine.systems.values():
            with contextlib.suppress(IsthmusError):
                await system.source.close()
            with contextlib.suppress(IsthmusError):
                await system.target.close()


async def run(config: Config, clock: Clock, *, take_over: bool = False) -> None:
    """Run the agent until it is told to stop. Raises what its configuration, store or loops raise.

    A system that has seen more than the store knows ends the run; it goes on in a new epoch.
    """
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    begin = Begin(take_over=take_over)
    for _ in range(1 + EPOCHS):
        assembly = assemble(config)
        try:
            async with engine(assembly, clock, begin) as built:
                await Runtime(assembly, built).run(stop)
        except RolledBack as found:
            log.warning("older than the systems", action="agent.rolled_back", reason=found.message)
            begin = Begin(beyond=found.epoch, why=found.message)
        else:
            return
    raise Fenced(
        f"{EPOCHS} epochs were begun in a row, the last one because {begin.why}",
        where=str(config.agent.state_dir),
        remedy="two agents on copies of this store take it from each other: stop one of them",
    )
