"""A file system between SQLite and the real one: everything that is done to a file passes a watch.

The real methods stay in place, with the real file objects; only the calls that matter to durability are
led past the watch, which may answer them with an error instead.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.faults.disk import library as sqlite
from tests.faults.disk.library import FileMethods, FileSystem, library

NAME = b"isthmus-faults"
#: Everything that SQLite may still point to; never taken away while the process lives.
_KEPT: list[object] = []


@dataclass(frozen=True, slots=True)
class Call:
    """One call on a file. ``data`` of a write; ``size`` of a read or truncate; ``created``: it was not there.

    journal  a rollback journal or a write-ahead log: SQLite syncs its directory with its first sync
    """

    kind: str
    path: str
    offset: int = 0
    data: bytes = b""
    size: int = 0
    created: bool = False
    journal: bool = False


class Watch(Protocol):
    """Sees every call before and after it was made."""

    def before(self, call: Call) -> int:
        """The result code to answer instead of making the call; 0 lets it through."""

    def after(self, call: Call) -> None:
        """The call was made, and it worked."""


@dataclass(slots=True)
class _Open:
    """An open file: its path, and the real methods of its kind."""

    path: str
    real: FileMethods


@contextmanager
def watched(watch: Watch, *, reads: bool = False) -> Iterator[None]:
    """Everything that SQLite does to files in this process passes ``watch`` while the block runs.

    ``reads`` leads reads past it too. All connections made in the block must be closed in it.
    """
    shim = _Shim(watch, reads)
    found = library()
    address = ctypes.addressof(shim.system)
    assert found.sqlite3_vfs_register(address, 1) == sqlite.OK
    try:
        yield
    finally:
        found.sqlite3_vfs_register(shim.real_address, 1)
        found.sqlite3_vfs_unregister(address)
    if shim.failed is not None:
        raise shim.failed


class _Shim:
    def __init__(self, watch: Watch, reads: bool) -> None:
        self._watch = watch
        self._reads = reads
        self._files: dict[int, _Open] = {}
        self._methods: dict[int, FileMethods] = {}
        self.failed: BaseException | None = None
        self.real_address = int(library().sqlite3_vfs_find(None))
        self._real = FileSystem.from_address(self.real_address)
        self.system = FileSystem()
        ctypes.memmove(ctypes.addressof(self.system), self.real_address, ctypes.sizeof(FileSystem))
        self.system.zName = NAME
        self.system.pNext = None
        self._opened = sqlite.OPEN(self._guarded(self._open))
        self._deleted = sqlite.DELETE(self._guarded(self._delete))
        self.system.xOpen = ctypes.cast(self._opened, sqlite.POINTER)
        self.system.xDelete = ctypes.cast(self._deleted, sqlite.POINTER)
        self._calls = {
            "xClose": sqlite.CLOSE(self._guarded(self._close)),
            "xWrite": sqlite.WRITE(self._guarded(self._write)),
            "xTruncate": sqlite.TRUNCATE(self._guarded(self._truncate)),
            "xSync": sqlite.SYNC(self._guarded(self._sync)),
        }
        if reads:
            self._calls["xRead"] = sqlite.READ(self._guarded(self._read))
        _KEPT.append(self)

    def _guarded(self, call: Callable[..., int]) -> Callable[..., int]:
        """An exception cannot pass through C: it is kept, and the call fails."""

        def guarded(*arguments: Any) -> int:
            try:
                return call(*arguments)
            except BaseException as error:
                self.failed = self.failed or error
                return sqlite.IOERR_WRITE

        return guarded

    # --- the file system

    def _open(self, _: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        created = not Path(path).exists()
        journal = bool(flags & (sqlite.OPEN_WAL | sqlite.OPEN_MAIN_JOURNAL))
        call = Call("open", path, created=created, journal=journal)
        methods = ctypes.c_void_p.from_address(file)
        code = self._watch.before(call)
        if code:
            methods.value = None
            return code
        code = int(sqlite.OPEN(self._real.xOpen)(self.real_address, name, file, flags, out))
        if code == sqlite.OK and methods.value:
            self._files[file] = _Open(path, FileMethods.from_address(methods.value))
            methods.value = ctypes.addressof(self._led(methods.value))
            self._watch.after(call)
        return code

    def _led(self, real: int) -> FileMethods:
        """The real methods with some replaced; there are a few kinds of files, each with its own."""
        if real not in self._methods:
            copy = FileMethods()
            ctypes.memmove(ctypes.addressof(copy), real, ctypes.sizeof(FileMethods))
            for name, call in self._calls.items():
                setattr(copy, name, ctypes.cast(call, sqlite.POINTER))
            self._methods[real] = copy
        return self._methods[real]

    def _delete(self, _: int, name: int, sync: int) -> int:
        path = ctypes.string_at(name).decode()
        return self._passed(
            Call("delete", path, size=sync),
            lambda: sqlite.DELETE(self._real.xDelete)(self.real_address, name, sync),
        )

    # --- open files

    def _close(self, file: int) -> int:
        return int(sqlite.CLOSE(self._files.pop(file).real.xClose)(file))

    def _read(self, file: int, buffer: int, amount: int, offset: int) -> int:
        opened = self._files[file]
        code = self._watch.before(Call("read", opened.path, offset, size=amount))
        if code:
            ctypes.memset(buffer, 0, amount)
            return code
        return int(sqlite.READ(opened.real.xRead)(file, buffer, amount, offset))

    def _write(self, file: int, buffer: int, amount: int, offset: int) -> int:
        opened = self._files[file]
        return self._passed(
            Call("write", opened.path, offset, ctypes.string_at(buffer, amount)),
            lambda: sqlite.WRITE(opened.real.xWrite)(file, buffer, amount, offset),
        )

    def _truncate(self, file: int, size: int) -> int:
        opened = self._files[file]
        return self._passed(
            Call("truncate", opened.path, size=size),
            lambda: sqlite.TRUNCATE(opened.real.xTruncate)(file, size),
        )

    def _sync(self, file: int, flags: int) -> int:
        opened = self._files[file]
        return self._passed(Call("sync", opened.path), lambda: sqlite.SYNC(opened.real.xSync)(file, flags))

    def _passed(self, call: Call, real: Callable[[], int]) -> int:
        code = self._watch.before(call)
        if code:
            return code
        code = int(real())
        if code == sqlite.OK:
            self._watch.after(call)
        return code


def supported() -> bool:
    """Whether this platform lets a process look at its own mappings."""
    return sys.platform.startswith("linux")
