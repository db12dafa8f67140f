"""One ERP per test, in SQLite and in PostgreSQL, through the real drivers."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.odbc.dialect import POSTGRESQL, SQLITE, Dialect
from adapters.odbc.driver import find_driver, load_driver_manager
from tests.odbc.site import Site
from tests.postgres import PostgresServer

_NUMBERS = itertools.count(1)


def _driver(dialect: Dialect) -> Path:
    found = find_driver(dialect)
    if found is None:
        pytest.fail(f"no ODBC driver for {dialect.name}: apt-get install libodbc2 {dialect.packages}")
    return found


@pytest.fixture(scope="session")
def odbc() -> Any:
    """pyodbc, loaded as the adapter loads it."""
    return load_driver_manager(SQLITE, where="tests")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for all tests of the session."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def sqlite_site(odbc: Any, tmp_path: Path) -> AsyncIterator[Site]:
    """A fresh SQLite ERP with the journal installed."""
    path = tmp_path / "erp.db"
    path.touch()
    site = Site(odbc, SQLITE, f"Driver={_driver(SQLITE)};Database={path};")
    await site.set_up()
    yield site
    await site.close()


@pytest.fixture
async def postgresql_site(odbc: Any, postgres: PostgresServer) -> AsyncIterator[Site]:
    """A fresh PostgreSQL ERP with the journal installed."""
    name = f"erp{next(_NUMBERS)}"
    driver = _driver(POSTGRESQL)
    with_server = odbc.connect(postgres.connection(driver, "postgres"), autocommit=True)
    with_server.execute(f"CREATE DATABASE {name}")
    with_server.close()
    site = Site(odbc, POSTGRESQL, postgres.connection(driver, name))
    await site.set_up()
    yield site
    await site.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest) -> Site:
    """The same test on both databases."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found
