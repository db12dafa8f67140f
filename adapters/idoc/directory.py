"""What is done with files and directories so that a crash or a power loss leaves a clear state.

A name is durable only when its directory was synced. Only regular files are read, never through a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which file this is and which state of it: other content, or other rights, make another stamp."""

    device: int
    inode: int
    size: int
    written_ns: int
    changed_ns: int


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp from a stat."""
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def stamp_at(path: Path) -> Stamp | None:
    """The stamp of a regular file; None where there is none, or something else. Raises OSError."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return stamp_of(status) if stat.S_ISREG(status.st_mode) else None


def own_fault(error: OSError) -> bool:
    """Whether a file could not be read because of what it is, not because of the machine at that moment."""
    return error.errno is None or error.errno in (errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR)


def read_file(path: Path, limit: int) -> tuple[bytes, Stamp]:
    """Content (at most ``limit`` bytes) and stamp of a regular file. Raises OSError, also for a link."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path.name} is not a regular file")
        return stream.read(limit), stamp_of(status)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def move(source: Path, target: Path) -> None:
    """Rename within a file system and make both directories durable."""
    source.rename(target)
    sync_directory(target.parent)
    if source.parent != target.parent:
        sync_directory(source.parent)


def _cut(text: str, size: int) -> str:
    """The text in at most so many bytes of a file name, whole characters only."""
    return os.fsencode(text)[:size].decode("utf-8", errors="ignore")


def free_name(directory: Path, name: str, digest: str) -> Path:
    """A name for this content in a directory: the hash tells contents apart, a count tells copies apart.

    A name near the file system's limit (255 bytes) is cut so that the hash fits: it must not stop intake.
    """
    stem, suffix = _cut(Path(name).stem, 180), _cut(Path(name).suffix, 40)
    path = directory / f"{stem}.{digest[:16]}{suffix}"
    count = 1
    while path.exists():
        count += 1
        path = directory / f"{stem}.{digest[:16]}.{count}{suffix}"
    return path
