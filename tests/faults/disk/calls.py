"""The system's calls on files that our own code makes in this process, led past the same watch as SQLite's.

Only calls made through the ``os`` module and ``pathlib`` on paths below one directory are led; a stream made
by ``os.fdopen`` writes through ``os.write``, so that its writes are seen too.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.faults.disk.shim import Call


class Errors:
    """A watch that lets everything through but the n-th call of a kind, which fails with an errno.

    ``code`` 0 counts without failing. ``failed``: whether the call came.
    """

    def __init__(self, kind: str = "", at: int = 0, code: int = 0) -> None:
        self.kind, self.at, self.code = kind, at, code
        self.calls: dict[str, int] = {}

    @property
    def failed(self) -> bool:
        """Whether the call that was to fail was made."""
        return bool(self.code) and self.calls.get(self.kind, 0) >= self.at

    def before(self, call: Call) -> int:
        """Count the call; the errno with which it fails."""
        self.calls[call.kind] = self.calls.get(call.kind, 0) + 1
        hit = call.kind == self.kind and self.calls[call.kind] == self.at
        return self.code if hit else 0

    def after(self, call: Call) -> None:
        """It worked."""


class _Stream(io.FileIO):
    """Writes through the led ``os.write``."""

    def write(self, data: Any, /) -> int:
        return os.write(self.fileno(), data)


class _Calls:
    """The calls that replace those of ``os``."""

    def __init__(self, directory: Callable[[], Path], watch: Any) -> None:
        self._directory = directory
        self._watch = watch
        self._paths: dict[int, str] = {}
        self._real = {
            name: getattr(os, name)
            for name in (
                *("open", "close", "write", "pwrite", "fsync", "rename", "replace", "unlink", "ftruncate"),
                *("fdopen", "posix_fallocate"),
            )
        }

    def patches(self) -> list[Any]:
        """One for each name."""
        return [patch.object(os, name, getattr(self, name)) for name in self._real]

    def _led(self, call: Call, real: Callable[[], Any]) -> Any:
        code = self._watch.before(call)
        if code:
            raise OSError(code, os.strerror(code), call.path)
        result = real()
        self._watch.after(call)
        return result

    def _ours(self, path: Any) -> str | None:
        if isinstance(path, int):
            return self._paths.get(path)
        text = os.fspath(path)
        directory = self._directory()
        below = Path(text) == directory or directory in Path(text).parents
        return text if below else None

    def open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        """``os.open``: may make the file or empty it."""
        ours = self._ours(path)
        if ours is None:
            descriptor = int(self._real["open"](path, flags, *rest, **named))
            self._paths.pop(descriptor, None)
            return descriptor
        created = bool(flags & os.O_CREAT) and not Path(ours).exists()
        call = Call("open", ours, created=created)
        descriptor = int(self._led(call, lambda: self._real["open"](path, flags, *rest, **named)))
        self._paths[descriptor] = ours
        if flags & os.O_TRUNC and not created:
            self._watch.after(Call("truncate", ours))
        return descriptor

    def close(self, descriptor: int) -> None:
        """``os.close``."""
        self._paths.pop(descriptor, None)
        self._real["close"](descriptor)

    def write(self, descriptor: int, data: Any) -> int:
        """``os.write``, at the place where the file stands."""
        path = self._ours(descriptor)
        if path is None:
            return int(self._real["write"](descriptor, data))
        offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        call = Call("write", path, offset, bytes(data))
        return int(self._led(call, lambda: self._real["write"](descriptor, data)))

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        """``os.pwrite``."""
        path = self._ours(descriptor)
        if path is None:
            return int(self._real["pwrite"](descriptor, data, offset))
        call = Call("write", path, offset, bytes(data))
        return int(self._led(call, lambda: self._real["pwrite"](descriptor, data, offset)))

    def fsync(self, descriptor: int) -> None:
        """``os.fsync`` of a file or a directory."""
        path = self._ours(descriptor)
        if path is None:
            self._real["fsync"](descriptor)
        else:
            self._led(Call("sync", path), lambda: self._real["fsync"](descriptor))

    def ftruncate(self, descriptor: int, size: int) -> None:
        """``os.ftruncate``."""
        path = self._ours(descriptor)
        if path is None:
            self._real["ftruncate"](descriptor, size)
        else:
            self._led(Call("truncate", path, size=size), lambda: self._real["ftruncate"](descriptor, size))

    def posix_fallocate(self, descriptor: int, offset: int, size: int) -> None:
        """``os.posix_fallocate``: takes room, writes nothing."""
        path = self._ours(descriptor)
        call = Call("allocate", path or "", offset, size=size)
        self._led(call, lambda: self._real["posix_fallocate"](descriptor, offset, size))

    def rename(self, source: Any, target: Any, **named: Any) -> None:
        """``os.rename``."""
        self._move("rename", source, target, named)

    def replace(self, source: Any, target: Any, **named: Any) -> None:
        """``os.replace``."""
        self._move("replace", source, target, named)

    def _move(self, name: str, source: Any, target: Any, named: dict[str, Any]) -> None:
        path = self._ours(source)
        if path is None:
            self._real[name](source, target, **named)
            return
        call = Call("rename", path, data=os.fspath(target).encode())
        self._led(call, lambda: self._real[name](source, target, **named))

    def unlink(self, path: Any, **named: Any) -> None:
        """``os.unlink``."""
        ours = self._ours(path)
        if ours is None:
            self._real["unlink"](path, **named)
        else:
            self._led(Call("delete", ours), lambda: self._real["unlink"](path, **named))

    def fdopen(self, descriptor: int, mode: str = "r", *rest: Any, **named: Any) -> Any:
        """``os.fdopen``: a stream whose writes are led."""
        if self._ours(descriptor) is None or mode != "wb":
            return self._real["fdopen"](descriptor, mode, *rest, **named)
        return io.BufferedWriter(_Stream(descriptor, mode))


@contextmanager
def led(directory: Callable[[], Path], watch: Any) -> Iterator[None]:
    """Calls on files below what is ``directory`` at that moment pass ``watch`` while the block runs."""
    patches = _Calls(directory, watch).patches()
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in reversed(patches):
            each.stop()


#: What a disk, a quota, a lost permission and a full table of descriptors answer.
ERRNOS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EACCES": errno.EACCES, "EMFILE": errno.EMFILE}
