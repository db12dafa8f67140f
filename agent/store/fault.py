"""What SQLite's errors say about the disk, told apart from what a statement did wrong itself.

Codes: sqlite.org/rescode.html. After an I/O error nothing that this connection believes is believed any more:
a failed sync leaves pages that look written and are not, and a second sync reports success (lwn.net 752063).
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from agent.errors import StoreError

_PRIMARY = 0xFF
#: Codes after which the connection is not used any more, and what a person is told.
_BROKEN = {
    sqlite3.SQLITE_IOERR: ("the disk failed", "look after the disk; the next start checks what is there"),
    sqlite3.SQLITE_CANTOPEN: (
        "a file of the store cannot be opened",
        "check the rights of state_dir and the limit of open files",
    ),
    sqlite3.SQLITE_READONLY: (
        "the store may not be written",
        "check the rights of state_dir, and that its file system is mounted for writing",
    ),
    sqlite3.SQLITE_PERM: ("the store may not be used", "check the rights of state_dir"),
    sqlite3.SQLITE_NOMEM: ("there is no memory left", "give the agent more memory"),
}
#: Codes after which no start helps before a person has looked.
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_NOTADB: "it is no database",
}
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskFault(StoreError):
    """The disk did not do what it was asked to. Nothing of the transaction counts as kept.

    The agent ends; a start finds out what is there, so the service manager may start it again.
    """

    exit_code = 1


class Damaged(DiskFault):
    """What lies there is no sound database: another start would find the same."""

    exit_code = 2


class DiskFull(DiskFault):
    """There is no room. The connection is sound: the transaction may be run again when there is."""


class Locked(StoreError):
    """Another program holds the database's lock."""


def of(error: sqlite3.Error, file: Path | str = "") -> StoreError | None:
    """The error of the store behind an error of SQLite; None when the statement is to blame."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else of_code(int(code), f"{error.sqlite_errorname}: {error}", file)


def of_code(code: int, text: str, file: Path | str = "") -> StoreError | None:
    """The same for a result code, and what SQLite said with it."""
    where, primary = str(file), code & _PRIMARY
    # A log's index that cannot grow is a lack of room, though it is reported as an I/O error.
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return full(where)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Locked(
            "another program has locked the database",
            where=where,
            remedy="close it, and keep it off this file",
        )
    if primary in _DAMAGED:
        remedy = "keep the file aside and restore the last backup"
        return Damaged(f"{_DAMAGED[primary]} ({text})", where=where, remedy=remedy)
    if primary in _BROKEN:
        what, remedy = _BROKEN[primary]
        return DiskFault(f"{what} ({text})", where=where, remedy=remedy)
    return None


def of_system(error: OSError, file: Path | str = "") -> StoreError:
    """The same for an error of the operating system."""
    where = str(error.filename or file)
    if error.errno in _NO_ROOM:
        return full(where)
    return DiskFault(
        f"{error.strerror or error} ({errno.errorcode.get(error.errno or 0, 'no errno')})",
        where=where,
        remedy="check the disk, the rights of state_dir and the limit of open files",
    )


def full(where: str) -> DiskFull:
    """There is no room."""
    return DiskFull(
        "the disk is full; nothing was kept", where=where, remedy="make room on the disk of state_dir"
    )
