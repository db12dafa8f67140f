"""The ballast: room that the store keeps on its disk, to be given up when the disk is full.

What was delivered must be written down even then. SQLite needs room for its log, and for copying the log into
the database: the ballast has to be at least as large as the log may become.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from pathlib import Path

FILE = "ballast"
#: Bytes written at once where room cannot simply be asked for.
_PIECE = 1 << 20
_NOT_SUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class Ballast:
    """The file beside the store. Safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / FILE
        self._guard = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes of the disk that it really takes."""
        try:
            return self._file.stat().st_size
        except FileNotFoundError:
            return 0

    def free(self) -> int:
        """Bytes that the service's user may still write on this disk. Raises OSError."""
        return shutil.disk_usage(self._directory).free

    def make(self, size: int) -> None:
        """Take exactly so many bytes of the disk; where there is no room, nothing. Raises OSError."""
        with self._guard:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _allocate(descriptor, size)
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, 0)
                raise
            finally:
                os.close(descriptor)

    def release(self) -> bool:
        """Give the room up; whether there was any. The file stays: taking it away might need room."""
        with self._guard:
            if not self.held:
                return False
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.ftruncate(descriptor, 0)
            finally:
                os.close(descriptor)
            return True


def _allocate(descriptor: int, size: int) -> None:
    """Have the file system set room aside; where it cannot, write what cannot be squeezed together."""
    if not size:
        return
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
        else:
            return
    os.lseek(descriptor, 0, os.SEEK_SET)
    for at in range(0, size, _PIECE):
        os.write(descriptor, os.urandom(min(_PIECE, size - at)))
