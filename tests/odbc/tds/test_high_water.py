"""A rowversion is read only below what is open: a transaction that commits late is not passed over."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.odbc import Settings, connect
from adapters.odbc.tables import TableSettings
from adapters.odbc.target import LedgerTarget
from agent.core.change import Change, ChangeKind
from agent.core.objects import FieldSpec, ObjectSpec
from agent.ports import System
from tests.odbc.site import PATIENCE_S
from tests.odbc.tds.catalog import Table, describe
from tests.odbc.tds.datatypes import INT, NVARCHAR, ROWVERSION
from tests.odbc.tds.request import Statement
from tests.odbc.tds.script import Rows, Script
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

_TEXT = NVARCHAR(255)
_SPEC = ObjectSpec("customer", "customer_id", (FieldSpec("name"),))
_READ = r"^DECLARE @below BINARY\(8\) = MIN_ACTIVE_ROWVERSION\(\); SELECT"


@dataclass
class Versioned:
    """Rows with their versions, and those that are not committed yet."""

    drawn: int = 10
    rows: dict[int, tuple[int, str]] = field(default_factory=dict)
    open: dict[int, tuple[int, str]] = field(default_factory=dict)

    def begin(self, key: int, name: str) -> None:
        """Write a row in a transaction that stays open."""
        self.drawn += 1
        self.open[key] = (self.drawn, name)

    def commit(self, key: int) -> None:
        """End the transaction that wrote a row."""
        self.rows[key] = self.open.pop(key)

    @property
    def below(self) -> int:
        """MIN_ACTIVE_ROWVERSION: the lowest one that is open, else the next to come."""
        return min([version for version, _ in self.open.values()], default=self.drawn + 1)

    def answer(self, asked: Statement) -> list[Rows]:
        """Rows in the order of their versions, or the highest of them."""
        settled = sorted((version, key) for key, (version, _) in self.rows.items() if version < self.below)
        if "DESC" in asked.sql:
            return [_rows([(_hex(version), str(key)) for version, key in reversed(settled)][:1], 2)]
        given = [str(parameter.value) for parameter in asked.parameters]
        if "r.[rv] >=" in asked.sql:
            settled = [one for one in settled if one > (int(given[0], 16), int(given[2]))]
            given = given[3:]
        if "r.[rv] <=" in asked.sql:
            settled = [one for one in settled if one <= (int(given[0], 16), int(given[2]))]
        return [_rows([(str(key), _hex(version), self.rows[key][1]) for version, key in settled], 3)]

    def read(self, asked: Statement) -> list[Rows]:
        """Records by key."""
        keys = [int(str(parameter.value)) for parameter in asked.parameters]
        return [_rows([(str(key), self.rows[key][1]) for key in keys if key in self.rows], 2)]

    def state(self, asked: Statement) -> list[Rows]:
        """What may be read, and what comes next."""
        return [_rows([(_hex(self.below), _hex(self.drawn + 1))], 2)]


def _rows(values: Sequence[tuple[str, ...]], width: int) -> Rows:
    return Rows([Column(f"c{place}", _TEXT) for place in range(width)], values)


def _hex(version: int) -> str:
    return f"0x{version:016X}"


@pytest.fixture
def table(script: Script) -> Versioned:
    """What the server holds."""
    found = Versioned(rows={1: (5, "Ada")})
    columns = [Column("customer_id", INT), Column("name", NVARCHAR(40)), Column("rv", ROWVERSION)]
    describe(script, Table("customer", columns, primary_key=["customer_id"]))
    types = [Column(f"c{place}", _TEXT if place < 2 else INT) for place in range(6)]
    known: list[tuple[Any, ...]] = [
        ("customer_id", "int", None, 0, None, None),
        ("name", "nvarchar", 40, None, None, None),
        ("rv", "timestamp", None, None, None, None),
    ]
    script.on(r"FROM INFORMATION_SCHEMA.COLUMNS", Rows(types, known))
    script.on(r"FROM \[customer\] WHERE", found.read)
    script.on(_READ, found.answer)
    script.on(r"^SELECT CONVERT\(VARCHAR\(18\), MIN_ACTIVE_ROWVERSION", found.state)
    return found


@pytest.fixture
async def system(script: Script, server: Server, driver: Path, table: Versioned) -> AsyncIterator[System]:
    """The adapter, the table captured by its rowversion."""
    chosen = TableSettings.model_validate({"capture": "high-water", "column": "rv", "overlap_s": 0.1})
    settings = Settings(
        connection=server.connection_string(driver),
        dialect="sqlserver",
        deadline_s=PATIENCE_S,
        poll_s=0.01,
        tables={"customer": chosen},
    )
    system = connect("erp", settings, [_SPEC], str)
    await system.source.open({})
    yield system
    target = system.target
    assert isinstance(target, LedgerTarget)
    await target.link.close()


async def _told(system: System) -> tuple[Change, ...]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            batch = await system.source.read()
            if batch.changes:
                return batch.changes


async def test_a_row_above_one_that_is_open_waits_for_it(
    system: System, table: Versioned, server: Server
) -> None:
    """Read at once, its version would stand above the one that commits late."""
    assert [change.kind for change in await _told(system)] == [ChangeKind.OVERFLOW]
    table.begin(2, "late")
    table.begin(3, "early")
    table.commit(3)
    asked = len(server.record.asked)
    table.rows[1] = (5, "same version, altered all the same")
    assert [change.keys for change in await _told(system)] == [("1",)]
    reads = [one.sql for one in server.record.asked[asked:] if re.search(_READ, one.sql)]
    assert reads and all("r.[rv] < @below" in sql for sql in reads)
    table.commit(2)
    assert [change.keys for change in await _told(system)] == [("2",), ("3",)]


async def test_how_long_an_open_transaction_holds_the_reading_back_is_told(
    system: System, table: Versioned
) -> None:
    await _told(system)
    table.begin(2, "open for long")
    assert system.gauges is not None
    async with asyncio.timeout(PATIENCE_S):
        while system.gauges().get("capture_horizon_s", 0.0) < 0.1:
            await system.source.read()
