"""What is recorded besides the flow: a store's birth, many writers at once, a very large transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.store.database import FILE, Store
from agent.store.transaction import Transaction
from agent.store.writer import Writer
from tests.faults.disk import oracle, place
from tests.faults.disk.oracle import Judge, State
from tests.faults.disk.recording import Recording, recorded
from tests.faults.disk.tape import Tape
from tests.flow.systems.time import TestClock

#: Rows of the journal that a unit of work writes.
ROWS = 3
#: Characters in a row of a transaction that does not fit into SQLite's cache (2 MB), and such rows in it.
LONG, MANY = 30_000, 90


def birth() -> tuple[Recording, Judge]:
    """A store is made, written to once, and opened again."""
    with place.folder("recorded") as directory:
        recording = Recording(Tape(directory), [State(b"", ())])
        with recorded(recording):
            store = Store.open(directory, TestClock())
            recording.acknowledge()
            with store.transaction("first") as tx:
                tx.journal("unit", "1", "", "x", "first")
            recording.acknowledge()
            store.close()
            store = Store.open(directory, TestClock())
            recording.acknowledge()
            store.close()
        return recording, oracle.by_birth(recording.states)


def large() -> tuple[Recording, Judge]:
    """A transaction that SQLite has to write into the log before it is committed, between two small ones."""
    with place.folder("recorded") as directory:
        Store.open(directory, TestClock()).close()
        begins = oracle.noted(directory / FILE)
        recording = Recording(Tape(directory), [begins])
        with recorded(recording):
            store = Store.open(directory, TestClock())
            recording.acknowledge()  # the life that began
            for count, size in ((1, 10), (MANY, LONG), (1, 10)):
                with store.transaction("large") as tx:
                    for number in range(count):
                        tx.journal("unit", str(number), "", "x", "long " * (size // 5))
                recording.acknowledge()
            store.close()
        return recording, oracle.by_states(recording.states)


def writers(count: int = 60) -> tuple[Recording, Judge]:
    """Callers that hand over units of work at once, a few at a time; which share a commit is not fixed."""
    with place.folder("recorded") as directory:
        Store.open(directory, TestClock()).close()
        recording = Recording(Tape(directory))
        told: list[str] = []
        with recorded(recording):
            store = Store.open(directory, TestClock())
            writer = Writer(store)
            try:
                asyncio.run(_hand_over(writer, count, recording.tape, told))
            finally:
                writer.close()
                store.close()
        return recording, oracle.by_units(told, ROWS)


async def _hand_over(writer: Writer, count: int, tape: Tape, told: list[str]) -> None:
    async def one(name: str) -> None:
        await writer.write("unit", _unit(name))
        told.append(name)
        tape.mark(len(told))

    for first in range(0, count, 5):
        await asyncio.gather(*(one(f"u{number}") for number in range(first, min(first + 5, count))))


def _unit(name: str) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        for number in range(ROWS):
            tx.journal("unit", name, "", str(number), "a row of a unit " * 20)

    return work
