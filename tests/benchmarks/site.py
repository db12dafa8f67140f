"""The real engine on a real store in a directory, between two peers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.clock import SystemClock
from agent.flow.delivery import Delivery
from agent.flow.desk import Terms
from agent.flow.engine import Engine
from agent.flow.intake import Intake
from agent.store.database import Store
from agent.store.writer import DirectWriter, Writer
from tests.benchmarks.contract import CLOUD, ERP, IDENTITY_FIELD, rulebook
from tests.benchmarks.peers import Peer


@dataclass
class Site:
    """An open store with its engine, and the loops that are measured, to be stepped by hand."""

    engine: Engine
    cloud: Peer
    erp: Peer
    intake: Intake = field(init=False)
    delivery: Delivery = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(self.engine, self.engine.systems[CLOUD])
        self.delivery = Delivery(self.engine, self.engine.systems[ERP])


def peers() -> tuple[Peer, Peer]:
    """The cloud and the ERP."""
    return Peer(CLOUD, IDENTITY_FIELD, client="isthmus"), Peer(ERP, IDENTITY_FIELD)


@contextmanager
def opened(directory: Path, *, threaded: bool = True) -> Iterator[Site]:
    """Open the store in a directory. ``threaded``: with the writer thread of a running agent."""
    cloud, erp = peers()
    clock = SystemClock()
    store = Store.open(directory, clock)
    writer = Writer(store) if threaded else None
    systems = {CLOUD: cloud.system(), ERP: erp.system()}
    writes = writer or DirectWriter(store)
    terms = Terms(confirm_after_s=0.0)
    try:
        yield Site(
            Engine(store, writes, rulebook((cloud, erp)), systems, clock, terms, random.Random(1)), cloud, erp
        )
    finally:
        if writer is not None:
            writer.close()
        store.close()
