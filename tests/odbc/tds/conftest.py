"""FreeTDS, a scripted SQL Server for it, and connections that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.odbc.driver import directories
from tests.odbc.tds.script import Script
from tests.odbc.tds.server import Server

DRIVER_FILE = "libtdsodbc.so"


class Connect(Protocol):
    """Connects to the test's server. ``options`` are those of the driver, ``timeout`` is the login's."""

    def __call__(self, *, autocommit: bool = False, timeout: int = 0, **options: str) -> Any: ...


@pytest.fixture(scope="session")
def driver() -> Path:
    """The library of FreeTDS."""
    for directory in directories():
        if (directory / DRIVER_FILE).exists():
            return directory / DRIVER_FILE
    pytest.fail(f"no {DRIVER_FILE}: apt-get install libodbc2 tdsodbc")


@pytest.fixture
def script() -> Script:
    """What the test's server does."""
    return Script()


@pytest.fixture
def server(script: Script) -> Iterator[Server]:
    """A server that plays the script, and finds fault with a test that asks more than the script knows."""
    with Server(script) as started:
        yield started


@pytest.fixture
def connect(odbc: Any, driver: Path, server: Server) -> Iterator[Connect]:
    """Connections to the server, closed at the end."""
    made: list[Any] = []

    def connect(*, autocommit: bool = False, timeout: int = 0, **options: str) -> Any:
        text = server.connection_string(driver, **options)
        made.append(odbc.connect(text, autocommit=autocommit, timeout=timeout))
        return made[-1]

    yield connect
    for connection in made:
        if not connection.closed:
            connection.close()
