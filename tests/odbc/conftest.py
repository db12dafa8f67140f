"""One ERP per test, in SQLite, PostgreSQL and MariaDB, through the real drivers."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import MARIADB, POSTGRESQL, SQLITE
from adapters.odbc.driver import find_driver, load_driver_manager
from adapters.odbc.journal import install_script
from adapters.odbc.settings import resolve
from tests.mariadb import MariadbServer
from tests.odbc.site import Site
from tests.postgres import PostgresServer

_NUMBERS = itertools.count(1)


def _driver(dialect: Dialect) -> Path:
    found = find_driver(dialect)
    if found is None:
        pytest.fail(f"no ODBC driver for {dialect.name}: apt-get install libodbc2 {dialect.driver.packages}")
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


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """One MariaDB server for all tests of the session."""
    server = MariadbServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(odbc: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed SQLite ERP to copy."""
    path = tmp_path_factory.mktemp("template") / "erp.db"
    path.touch()
    _install(Site(odbc, SQLITE, f"Driver={_driver(SQLITE)};Database={path};"))
    return path


@pytest.fixture(scope="session")
def postgresql_template(odbc: Any, postgres: PostgresServer) -> str:
    """The name of an installed PostgreSQL ERP to copy."""
    _create_database(odbc, postgres, "template_erp", "template1")
    _install(Site(odbc, POSTGRESQL, postgres.connection(_driver(POSTGRESQL), "template_erp")))
    return "template_erp"


def _install(site: Site) -> None:
    async def install() -> None:
        await site.install()
        await site.close()

    asyncio.run(install())


def _create_database(odbc: Any, postgres: PostgresServer, name: str, template: str) -> None:
    connection = odbc.connect(postgres.connection(_driver(POSTGRESQL), "postgres"), autocommit=True)
    connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    connection.close()


@pytest.fixture
async def sqlite_site(odbc: Any, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Site]:
    """A fresh SQLite ERP with the journal installed."""
    path = tmp_path / "erp.db"
    shutil.copy(sqlite_template, path)
    site = Site(odbc, SQLITE, f"Driver={_driver(SQLITE)};Database={path};").start()
    yield site
    await site.close()


@pytest.fixture
async def postgresql_site(
    odbc: Any, postgres: PostgresServer, postgresql_template: str
) -> AsyncIterator[Site]:
    """A fresh PostgreSQL ERP with the journal installed."""
    name = f"erp{next(_NUMBERS)}"
    _create_database(odbc, postgres, name, postgresql_template)
    site = Site(odbc, POSTGRESQL, postgres.connection(_driver(POSTGRESQL), name)).start()
    yield site
    await site.close()


@pytest.fixture
async def mariadb_site(odbc: Any, mariadb: MariadbServer) -> AsyncIterator[Site]:
    """A fresh MariaDB ERP with the journal installed. No database can be copied there: it is made anew."""
    name = f"erp{next(_NUMBERS)}"
    owner = odbc.connect(mariadb.connection(_driver(MARIADB), "mysql"), autocommit=True)
    owner.execute(f"CREATE DATABASE {name}")
    site = Site(odbc, MARIADB, mariadb.connection(_driver(MARIADB), name))
    site.install_erp()
    owner.execute(f"USE {name}")
    for statement in install_script(resolve("erp", site.settings(), site.objects, str)):
        owner.execute(statement)
    owner.close()
    yield site
    await site.close()
    owner = odbc.connect(mariadb.connection(_driver(MARIADB), "mysql"), autocommit=True)
    owner.execute(f"DROP DATABASE {name}")
    owner.close()


@pytest.fixture(params=["postgresql", "mariadb"])
def server_site(request: pytest.FixtureRequest) -> Site:
    """The same test on every database that is a server."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def site(request: pytest.FixtureRequest) -> Site:
    """The same test on every database."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found
