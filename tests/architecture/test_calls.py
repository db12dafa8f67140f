"""The core asks no clock and no chance, tests do not sleep, drivers load late, only the store opens it."""

from collections.abc import Callable, Iterable

import pytest

from tests.architecture import calls
from tests.architecture.source import Offence, Source, listed, python_sources


def _offenders(rule: Callable[[Source], Iterable[Offence]], *folders: str) -> str:
    return listed(offence for source in python_sources(*folders) for offence in rule(source))


def _clock_or_chance(source: Source) -> Iterable[Offence]:
    return calls.calls(source, calls.CLOCKS_AND_CHANCE)


def _early_pyodbc(source: Source) -> Iterable[Offence]:
    return calls.eager_imports(source, "pyodbc")


def _store_driver(source: Source) -> Iterable[Offence]:
    return () if source.path.startswith("agent/store/") else calls.imports(source, calls.STORE_DRIVERS)


def test_the_core_reads_no_clock_and_draws_no_lots() -> None:
    assert not _offenders(_clock_or_chance, "agent/core")


@pytest.mark.parametrize(
    "text",
    [
        "import time\nx = time.time()",
        "from time import monotonic as m\nx = m()",
        "import datetime as dt\nx = dt.datetime.now(dt.UTC)",
        "from datetime import datetime\ndef f(clock=datetime.now): ...",
        "from datetime import date\nx = date.today()",
        "import random\nx = random.Random(1)",
        "from uuid import uuid4\nx = uuid4()",
    ],
)
def test_a_clock_or_lot_in_the_core_is_caught(text: str) -> None:
    assert listed(_clock_or_chance(Source("agent/core/plan.py", text)))


def test_a_time_that_is_handed_in_is_no_clock() -> None:
    text = "from datetime import UTC, datetime\ndef f(now: datetime):\n    return now.astimezone(UTC)"
    assert not listed(_clock_or_chance(Source("agent/core/plan.py", text)))


def test_no_test_sleeps() -> None:
    assert not _offenders(calls.blind_sleeps, "tests")


@pytest.mark.parametrize(
    "text",
    [
        "import time\ndef test_x():\n    time.sleep(1)",
        "from asyncio import sleep\nasync def test_x():\n    await sleep(0.1)",
        "import asyncio\nasync def f():\n    while True:\n        await asyncio.sleep(1)",
        "import time\nfor _ in range(3):\n    time.sleep(1)",
    ],
)
def test_a_sleep_in_a_test_is_caught(text: str) -> None:
    assert "sleeps" in listed(calls.blind_sleeps(Source("tests/test_x.py", text)))


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)",
        "import time\ndef f(ready):\n    while not ready():\n        time.sleep(0.01)",
        "from time import sleep\nwhile True:\n    if ready():\n        break\n    sleep(0.01)",
    ],
)
def test_polling_for_a_condition_is_no_sleep(text: str) -> None:
    assert not listed(calls.blind_sleeps(Source("tests/test_x.py", text)))


def test_pyodbc_is_imported_only_where_it_is_used() -> None:
    """A machine without unixODBC can't import pyodbc; what needs no database must still start there."""
    assert not _offenders(_early_pyodbc, "agent", "adapters", "tui", "tests")


@pytest.mark.parametrize(
    "text",
    [
        "import pyodbc",
        "try:\n    import pyodbc\nexcept ImportError:\n    raise",
        "class C:\n    from pyodbc import connect",
    ],
)
def test_a_pyodbc_import_at_the_top_is_caught(text: str) -> None:
    assert listed(_early_pyodbc(Source("adapters/odbc/driver.py", text)))


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    import pyodbc\n    return pyodbc",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pyodbc",
    ],
)
def test_a_late_pyodbc_import_passes(text: str) -> None:
    assert not listed(_early_pyodbc(Source("adapters/odbc/driver.py", text)))


def test_only_the_store_opens_the_store() -> None:
    assert not _offenders(_store_driver, "agent", "tui")


@pytest.mark.parametrize(
    "text", ["import sqlite3", "def f():\n    from sqlmodel import Session", "import sqlalchemy.orm"]
)
def test_a_database_outside_the_store_is_caught(text: str) -> None:
    assert listed(_store_driver(Source("agent/flow/intake.py", text)))
    assert not listed(_store_driver(Source("agent/store/writer.py", text)))


def _foreign_to_the_oracle(source: Source) -> Iterable[Offence]:
    found = calls.imports(source, {"agent", "adapters", "tui"})
    return (offence for offence in found if not offence.fault.startswith("imports adapters.sandbox.oracle"))


def test_the_oracle_of_the_demo_shares_no_code_with_what_it_judges() -> None:
    assert not _offenders(_foreign_to_the_oracle, "adapters/sandbox/oracle")


@pytest.mark.parametrize("text", ["from agent.core import change", "import adapters.odbc.driver"])
def test_an_oracle_that_shares_code_is_caught(text: str) -> None:
    assert listed(_foreign_to_the_oracle(Source("adapters/sandbox/oracle/erp.py", text)))


def test_an_oracle_may_have_several_files() -> None:
    text = "from adapters.sandbox.oracle.erp import rows"
    assert not listed(_foreign_to_the_oracle(Source("adapters/sandbox/oracle/verdict.py", text)))
