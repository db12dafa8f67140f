"""The archive directory as witness: a small file says which life of the store handed over or took files last.

SAP's directories cannot compare and set, so that happens under an advisory lock on a file beside it. On a
network drive the lock has to be one that the server knows (NFS 4, SMB); where there is none nothing is done.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from adapters.idoc.directory import sync_directory
from agent import failpoints
from agent.core.delivery import Mark
from agent.errors import Refused, Unreachable

T = TypeVar("T")

MARK, LOCK = ".isthmus-mark", ".isthmus-lock"


class DirectoryWitness:
    """Mark and lock in the archive directory of one SAP system."""

    def __init__(self, name: str, directory: Path) -> None:
        self._name = name
        self._directory = directory
        self._turn = threading.Lock()
        self._past: Mapping[str, int] = {}

    async def last(self) -> Mark:
        """What stands there. Raises Unreachable or Refused."""
        return await asyncio.to_thread(self._guarded, self._read)

    async def take(self, mark: Mark, instead_of: Mark, past: Mapping[str, int]) -> bool:
        """Write the mark if the expected one stands there."""

        def take() -> bool:
            with self.held() as found:
                if found != instead_of:
                    return False
                if mark != found:
                    self._write(mark)
            self._past = dict(past)
            return True

        return await asyncio.to_thread(self._guarded, take)

    def knows(self, life: str, token: int) -> bool:
        """Whether the store knows what was done under a mark. Nothing is unknown before a mark was taken."""
        return not life or token <= self._past.get(life, -1)

    @contextmanager
    def held(self) -> Iterator[Mark]:
        """The mark, which stays as it is within the block. Raises OSError."""
        with self._turn:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._directory / LOCK, flags, 0o640)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield self._read()
            finally:
                os.close(descriptor)

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except BlockingIOError as error:
            raise Unreachable("another agent is at work there", where=self._name) from error
        except OSError as error:
            raise Unreachable(
                f"{error.strerror or error} in {self._directory}",
                where=self._name,
                remedy="check that the directory is mounted, writable, and can be locked",
            ) from error

    def _read(self) -> Mark:
        try:
            text = (self._directory / MARK).read_text(encoding="utf-8")
        except FileNotFoundError:
            return Mark()
        try:
            return Mark(**json.loads(text))
        except (ValueError, TypeError):
            raise Refused(
                f"{MARK} in {self._directory} cannot be understood",
                where=self._name,
                remedy="put the file back from a backup; without it a copied store cannot be noticed",
            ) from None

    def _write(self, mark: Mark) -> None:
        temporary = self._directory / f"{MARK}.tmp"
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(asdict(mark), stream)
            stream.flush()
            os.fsync(stream.fileno())
        failpoints.hit("idoc.before_mark")
        temporary.replace(self._directory / MARK)
        failpoints.hit("idoc.after_mark")
        sync_directory(self._directory)
