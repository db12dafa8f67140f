"""The database families that this adapter speaks, one module each."""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects.db2i import DB2I
from adapters.odbc.dialects.hana import HANA
from adapters.odbc.dialects.mariadb import MARIADB
from adapters.odbc.dialects.oracle import ORACLE
from adapters.odbc.dialects.postgresql import POSTGRESQL
from adapters.odbc.dialects.sqlite import SQLITE
from adapters.odbc.dialects.sqlserver import SQLSERVER
from agent.errors import Refused

__all__ = [
    "DB2I",
    "DIALECTS",
    "HANA",
    "MARIADB",
    "ORACLE",
    "POSTGRESQL",
    "SQLITE",
    "SQLSERVER",
    "dialect_of",
]

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect for dialect in (SQLITE, POSTGRESQL, MARIADB, SQLSERVER, DB2I, ORACLE, HANA)
}

_DRIVER = re.compile(r"(?i)(?:^|;)\s*driver\s*=\s*(\{[^}]*\}|[^;]*)")


def dialect_of(connection: str, *, where: str) -> str:
    """The dialect that the driver's name in a connection string tells. Raises Refused when none does."""
    driver = _DRIVER.search(connection)
    name = driver.group(1).lower() if driver else ""
    for dialect in DIALECTS.values():
        if any(word in name for word in dialect.driver.words):
            return dialect.name
    raise Refused(
        "the connection string names no driver whose SQL dialect is known",
        where=where,
        remedy=f"set dialect to one of {', '.join(sorted(DIALECTS))}",
    )
