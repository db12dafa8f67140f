"""What is measured: from an ERP's COMMIT to the store's, and how fast a backlog is taken in."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from adapters.odbc import Settings, administer
from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import MARIADB, POSTGRESQL
from adapters.odbc.driver import find_driver, load_driver_manager
from adapters.odbc.tables import Capture, TableSettings
from tests.benchmarks.applying.figures import served
from tests.benchmarks.capture.bare import Plain, plain
from tests.benchmarks.capture.place import Place, opened
from tests.benchmarks.capture.table import ACCOUNT, RISING, Account, stamp
from tests.benchmarks.streaming.figure import Figure, beside, quantile
from tests.mariadb import MariadbServer
from tests.postgres import PostgresServer

#: Changes a second.
RATES = (10, 200)
READER = "a bare reader that rests as long"
BARE = "bare SELECT … ORDER BY … LIMIT 200 and executemany"
WAYS: dict[str, TableSettings] = {
    "journal": TableSettings(),
    "snapshot": TableSettings(capture=Capture.SNAPSHOT),
    "high-water": TableSettings(capture=Capture.HIGH_WATER, column=RISING),
}
_HERE = Path(__file__).parents[3]
_WORDS = count(1)
Tell = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is: rows of the backlog, seconds of each rate, and seconds between two looks."""

    backlog: int
    seconds: float
    poll_s: float | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """A server with the table on it."""

    account: Account
    folder: Path
    size: Size
    tell: Tell

    @property
    def name(self) -> str:
        """Of the server."""
        return self.account.dialect.name


def servers() -> dict[str, tuple[Callable[[], Any], Dialect]]:
    """How each is started; nothing has to outlive a power cut here: reading is what is measured."""
    return {"postgresql": (PostgresServer, POSTGRESQL), "mariadb": (MariadbServer, MARIADB)}


async def capturing(
    size: Size, folder: Path, kinds: Sequence[str], ways: Sequence[str], tell: Tell
) -> AsyncIterator[Figure]:
    """On each server, by each way that it has."""
    for kind in kinds:
        server, dialect = servers()[kind]
        for way in ways:
            if way == "snapshot" and dialect.horizon is None:
                continue
            with served(server()) as running, laid(running, dialect, _rows(size)) as account:
                bench = Bench(account, folder / f"{kind}-{way}", size, tell)
                bench.folder.mkdir(parents=True)
                with opened(bench.folder / "store", account.connection, WAYS[way], size.poll_s) as place:
                    async for figure in _measured(bench, place, way):
                        yield figure
                    await place.close()


@contextmanager
def laid(server: Any, dialect: Dialect, rows: int) -> Iterator[Account]:
    """The table with so many rows."""
    driver = find_driver(dialect)
    assert isinstance(driver, Path)
    connection = server.connection(driver, "postgres" if dialect is POSTGRESQL else "test")
    odbc = load_driver_manager(dialect, where="bench")
    with closing(Account(odbc, dialect, connection)) as account:
        account.fill(rows)
        yield account


def _rows(size: Size) -> int:
    """Enough for a backlog and for every change of a rate, and one more."""
    return max(size.backlog, *(changes(size, rate) for rate in RATES)) + 1


async def install(account: Account, table: TableSettings) -> None:
    """The agent's own tables, and triggers where this way to capture has any."""
    settings = Settings(connection=account.connection, tables={ACCOUNT.name: table})
    administration = administer("erp", settings, [ACCOUNT], str)
    await administration.install()
    await administration.close()


def changes(size: Size, rate: int) -> int:
    """How many changes a rate means."""
    return max(4, int(size.seconds * rate))


async def _measured(bench: Bench, place: Place, way: str) -> AsyncIterator[Figure]:
    await install(bench.account, WAYS[way])
    await place.intake.open()
    await _known(bench, place)
    with plain(bench.account, bench.folder / "bare.db", rising=way == "high-water") as reader:
        for rate in RATES:
            late, bare = await _late(bench, place, rate), await _late_bare(bench, reader, rate)
            await _known(bench, place)
            for share, what in ((0.5, "p50"), (0.99, "p99")):
                ours, plainly = 1000 * quantile(late, share), 1000 * quantile(bare, share)
                yield beside(f"{bench.name} {way}, {what} at {rate}/s", "ms", ours, plainly, READER)
        reader.begin()
        word = _word("backlog")
        bench.account.touch(1, bench.size.backlog, word)
        bare_rate = _backlog_bare(bench, reader)
        ours = await _backlog(bench, place, word)
        yield beside(f"{bench.name} {way}, backlog", "rows/s", ours, bare_rate, BARE)


async def _late(bench: Bench, place: Place, rate: int) -> list[float]:
    """Seconds from each COMMIT to ours."""
    word, numbers = _word("sent"), range(1, 1 + changes(bench.size, rate))
    names = {stamp(word, number) for number in numbers}
    _, moments = await asyncio.gather(place.until(names), _sent(bench, rate, len(numbers), word))
    return [place.there[stamp(word, n)] - at for n, at in zip(numbers, moments, strict=True)]


async def _late_bare(bench: Bench, reader: Plain, rate: int) -> list[float]:
    """Seconds from each COMMIT to the bare reader's, which rests as long as ours where there is nothing."""
    reader.begin()
    rest = bench.size.poll_s or float(Settings.model_fields["poll_s"].default)
    word, numbers = _word("sent"), range(1, 1 + changes(bench.size, rate))
    names = {stamp(word, number) for number in numbers}
    there, moments = await asyncio.gather(
        asyncio.to_thread(reader.until, names, rest), _sent(bench, rate, len(numbers), word)
    )
    return [there[stamp(word, n)] - at for n, at in zip(numbers, moments, strict=True)]


def _backlog_bare(bench: Bench, reader: Plain) -> float:
    """Rows a second."""
    began, kept = time.perf_counter(), 0
    while some := reader.page():
        kept += len(some)
    assert kept >= bench.size.backlog, f"{kept} rows were kept by the bare reader"
    return kept / (time.perf_counter() - began)


def _word(what: str) -> str:
    return f"{what} {next(_WORDS)}"


async def _known(bench: Bench, place: Place) -> None:
    """See to it that all that was written is known: what is written now is seen."""
    word = _word("known")
    last = _rows(bench.size)
    bench.account.touch(last, 1, word)
    await place.until({stamp(word, last)})


async def _backlog(bench: Bench, place: Place, word: str) -> float:
    wanted, began = bench.size.backlog, time.perf_counter()
    place.there.clear()
    last, told = stamp(word, wanted), 0
    while len(place.there) < wanted or last not in place.there:
        await place.intake.step()
        if len(place.there) - told >= max(wanted // 20, 1):
            told = len(place.there)
            bench.tell(told, wanted, time.perf_counter() - began)
    return wanted / (time.perf_counter() - began)


async def _sent(bench: Bench, rate: int, count: int, word: str) -> list[float]:
    """Let another process write; when each change was committed."""
    words = [str(rate), str(count), word]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{__package__}.sending", *words),
        cwd=_HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate(bench.account.connection.encode())
    if process.returncode:
        raise RuntimeError(f"the writer ended with {process.returncode}")
    moments: list[float] = json.loads(said)
    return moments
