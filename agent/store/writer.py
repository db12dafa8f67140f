"""The one writer: a thread that takes all units of work that wait and commits them together.

Group commit makes synchronous=FULL affordable. Nearly always all units succeed: they run plainly, one behind
the other. Where one fails, all of it is taken back and runs once more, each unit in a savepoint, so that one
that fails takes back only its own. (A savepoint copies every page that is changed behind it.)
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import structlog

from agent.errors import StoreError
from agent.store.database import Store
from agent.store.fault import DiskFull
from agent.store.transaction import Transaction

log = structlog.get_logger()
T = TypeVar("T")

#: Units of work in one commit at most.
GROUP = 500
#: Seconds without work after which the log is copied into the database.
IDLE_S = 5.0


class Writes(Protocol):
    """Runs a unit of work in a transaction and returns when it is durable."""

    async def write(self, label: str, work: Callable[[Transaction], T], actor: str = "agent") -> T:
        """Run ``work``; its result, once committed. What it raises is raised here and nothing is kept."""


class Writer:
    """The writer thread. ``close`` finishes what was handed over."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._copied = store.token
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    async def write(self, label: str, work: Callable[[Transaction], T], actor: str = "agent") -> T:
        """Hand over a unit of work; its result, once committed."""
        if not self._thread.is_alive():
            raise StoreError(
                "the writer has ended; nothing can be written any more", remedy="restart the agent"
            )
        loop = asyncio.get_running_loop()
        unit = _Unit(label, work, actor, loop, loop.create_future())
        self._queue.put(unit)
        # A cancelled caller does not take back what may be committed already.
        result: T = await asyncio.shield(unit.future)
        return result

    def close(self) -> None:
        """Finish what was handed over and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                unit = self._queue.get(timeout=IDLE_S)
            except queue.Empty:
                self._shorten_log()
                continue
            units: list[_Unit] = []
            while unit is not None:
                units.append(unit)
                if len(units) == GROUP or self._queue.empty():
                    break
                unit = self._queue.get()
            if units:
                self._commit(units)
            if unit is None:
                return

    def _shorten_log(self) -> None:
        """Nobody waits: copy what was committed into the database, so that the log begins anew."""
        if self._store.token == self._copied:
            return
        try:
            found = with_ballast(self._store, self._store.checkpoint)
        except StoreError as fault:
            # Nothing is lost: it is in the log. A disk that failed is told to the next one who writes.
            log.warning("the log was not copied", action="store.checkpoint", reason=str(fault))
            return
        if found.copied == found.pages:
            self._copied = self._store.token

    def _commit(self, units: list[_Unit]) -> None:
        try:
            results = with_ballast(self._store, lambda: self._together(units))
        except BaseException as error:
            results = [(unit, None, error) for unit in units]
        for unit, result, fault in results:
            unit.finish(result, fault)

    def _together(self, units: list[_Unit]) -> list[_Result]:
        labels = tuple(dict.fromkeys(unit.label for unit in units))
        try:
            with self._store.transaction(*labels) as tx, settled(tx):
                return [(unit, unit.run(tx), None) for unit in units]
        except UnitFailed:
            with self._store.transaction(*labels) as tx:
                tx.apart = True
                return [(unit, *_run_unit(tx, unit)) for unit in units]


class UnitFailed(Exception):
    """A unit of work failed among others, for the reason behind this."""


@contextmanager
def settled(tx: Transaction) -> Iterator[None]:
    """Around units that run plainly: what they wrote is written. Raises UnitFailed, or the disk's fault."""
    try:
        yield
        tx.flush()
    except Exception as error:
        if tx.fault is not None:
            raise
        raise UnitFailed from error


def with_ballast(store: Store, work: Callable[[], T]) -> T:
    """Run a transaction; where the disk is full, give the ballast up and run it again. Raises DiskFull."""
    try:
        return work()
    except DiskFull:
        if not store.ballast.release():
            raise
    log.warning("the disk is full: the ballast was given up", action="store.ballast_released")
    return work()


def _run_unit(tx: Transaction, unit: _Unit) -> tuple[Any, BaseException | None]:
    tx.savepoint()
    try:
        result = unit.run(tx)
        tx.flush()
    except StopIteration as error:
        tx.rollback_savepoint()
        return None, RuntimeError(f"a unit of work ended with {error!r}")
    except Exception as error:
        tx.rollback_savepoint()
        return None, error
    tx.release_savepoint()
    return result, None


class _Unit:
    """A unit of work and the caller that waits for it."""

    def __init__(
        self,
        label: str,
        work: Callable[[Transaction], Any],
        actor: str,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
    ) -> None:
        self.label = label
        self.work = work
        self.actor = actor
        self.loop = loop
        self.future = future

    def run(self, tx: Transaction) -> Any:
        """Do the work."""
        tx.actor = self.actor
        return self.work(tx)

    def finish(self, result: Any, fault: BaseException | None) -> None:
        """Tell the caller, in its own loop."""
        with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._resolve, result, fault)

    def _resolve(self, result: Any, fault: BaseException | None) -> None:
        if self.future.done():
            return
        if fault is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(fault)


_Result = tuple[_Unit, Any, BaseException | None]


class DirectWriter:
    """Writes on the calling thread, a transaction per unit: for one-shot verbs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, label: str, work: Callable[[Transaction], T], actor: str = "agent") -> T:
        """Run a unit of work now."""

        def transaction() -> T:
            try:
                with self._store.transaction(label, actor=actor) as tx, settled(tx):
                    return work(tx)
            except UnitFailed:
                with self._store.transaction(label, actor=actor) as tx:
                    tx.apart = True
                    return work(tx)

        return with_ballast(self._store, transaction)
