"""The database server of one scenario, as its administrator and its users have it in hand."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from adapters.odbc.dialect import Dialect
from adapters.odbc.driver import find_driver, load_driver_manager

#: The account that the agent logs in with, and nobody else.
AGENT = "agent"
DATABASE = "erp"
#: Seconds in which a server has to do what it was told.
PATIENCE_S = 30.0


class Server(ABC):
    """One server with one database: ``sql`` as its administrator, ``user`` as somebody at work.

    dialect  of its SQL;  options: what a connection string says beside the address;  odbc: the driver manager
    """

    dialect: ClassVar[Dialect]
    options: ClassVar[str] = ""
    port: int

    def __init__(self) -> None:
        self._open: list[Any] = []
        self._taken: list[Any] = []
        self.odbc = load_driver_manager(self.dialect, where="tests")

    @abstractmethod
    def begin(self) -> None:
        """Start it, with an empty database and the agent's account in it."""

    @abstractmethod
    def end(self) -> None:
        """Stop it and remove everything."""

    @abstractmethod
    def down(self, *, at_once: bool) -> None:
        """Stop it: in good order, or without a word to anybody."""

    @abstractmethod
    def up(self) -> None:
        """Start it again."""

    @abstractmethod
    def sessions(self) -> dict[int, int]:
        """The agent's sessions: port that each comes from → number to end it by."""

    @abstractmethod
    def end_session(self, number: int) -> None:
        """End a session."""

    @abstractmethod
    def waiting(self) -> int:
        """How many of the agent's sessions wait for a lock."""

    @abstractmethod
    def deadlocks(self) -> int:
        """How many deadlocks were broken since the server began."""

    @abstractmethod
    def password(self, word: str) -> None:
        """The agent's account has this password from now on."""

    @abstractmethod
    def lock_account(self, *, locked: bool) -> None:
        """The agent's account may log in, or may not; sessions that are open stay."""

    @property
    def driver(self) -> Path:
        """The driver's library."""
        found = find_driver(self.dialect)
        assert found is not None, f"no ODBC driver: apt-get install {self.dialect.driver.packages}"
        return found

    def connection(self, *, account: str = "erp", word: str = "", port: int | None = None) -> str:
        """A connection string for an account, through another port if given."""
        place = f"Server=127.0.0.1;Port={port or self.port};Database={DATABASE};"
        return f"Driver={self.driver};{place}Uid={account};" + (f"Pwd={word};" if word else "")

    def user(self) -> Any:
        """Somebody's own connection, with transactions; closed at the end."""
        connection = self._connected(autocommit=False)
        self._open.append(connection)
        return connection

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a statement that the administrator runs on a connection of its own."""
        with closing(self._connected(autocommit=True)) as connection:
            cursor = connection.execute(statement, parameters)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def run(self, statements: Sequence[str]) -> None:
        """Run a script as the administrator."""
        with closing(self._connected(autocommit=True)) as connection:
            for statement in statements:
                connection.execute(statement)

    def one(self, statement: str, *parameters: object) -> int:
        """The one number that a query finds."""
        return int(self.sql(statement, *parameters)[0][0])

    def take_connections(self) -> int:
        """Take all that ordinary accounts can have; how many more these are."""
        before = len(self._taken)
        while True:
            try:
                self._taken.append(self._connected(account="clerk", word="clerk"))
            except self.odbc.Error:
                return len(self._taken) - before

    def give_connections(self) -> None:
        """Give them back."""
        for connection in self._taken:
            connection.close()
        self._taken.clear()

    @property
    def error(self) -> type[Exception]:
        """The driver's base exception."""
        found: type[Exception] = self.odbc.Error
        return found

    def leave(self) -> None:
        """Close users' connections."""
        for connection in (*self._open, *self._taken):
            with contextlib.suppress(self.error):  # the server may have ended it
                connection.close()
        self._open.clear()
        self._taken.clear()

    def close(self) -> None:
        """Close users' connections and stop the server."""
        self.leave()
        self.end()

    def _connected(self, *, autocommit: bool = True, account: str = "erp", word: str = "") -> Any:
        text = self.connection(account=account, word=word) + self.options
        return self.odbc.connect(text, autocommit=autocommit, timeout=5)


def wait_for(look: Callable[[], bool], what: str) -> None:
    """Until something is so. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_S:.0f} s: {what}")
        time.sleep(0.05)
