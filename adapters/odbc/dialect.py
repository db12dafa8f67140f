"""SQL dialects as data: quoting, statement forms and the meaning of each database's errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.errors import Refused


class Fault(StrEnum):
    """What a database error means for the unit of work that met it."""

    BUSY = "busy"  # lock, deadlock, serialisation: roll back, try again later
    LOST = "lost"  # the connection is gone or unusable: reconnect
    BUSINESS = "business"  # a rule of the ERP said no
    DUPLICATE = "duplicate"  # a unique constraint said no
    INVALID = "invalid"  # the column cannot hold the value
    SETUP = "setup"  # table, right or login is missing: a person must act
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A classified database error: ``code`` is the native one, ``text`` is free of row values."""

    fault: Fault
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """One database family.

    packages        Debian packages that bring its ODBC driver
    driver_files    file names of the driver library, best first
    defaults        connection options added when missing, because the driver's own default loses data
    row_lock        suffix that locks selected rows until the transaction ends ("" where a writer holds all)
    share_lock      the same, shared among writers
    returning       INSERT can return the key; else it is looked up by ``last_row``
    session         statements run on each new connection; ``{lock_ms}`` is the lock timeout
    text_types      column types that are read and bound as text without a cast
    classify        driver error (SQLSTATE, message) to a verdict
    """

    name: str
    packages: str
    driver_files: tuple[str, ...]
    defaults: Mapping[str, str]
    row_lock: str
    share_lock: str
    returning: bool
    last_row: str
    session: tuple[str, ...]
    text_types: frozenset[str]
    casts: bool
    marks_writes: bool
    change_probe: str | None
    classify: Callable[[str, str], Verdict] = field(repr=False)
    pads_char: bool = False

    def quote(self, identifier: str) -> str:
        """An identifier in quotes, each part of a dotted name on its own."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in identifier.split("."))

    def parameter(self, type_name: str) -> str:
        """A placeholder for a value that is bound as text and meant for a column of that type."""
        if not self.casts or type_name in self.text_types:
            return "?"
        return f"CAST(? AS {type_name})"

    def as_text(self, column: str, type_name: str) -> str:
        """A column as text: drivers silently alter numbers, dates and padded strings, never text."""
        if type_name in self.text_types and not (self.pads_char and type_name == "bpchar"):
            return column
        return f"CAST({column} AS TEXT)"


_NATIVE = re.compile(r"\((-?\d+)\) \(SQL\w+\)\s*$")
_PREFIX = re.compile(r"^(\[[^\]]*\]\s*)+")


def native_code(message: str) -> int:
    """The native error number: drivers give it only inside the message. 0 when there is none."""
    found = _NATIVE.search(message)
    return int(found.group(1)) if found else 0


def _first_sentence(message: str) -> str:
    """The error's first line without driver prefixes and without the row values that DETAIL lines carry."""
    text = re.split(r"\n|;\s*$", _PREFIX.sub("", message).strip())[0]
    text = re.sub(r"(\s*\(-?\d+\))*(\s*\(SQL\w+\))?\s*$", "", text)
    return text.removeprefix("ERROR: ").removeprefix("FATAL: ").rstrip(" ;")[:300]


def _classify_sqlite(state: str, message: str) -> Verdict:
    """libsqliteodbc reports everything as HY000; the native code and the text tell the difference."""
    code = native_code(message)
    text = _first_sentence(message)
    if code == 19:
        if "UNIQUE constraint failed" in text:
            return Verdict(Fault.DUPLICATE, "19-unique", text)
        if "NOT NULL constraint failed" in text:
            return Verdict(Fault.INVALID, "19-not-null", text)
        return Verdict(Fault.BUSINESS, "19", text)
    known = {
        5: Fault.BUSY,
        6: Fault.BUSY,
        10: Fault.LOST,
        13: Fault.BUSY,
        1: Fault.SETUP,
        3: Fault.SETUP,
        8: Fault.SETUP,
        14: Fault.SETUP,
        18: Fault.INVALID,
        20: Fault.INVALID,
        26: Fault.SETUP,
    }
    if "connect failed (14)" in message:
        return Verdict(Fault.SETUP, "14", "the database file does not exist or cannot be opened")
    if state.startswith("08"):
        return Verdict(Fault.LOST, state, text)
    return Verdict(known.get(code, Fault.UNKNOWN), str(code) if code else state, text)


