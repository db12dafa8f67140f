"""The main job with a database server as the ERP, through its own ODBC driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import MARIADB, POSTGRESQL
from adapters.odbc.driver import find_driver
from agent.cli.demo.command import Choices, play
from agent.cli.demo.stage import Stage
from tests.mariadb import MariadbServer
from tests.postgres import PostgresServer

Server = type[PostgresServer] | type[MariadbServer]
#: By name: the dialect, the server, its database.
SERVERS: dict[str, tuple[Dialect, Server, str]] = {
    "postgresql": (POSTGRESQL, PostgresServer, "postgres"),
    "mariadb": (MARIADB, MariadbServer, "test"),
}


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A connection string to an empty database of our own server."""
    dialect, kind, name = SERVERS[request.param]
    driver = find_driver(dialect)
    assert driver is not None, f"the ODBC driver for {request.param} is not installed: run 'make setup-tests'"
    server = kind()
    server.start()
    try:
        yield server.connection(driver, name)
    finally:
        server.stop()


def test_the_demo_is_equal_and_conserved_with_a_server_as_the_erp(database: str, tmp_path: Path) -> None:
    choices = Choices(headless=True, seconds=8.0, seed=3, tamper=False, as_json=True, keep=None)
    summary = play(Stage(tmp_path, seed=3, database=database), choices)
    assert summary["equal"], {name: summary[name] for name in ("missing", "different", "doubled", "lost")}
    assert summary["conservation"]
    assert summary["business"]["invoice"] > 0  # type: ignore[index] # a count by kind


def test_one_row_altered_unseen_in_a_server_turns_the_verdict_red(database: str, tmp_path: Path) -> None:
    choices = Choices(headless=True, seconds=3.0, seed=4, tamper=True, as_json=True, keep=None)
    summary = play(Stage(tmp_path, seed=4, database=database), choices)
    assert not summary["equal"]
    assert summary["different"]
