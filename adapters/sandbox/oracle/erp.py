"""Reads the ERP over an ODBC connection of its own."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .mapping import OBJECTS, meanings
from .world import Holding, UnreachableError

_MANAGER = ("libltdl.so.7", "libodbc.so.2", "libodbcinst.so.2", "libmariadb.so.3")
_DRIVERS = {
    "sqlite": "libsqlite3odbc.so",
    "postgres": "psqlodbcw.so",
    "psqlodbc": "psqlodbcw.so",
    "mariadb": "libmaodbc.so",
    "maodbc": "libmaodbc.so",
}
_PLACES = ("usr/lib/*/odbc", "usr/lib/odbc", "usr/lib64", "usr/local/lib")
_DRIVER = re.compile(r"(?i)(^|;)\s*driver\s*=\s*(\{[^}]*\}|[^;]*)")
_CUSTOMERS = "SELECT CAST(customer_id AS {text}), {columns} FROM customer ORDER BY customer_id"
_INVOICES = (
    "SELECT CAST(invoice.invoice_no AS {text}), CAST(customer.number AS {text}), {columns} FROM invoice"
    " LEFT JOIN customer ON customer.customer_id = invoice.customer_id ORDER BY invoice.invoice_no"
)


def read(connection: str) -> tuple[list[Holding], list[Holding]]:
    """Customers and invoices, from one transaction. Raises UnreachableError."""
    odbc = _pyodbc()
    try:
        link = odbc.connect(_with_driver(connection, odbc.drivers()), autocommit=False, timeout=10)
    except odbc.Error as error:
        raise UnreachableError(f"the ERP cannot be opened (SQLSTATE {error.args[0]})") from None
    try:
        text = "CHAR" if "MariaDB" in str(link.getinfo(odbc.SQL_DBMS_NAME)) else "TEXT"
        return _customers(link, text), _invoices(link, text)
    except odbc.Error as error:
        raise UnreachableError(f"the ERP cannot be read (SQLSTATE {error.args[0]})") from None
    finally:
        link.rollback()
        link.close()


def _customers(link: Any, text: str) -> list[Holding]:
    names = [field.places["erp"][0] for field in OBJECTS["customer"] if "erp" in field.places]
    rows = _rows(link, _CUSTOMERS.format(text=text, columns=_texts("customer", names, text)))
    return [
        Holding(str(key), meanings("customer", "erp", dict(zip(names, values, strict=True))))
        for key, *values in rows
    ]


def _invoices(link: Any, text: str) -> list[Holding]:
    names = [field.places["erp"][0] for field in OBJECTS["invoice"] if field.name != "customer"]
    rows = _rows(link, _INVOICES.format(text=text, columns=_texts("invoice", names, text)))
    found = []
    for key, customer, *values in rows:
        row = {**dict(zip(names, values, strict=True)), "customer": customer}
        found.append(Holding(str(key), meanings("invoice", "erp", row)))
    return found


def _texts(table: str, names: Sequence[str], text: str) -> str:
    """Everything as text: what drivers make of numbers and dates differs."""
    return ", ".join(f"CAST({table}.{name} AS {text})" for name in names)


def _rows(link: Any, sql: str) -> list[Any]:
    cursor = link.cursor()
    try:
        return list(cursor.execute(sql).fetchall())
    finally:
        cursor.close()


def _pyodbc() -> Any:
    """pyodbc, with the driver manager from ISTHMUS_ODBC_LIBRARIES where none is installed."""
    own = os.environ.get("ISTHMUS_ODBC_LIBRARIES")
    try:
        for name in _MANAGER:
            if own and (Path(own) / name).exists():
                ctypes.CDLL(str(Path(own) / name), mode=ctypes.RTLD_GLOBAL)
        import pyodbc
    except (ImportError, OSError) as error:
        raise UnreachableError(f"the ODBC driver manager cannot be loaded: {error}") from None
    pyodbc.pooling = False
    return pyodbc


def _with_driver(connection: str, registered: Sequence[str]) -> str:
    """The string with an unregistered driver's plain name turned into the path of its library."""
    found = _DRIVER.search(connection)
    name = found.group(2).strip("{} ") if found else ""
    if not found or "/" in name or name in registered:
        return connection
    own = os.environ.get("ISTHMUS_ODBC_LIBRARIES")
    folders = [Path(own)] if own else []
    for pattern in _PLACES:
        folders += sorted(Path("/").glob(pattern))
    libraries = [library for word, library in _DRIVERS.items() if word in name.lower()]
    for path in (folder / library for folder in folders for library in libraries):
        if path.exists():
            return connection.replace(found.group(0), f"{found.group(1)}Driver={path}", 1)
    return connection