_PG_EXACT = {
    "40001": Fault.BUSY,
    "40P01": Fault.BUSY,
    "55P03": Fault.BUSY,
    "57014": Fault.BUSY,
    "53300": Fault.LOST,
    "57P01": Fault.LOST,
    "57P02": Fault.LOST,
    "57P03": Fault.LOST,
    "0A000": Fault.LOST,  # "cached plan must not change result type" after ALTER TABLE: prepare anew
    "25P02": Fault.LOST,
    "23505": Fault.DUPLICATE,
    "23502": Fault.INVALID,
    "P0001": Fault.BUSINESS,
    "42501": Fault.SETUP,
    "42P01": Fault.SETUP,
    "42703": Fault.SETUP,
    "3D000": Fault.SETUP,
}
_PG_CLASS = {
    "08": Fault.LOST,
    "22": Fault.INVALID,
    "23": Fault.BUSINESS,
    "28": Fault.SETUP,
    "P0": Fault.BUSINESS,
    "53": Fault.BUSY,
}


def _classify_postgresql(state: str, message: str) -> Verdict:
    """psqlodbc gives the server's SQLSTATE; exception classes are no guide (57P01 is a plain Error)."""
    fault = _PG_EXACT.get(state) or _PG_CLASS.get(state[:2], Fault.UNKNOWN)
    if "internal SAVEPOINT failed" in message:
        fault = Fault.LOST  # the driver's own savepoint was the first to meet the dead connection
    if state == "08001" and ("does not exist" in message or "authentication failed" in message):
        fault = Fault.SETUP
    text = _first_sentence(message)
    if fault is Fault.INVALID:
        # '... for type numeric: "abc"' carries the value
        text = text.split(': "')[0]
    return Verdict(fault, state, text)


SQLITE = Dialect(
    name="sqlite",
    packages="libsqliteodbc",
    driver_files=("libsqlite3odbc.so",),
    # BigInt: without it 2^53+1 in an integer column is read as 1. NoCreat: a wrong path must not make a file.
    defaults={"BigInt": "1", "FKSupport": "1", "NoCreat": "1", "Timeout": "{lock_ms}"},
    row_lock="",
    share_lock="",
    returning=False,
    last_row="rowid = last_insert_rowid()",
    session=(),
    text_types=frozenset({"text", "varchar", "char", "nchar", "nvarchar", "clob", "character"}),
    casts=False,
    marks_writes=False,
    change_probe="PRAGMA data_version",
    classify=_classify_sqlite,
)

POSTGRESQL = Dialect(
    name="postgresql",
    packages="odbc-postgresql",
    driver_files=("psqlodbcw.so",),
    # keepalives: without them a cut link blocks a call for minutes
    defaults={
        "BoolsAsChar": "0",
        "pqopt": "keepalives=1 keepalives_idle=5 keepalives_interval=2 keepalives_count=3 "
        "tcp_user_timeout={deadline_ms} connect_timeout={connect_s}",
    },
    row_lock=" FOR UPDATE",
    share_lock=" FOR SHARE",
    returning=True,
    last_row="",
    session=(
        "SET lock_timeout = {lock_ms}",
        "SET idle_in_transaction_session_timeout = {deadline_ms}",
        "SET TIME ZONE 'UTC'",
        "SET DateStyle = 'ISO'",
    ),
    text_types=frozenset({"text", "varchar", "bpchar"}),
    casts=True,
    marks_writes=True,
    change_probe=None,
    classify=_classify_postgresql,
    pads_char=True,
)

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (SQLITE, POSTGRESQL)}


def dialect_of(connection: str, *, where: str) -> str:
    """The dialect that the driver's name in a connection string tells. Raises Refused when none does."""
    driver = re.search(r"(?i)(?:^|;)\s*driver\s*=\s*(\{[^}]*\}|[^;]*)", connection)
    name = driver.group(1).lower() if driver else ""
    if "sqlite" in name:
        return SQLITE.name
    if "psqlodbc" in name or "postgres" in name:
        return POSTGRESQL.name
    raise Refused(
        "the connection string names no driver whose SQL dialect is known",
        where=where,
        remedy=f"set dialect to one of {', '.join(sorted(DIALECTS))}",
    )
