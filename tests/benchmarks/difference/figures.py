"""What is measured: a comparison that finds nothing, one that finds some rows, and the memory they take."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from adapters.odbc.tables import Capture, TableSettings
from adapters.odbc.target import LedgerTarget
from tests.benchmarks.applying.figures import served
from tests.benchmarks.capture.figures import install, laid, servers
from tests.benchmarks.capture.place import Place, opened
from tests.benchmarks.capture.table import COLUMNS, TABLE, Account, stamp
from tests.benchmarks.difference.memory import forget, peak_mb
from tests.benchmarks.streaming.figure import Figure, beside

SCAN = "a bare scan of all rows and columns"
#: A comparison begins when the source is opened, and not by itself meanwhile.
DIFFERENCE = TableSettings(capture=Capture.DIFFERENCE, difference_every_s=86400)
#: Rows that one fetch of the bare scan brings, and how often it is looked whether a comparison is over.
_FETCH, _LOOK_S = 1000, 0.01
Tell = Callable[[str, int, int, float], None]


@dataclass(frozen=True, slots=True)
class Size:
    """Rows of the table, and how many of them change."""

    rows: int
    changed: int


async def comparing(size: Size, folder: Path, kinds: Sequence[str], tell: Tell) -> AsyncIterator[Figure]:
    """On each server."""
    for kind in kinds:
        server, dialect = servers()[kind]
        with (
            served(server()) as running,
            laid(running, dialect, size.rows) as account,
            opened(folder / kind, account.connection, DIFFERENCE) as place,
        ):
            await install(account, DIFFERENCE)
            async for figure in _Runs(size, account, place, tell).measured():
                yield figure
            await place.close()


class _Runs:
    """Comparisons of one table."""

    def __init__(self, size: Size, account: Account, place: Place, tell: Tell) -> None:
        self._size = size
        self._account = account
        self._place = place
        self._tell = tell
        self._name = account.dialect.name

    async def measured(self) -> AsyncIterator[Figure]:
        """One after the other; the bare scan comes last, when memory was measured."""
        rows, target = self._size.rows, self._place.erp.target
        assert isinstance(target, LedgerTarget)
        await target.find(TABLE, {"name": "nobody"})  # the worker stays while the source is closed
        before = peak_mb(os.getpid()), peak_mb(target.link.pid or 0)
        forget(os.getpid())
        building = await self._built()
        unchanged = await self._compared()
        changed = await self._changed()
        after = peak_mb(os.getpid()), peak_mb(target.link.pid or 0)
        scan = self._scanned()
        for what, seconds in (
            ("the first hashing", building),
            ("nothing changed", unchanged),
            (f"{self._size.changed:,} rows changed", changed),
        ):
            yield beside(f"{self._name}, {what}", "rows/s", rows / seconds, rows / scan, SCAN)
            yield beside(f"{self._name}, {what}, in all", "s", seconds, scan, SCAN)
        for who, most, first in zip(("agent", "worker"), after, before, strict=True):
            yield beside(f"{self._name}, memory of the {who}", "MB", most, first or 1.0, "before, at most")

    async def _built(self) -> float:
        """Seconds of the first hashing."""
        began, done = time.perf_counter(), 0
        while not self._place.changes:  # that it is over is told as an unknown table
            await self._place.intake.step()
            done += DIFFERENCE.segment_rows
            if done % (100 * DIFFERENCE.segment_rows) == 0:
                self._tell(
                    "hashing", min(done, self._size.rows), self._size.rows, time.perf_counter() - began
                )
        return time.perf_counter() - began

    async def _compared(self) -> float:
        """Seconds of a comparison that finds nothing."""
        await self._place.intake.close()
        began = time.perf_counter()
        await self._place.intake.open()
        reading = asyncio.create_task(self._place.intake.step())
        seen = False
        while not seen or not self._took():
            seen = seen or not self._took()
            if reading.done():
                reading.result()
                reading = asyncio.create_task(self._place.intake.step())
            await asyncio.sleep(_LOOK_S)
        seconds = time.perf_counter() - began
        await reading
        return seconds

    def _took(self) -> float:
        gauges = self._place.erp.gauges
        return gauges().get("capture_pass_s", 0.0) if gauges is not None else 0.0

    async def _changed(self) -> float:
        """Seconds until all of some rows, anywhere in the table, were found and are durable."""
        await self._place.intake.close()
        apart = max(self._size.rows // self._size.changed, 1)
        numbers = range(1, 1 + apart * self._size.changed, apart)
        for number in numbers:
            self._account.stamp_one("found", number)
        began = time.perf_counter()
        await self._place.until({stamp("found", number) for number in numbers})
        return time.perf_counter() - began

    def _scanned(self) -> float:
        """Seconds of a bare scan."""
        names, began = ", ".join(COLUMNS), time.perf_counter()
        fetch = ";UseDeclareFetch=1;Fetch=1000" if self._name == "postgresql" else ""
        connection = self._account.odbc.connect(self._account.connection + fetch, autocommit=False)
        with closing(connection):
            cursor, count = connection.cursor(), 0
            cursor.execute(f"SELECT id, {names} FROM {TABLE} ORDER BY id")
            while rows := cursor.fetchmany(_FETCH):
                count += len(rows)
        assert count >= self._size.rows
        return time.perf_counter() - began
