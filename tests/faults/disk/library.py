"""The SQLite library that this very process runs on, and the two structures through which it reaches files.

sqlite.org/c3ref/vfs.html and sqlite.org/c3ref/io_methods.html describe them.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import sqlite3
from functools import cache
from pathlib import Path

POINTER = ctypes.c_void_p

OK = 0
FULL = 13
CANTOPEN = 14
IOERR_READ = 10 | 1 << 8
IOERR_SHORT_READ = 10 | 2 << 8
IOERR_WRITE = 10 | 3 << 8
IOERR_FSYNC = 10 | 4 << 8
IOERR_TRUNCATE = 10 | 6 << 8
IOERR_DELETE = 10 | 10 << 8

#: Kinds of files, by the flags with which SQLite opens them (sqlite.org/c3ref/c_open_autoproxy.html).
OPEN_MAIN_JOURNAL = 0x00000800
OPEN_WAL = 0x00080000


class FileMethods(ctypes.Structure):
    """``sqlite3_io_methods``: what can be done with an open file."""

    _fields_ = [
        ("iVersion", ctypes.c_int),
        *(
            (name, POINTER)
            for name in (
                *("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock"),
                *("xCheckReservedLock", "xFileControl", "xSectorSize", "xDeviceCharacteristics"),
                *("xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap", "xFetch", "xUnfetch"),
            )
        ),
    ]


class FileSystem(ctypes.Structure):
    """``sqlite3_vfs``: how files are opened, deleted and found."""

    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", POINTER),
        ("zName", ctypes.c_char_p),
        ("pAppData", POINTER),
        *(
            (name, POINTER)
            for name in (
                *(
                    "xOpen",
                    "xDelete",
                    "xAccess",
                    "xFullPathname",
                    "xDlOpen",
                    "xDlError",
                    "xDlSym",
                    "xDlClose",
                ),
                *("xRandomness", "xSleep", "xCurrentTime", "xGetLastError", "xCurrentTimeInt64"),
                *("xSetSystemCall", "xGetSystemCall", "xNextSystemCall"),
            )
        ),
    ]


CLOSE = ctypes.CFUNCTYPE(ctypes.c_int, POINTER)
READ = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER, ctypes.c_int, ctypes.c_int64)
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER, ctypes.c_int, ctypes.c_int64)
TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, ctypes.c_int64)
SYNC = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, ctypes.c_int)
OPEN = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER, POINTER, ctypes.c_int, POINTER)
DELETE = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER, ctypes.c_int)


@cache
def library() -> ctypes.CDLL:
    """The library behind the ``sqlite3`` module: the very one that is mapped into this process.

    A second copy would know nothing of the connections of the first, so it is not loaded by its name.
    """
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line]
    own = [path for path in dict.fromkeys(mapped) if Path(path).name.startswith("libsqlite3")]
    for path in (*own, _sqlite3.__file__, None):  # None: linked into the interpreter itself
        found = ctypes.CDLL(path)
        if hasattr(found, "sqlite3_vfs_register") and _version(found) == sqlite3.sqlite_version:
            found.sqlite3_vfs_find.restype = POINTER
            found.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
            found.sqlite3_vfs_register.argtypes = [POINTER, ctypes.c_int]
            found.sqlite3_vfs_unregister.argtypes = [POINTER]
            return found
    raise RuntimeError("this Python keeps its SQLite to itself: no file system can be put under it")


def _version(found: ctypes.CDLL) -> str:
    found.sqlite3_libversion.restype = ctypes.c_char_p
    return bytes(found.sqlite3_libversion()).decode()
