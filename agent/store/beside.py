"""What is kept beside the store: its epoch, and how far it is, so that an older copy in its place is noticed.

Two small files, and whatever else of the store is written by calls of the operating system.
"""

from __future__ import annotations

import os
from pathlib import Path

from agent import failpoints

#: Bytes copied at once.
PIECE = 1 << 20


def number(file: Path) -> int:
    """The number in a small file; 0 where there is none, as after a power cut in its first second."""
    try:
        return int(file.read_text().strip() or "0")
    except (FileNotFoundError, ValueError):
        return 0


def keep(file: Path, value: int) -> None:
    """Replace the number in the file so that a power cut leaves the old one or the new one.

    The caller syncs the directory: also when the number stood there before, for whoever put it there may have
    died before that. Raises OSError.
    """
    temporary = file.with_name(f"{file.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, str(value).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    failpoints.hit("epoch.before_rename")
    temporary.replace(file)
    failpoints.hit("epoch.after_rename")


def note(file: Path, value: int) -> None:
    """Overwrite the number where it lies, not synced: it may be lost, never torn (20 bytes, one sector).

    Raises OSError.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, f"{value:<20}".encode(), 0)
    finally:
        os.close(descriptor)


def write_again(file: Path) -> None:
    """Write the same bytes over what is in the file, and sync: after this it is really on the disk.

    An earlier process may have met a failed sync. What it wrote is still shown to every reader, the system
    takes it as clean, and only a new write makes a sync say the truth. Raises OSError.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        at = 0
        while piece := os.pread(descriptor, PIECE, at):
            os.pwrite(descriptor, piece, at)
            at += len(piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(directory: Path) -> None:
    """Make a rename in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
