"""What is measured: rows a second, applied exactly once, in turns with bare loops on the same server.

Half of the rows of a round are new, half are there; ours compares the latter with what was last seen, under
the row's lock. The servers sync every commit, as those of an ERP do.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from adapters.odbc import Settings, administer, connect
from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import MARIADB, POSTGRESQL
from adapters.odbc.driver import find_driver, load_driver_manager
from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, Guard, OutcomeKind
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import System
from tests.benchmarks.applying.bare import COLUMNS, TABLE, BareLoop, Texts, create_table, customer
from tests.mariadb import MariadbServer
from tests.postgres import PostgresServer

#: Rows of a transaction, ours and the references'.
SIZE = 500
#: Rows of which each is committed: enough to tell the rate.
FEW = 1000
_KINDS = {"credit": FieldType.DECIMAL, "discount": FieldType.DECIMAL, "since": FieldType.DATE}
#: As the agent gives them to an adapter.
_AS: Mapping[FieldType | None, Callable[[str], RawValue]] = {
    FieldType.DECIMAL: Decimal,
    FieldType.DATE: date.fromisoformat,
}
CUSTOMER = ObjectSpec(
    TABLE,
    "id",
    tuple(FieldSpec(name, _KINDS.get(name, FieldType.TEXT)) for name in COLUMNS if name != "ref"),
    external_id="ref",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``ratio`` is ours to the reference's."""

    name: str
    ours: float
    reference: float
    what: str
    unit: str = "rows/s"

    @property
    def ratio(self) -> float:
        return self.ours / self.reference


@dataclass
class _Rates:
    """Seconds for a row, of each round."""

    ours: list[float] = field(default_factory=list)
    bare: dict[str, list[float]] = field(default_factory=dict)


def applying(records: int, rounds: int) -> Iterator[Figure]:
    """On both servers, one after the other."""
    for server, dialect in (
        (PostgresServer("-c fsync=on -c synchronous_commit=on"), POSTGRESQL),
        (MariadbServer(["--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=fsync"]), MARIADB),
    ):
        with served(server) as running:
            rates = asyncio.run(_Ways(running, dialect).measured(records, rounds))
        ours = 1 / median(rates.ours)
        for what, seconds in rates.bare.items():
            yield Figure(f"upserts in {dialect.name}", ours, 1 / median(seconds), what)


@contextmanager
def served(server: Any) -> Iterator[Any]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Ways:
    """The adapter and the bare loops on one server."""

    def __init__(self, server: Any, dialect: Dialect) -> None:
        driver = find_driver(dialect)
        assert isinstance(driver, Path)
        self._dialect = dialect
        self._connection = server.connection(driver, "postgres" if dialect is POSTGRESQL else "test")
        self._odbc = load_driver_manager(dialect, where="bench")
        self._number = 0
        self._chance = random.Random(1)
        self._messages = 0

    async def measured(self, records: int, rounds: int) -> _Rates:
        """Rounds of every way in turns."""
        own = self._odbc.connect(self._connection, autocommit=True)
        own.execute(create_table(self._dialect.name))
        settings = Settings(connection=self._connection)
        administration = administer("erp", settings, [], str)
        await administration.install()
        await administration.close()
        system = connect("erp", settings, [CUSTOMER], str)
        rates = _Rates()
        with ExitStack() as stack:
            loop = BareLoop(self._odbc, self._dialect.name, self._connection)
            stack.callback(loop.close)
            stack.callback(own.close)
            await self._round(system, loop, SIZE, _Rates())
            own.execute("ANALYZE" if self._dialect is POSTGRESQL else f"ANALYZE TABLE {TABLE}")
            for _ in range(rounds):
                await self._round(system, loop, records, rates)
        await system.target.close()
        return rates

    async def _round(self, system: System, loop: BareLoop, records: int, rates: _Rates) -> None:
        there, fresh = self._rows(records // 2), self._rows(records // 2)
        loop.sets(there, SIZE)
        batch = self._commands(there, fresh)
        began = time.perf_counter()
        for start in range(0, len(batch), SIZE):
            outcomes = await system.target.apply(batch[start : start + SIZE])
            assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}, outcomes[0]
        rates.ours.append((time.perf_counter() - began) / len(batch))
        few = min(FEW, records)
        for what, took, count in (
            (
                "bare upserts, a commit for each",
                loop.each(
                    self._mixed(few),
                ),
                few,
            ),
            ("bare executemany, a commit for 500", loop.many(self._mixed(few), SIZE), few),
            ("bare upserts from JSON, a commit for 500", loop.sets(self._mixed(records), SIZE), records),
        ):
            rates.bare.setdefault(what, []).append(took / count)

    def _mixed(self, count: int) -> list[Texts]:
        """Half of them are there, half are new."""
        known = range(1, self._number + 1)
        old = [
            customer(number, "again") for number in self._chance.sample(known, min(count // 2, self._number))
        ]
        rows = [*old, *self._rows(count - len(old))]
        self._chance.shuffle(rows)
        return rows

    def _rows(self, count: int) -> list[Texts]:
        start = self._number + 1
        self._number += count
        return [customer(number, "Kiel") for number in range(start, start + count)]

    def _commands(self, there: list[Texts], fresh: list[Texts]) -> list[Delivery]:
        commands = [self._command(row, DeliveryKind.UPDATE) for row in there]
        commands += [self._command(row, DeliveryKind.CREATE) for row in fresh]
        self._chance.shuffle(commands)
        return commands

    def _command(self, row: Texts, kind: DeliveryKind) -> Delivery:
        self._messages += 1
        named: dict[str, RawValue] = {
            name: _AS.get(_KINDS.get(name), str)(text) for name, text in zip(COLUMNS, row, strict=True)
        }
        fields = {name: value for name, value in named.items() if name not in ("id", "ref")}
        updating = kind is DeliveryKind.UPDATE
        return Delivery(
            message_id=f"1:{self._messages}",
            entity_type="customer",
            object=TABLE,
            kind=kind,
            key=row[0],
            reference=row[1],
            fields={**fields, "city": "Bremen"} if updating else fields,
            guard=Guard(values={"city": named["city"], "credit": named["credit"]}) if updating else None,
            payload_hash=f"{self._messages:064x}",
        )
