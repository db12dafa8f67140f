"""The sample ERP's own ODBC connection, independent of the agent's."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_DRIVERS = {"sqlite": "libsqlite3odbc.so", "postgresql": "psqlodbcw.so", "mariadb": "libmaodbc.so"}
_WORDS = {"sqlite": "sqlite", "psqlodbc": "postgresql", "postgres": "postgresql"} | dict.fromkeys(
    ("maodbc", "mariadb"), "mariadb"
)
_DIRECTORIES = ("/usr/lib/*/odbc", "/usr/lib/odbc", "/usr/lib64", "/usr/local/lib")
_OPTIONS = {
    "sqlite": {"BigInt": "1", "FKSupport": "1", "Timeout": "10000"},
    "postgresql": {"BoolsAsChar": "0"},
    # OPTION 2: an update counts the rows it found
    "mariadb": {"OPTION": "2", "CHARSET": "utf8mb4"},
}


class UnknownDatabase(Exception):
    """The connection string names no driver that the sample ERP has tables for."""


def kind_of(connection: str) -> str:
    """``sqlite``, ``postgresql`` or ``mariadb``, by the driver's name. Raises UnknownDatabase."""
    found = re.search(r"(?i)(?:^|;)\s*driver\s*=\s*(\{[^}]*\}|[^;]*)", connection)
    name = found.group(1).lower() if found else ""
    for word, kind in _WORDS.items():
        if word in name:
            return kind
    raise UnknownDatabase(
        "the sample ERP runs on SQLite, PostgreSQL and MariaDB: name such a driver (Driver=...)"
    )


def _load() -> Any:
    """pyodbc, with the driver manager from ISTHMUS_ODBC_LIBRARIES where none is installed."""
    own = os.environ.get("ISTHMUS_ODBC_LIBRARIES")
    for name in ("libltdl.so.7", "libodbc.so.2", "libodbcinst.so.2", "libmariadb.so.3"):
        if own and (Path(own) / name).exists():
            ctypes.CDLL(str(Path(own) / name), mode=ctypes.RTLD_GLOBAL)
    import pyodbc

    pyodbc.pooling = False
    return pyodbc


def _completed(connection: str, kind: str, installed: Sequence[str]) -> str:
    """The string with safe options added, and a driver's plain name turned into its path where needed."""
    text = connection.strip().rstrip(";") + ";"
    for key, value in _OPTIONS[kind].items():
        if not re.search(rf"(?i)(?:^|;)\s*{key}\s*=", text):
            text += f"{key}={value};"
    driver = re.search(r"(?i)(?:^|;)\s*driver\s*=\s*\{?([^;}]*)\}?", text)
    name = driver.group(1) if driver else ""
    if "/" in name or name in installed:
        return text
    own = os.environ.get("ISTHMUS_ODBC_LIBRARIES")
    places = [Path(own)] if own else []
    for pattern in _DIRECTORIES:
        places += sorted(Path("/").glob(pattern.lstrip("/")))
    for place in places:
        if (place / _DRIVERS[kind]).exists():
            return text.replace(
                driver.group(0) if driver else "", f";Driver={place / _DRIVERS[kind]}", 1
            ).lstrip(";")
    return text


class Database:
    """One connection with explicit transactions."""

    def __init__(self, connection: str) -> None:
        self.kind = kind_of(connection)
        self._odbc = _load()
        text = _completed(connection, self.kind, self._odbc.drivers())
        self._connection = self._odbc.connect(text, autocommit=False)
        if self.kind == "mariadb":
            self._connection.maxwrite = 1 << 30  # the driver mangles texts that are bound in pieces

    @property
    def error(self) -> type[Exception]:
        """The driver's base exception."""
        error: type[Exception] = self._odbc.Error
        return error

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Commit at the end, roll back on any error."""
        try:
            yield self
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise

    def run(self, sql: str, *parameters: object) -> int:
        """Run a statement; the number of rows it touched."""
        cursor = self._connection.cursor()
        try:
            return int(cursor.execute(sql, parameters).rowcount)
        finally:
            cursor.close()

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        cursor = self._connection.cursor()
        try:
            return [tuple(row) for row in cursor.execute(sql, parameters).fetchall()]
        finally:
            cursor.close()

    def pragma(self, sql: str) -> None:
        """A SQLite statement that must run outside a transaction."""
        self._connection.autocommit = True
        try:
            self.rows(sql)
        finally:
            self._connection.autocommit = False

    def close(self) -> None:
        """Close without committing."""
        self._connection.close()
