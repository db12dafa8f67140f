"""Takes the files that SAP writes. The watcher only hints; a scan of the directory is the truth.

A file is released (archived, or put into quarantine) in ``ack``, after its changes are durable. Killed
in between, the same file is read again with the same identities, and released then.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from adapters.idoc.directory import (
    Stamp,
    digest_of,
    free_name,
    move,
    own_fault,
    read_file,
    stamp_at,
    stamp_of,
)
from adapters.idoc.format.flat import sort_key
from adapters.idoc.inbound import STREAM, Inbound, Reading, broken_file
from adapters.idoc.settings import Settings, Take
from adapters.idoc.watch import Watch
from agent import failpoints
from agent.core.change import Batch, Change, ChangeKind
from agent.errors import Unreachable

log = structlog.get_logger(__name__)

#: Names that are not taken: files under way, and hidden ones (rsync and FTP servers write to those first).
_IGNORED_ENDS = (".tmp", ".part")
#: Bytes that hold a control record in any code page.
_HEAD = 4096
#: A writer may have opened the file and not written yet.
_EMPTY_STABLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``ack`` needs: which file in which state was read, and where it goes."""

    name: str
    stamp: Stamp
    digest: str
    readable: bool


@dataclass(slots=True)
class _Seen:
    """A file that waits: its state, since when (monotonic seconds), and its place in the order."""

    stamp: Stamp
    since: float
    key: tuple[str, str, str] | None = None


class IdocDirectory:
    """The source side of one SAP system on file ports. ``monotonic`` gives seconds."""

    def __init__(
        self, name: str, settings: Settings, inbound: Inbound, monotonic: Callable[[], float]
    ) -> None:
        self._name = name
        self._settings = settings
        self._inbound = inbound
        self._monotonic = monotonic
        self._watch: Watch | None = None
        self._seen: dict[str, _Seen] = {}
        self._in_hand: dict[str, Stamp] = {}
        self._ready: list[str] = []
        self._position = b""
        self._looking = threading.Lock()

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Begin with a scan. The position only tells how far SAP's numbers were read: files are their
        own truth.
        """
        await self.close()
        self._position = positions.get(STREAM, b"")
        self._watch = Watch(self._settings.inbound_dir, poll_only=self._settings.poll_only)
        try:
            await self._watch.start()
            await asyncio.to_thread(self._scan)
        except OSError as error:
            await self.close()
            raise self._unreachable(error) from error

    async def read(self) -> Batch:
        """The next file that is whole; an empty batch after ``scan_s`` without one."""
        deadline = self._monotonic() + self._settings.scan_s
        while True:
            try:
                while self._ready:
                    name = self._ready.pop(0)
                    taken = await asyncio.to_thread(self._take, name)
                    if taken is not None:
                        # Marked here and not in the thread: a read that was cancelled handed nothing out.
                        batch, self._in_hand[name] = taken
                        return batch
                if self._monotonic() >= deadline:
                    return Batch(STREAM, (), position=self._position)
                await self._wait(deadline)
                await asyncio.to_thread(self._scan)
            except OSError as error:
                raise self._unreachable(error) from error

    async def ack(self, batch: Batch) -> None:
        """Release the batch's file. Raises Unreachable where it cannot be moved; it then stays and is
        not lost.
        """
        if isinstance(batch.receipt, Receipt):
            try:
                await asyncio.to_thread(self._release, batch.receipt)
            except OSError as error:
                raise self._unreachable(error) from error

    async def close(self) -> None:
        """Stop watching; what was read and not released is read again after the next open."""
        if self._watch is not None:
            await self._watch.stop()
            self._watch = None
        await asyncio.to_thread(self._forget)

    def _forget(self) -> None:
        with self._looking:
            self._seen.clear()
            self._in_hand.clear()
            self._ready = []

    async def _wait(self, deadline: float) -> None:
        """Until a hint, the time a waiting file is stable, or the next scan."""
        now = self._monotonic()
        ends = [seen.since + self._needed(seen.stamp) for seen in self._seen.values()]
        pause = max(0.0, min([deadline, *ends]) - now)
        if self._watch is None:
            raise Unreachable("the source is not open", where=self._name)
        await self._watch.hint(pause)

    def _needed(self, stamp: Stamp) -> float:
        """Seconds that a file must not have changed."""
        if stamp.size == 0:
            return _EMPTY_STABLE_S
        return self._settings.stable_s if self._settings.take is Take.STABLE else 0.0

    def _scan(self) -> None:
        """Look at every file; those that are whole become ready, in the order of SAP's clock and numbers."""
        now = self._monotonic()
        found = self._list()
        with self._looking:
            self._compare(found, now)

    def _compare(self, found: Mapping[str, Stamp], now: float) -> None:
        self._seen = {name: seen for name, seen in self._seen.items() if name in found}
        for name, stamp in found.items():
            if self._in_hand.get(name) == stamp:
                self._seen.pop(name, None)
                continue
            seen = self._seen.get(name)
            if seen is None or seen.stamp != stamp:
                self._seen[name] = _Seen(stamp, now)
        whole = [name for name, seen in self._seen.items() if now - seen.since >= self._needed(seen.stamp)]
        self._ready = sorted(whole, key=lambda name: (self._key(name), name))

    def _list(self) -> dict[str, Stamp]:
        found: dict[str, Stamp] = {}
        with os.scandir(self._settings.inbound_dir) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower().endswith(_IGNORED_ENDS):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    found[entry.name] = stamp_of(status)
        return found

    def _key(self, name: str) -> tuple[str, str, str]:
        seen = self._seen[name]
        if seen.key is None:
            try:
                head, _ = read_file(self._settings.inbound_dir / name, _HEAD)
            except OSError:  # `_take` meets it again and tells
                head = b""
            seen.key = sort_key(io.BytesIO(head), self._settings.encoding)
        return seen.key

    def _take(self, name: str) -> tuple[Batch, Stamp] | None:
        """Read a file; None if it changed or went away since the scan."""
        with self._looking:
            seen = self._seen.pop(name, None)
        return None if seen is None else self._read(name, seen.stamp)

    def _read(self, name: str, expected: Stamp) -> tuple[Batch, Stamp] | None:
        path = self._settings.inbound_dir / name
        limit = self._settings.max_file_mb << 20
        try:
            content, stamp = read_file(path, limit + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            if not own_fault(error):
                raise  # a moment without file descriptors or memory, a disk or a share that does not answer
            return self._unreadable(name, expected, error), expected
        if stamp != expected or stamp_at(path) != stamp:
            return None  # still being written: the next scan sees it anew
        if len(content) <= limit:
            digest, reading = hashlib.sha256(content).hexdigest(), self._inbound.read(content)
        else:
            digest = digest_of(path)
            reading = self._too_large(content, digest)
        if reading.reached:
            self._position = reading.reached.encode()
        receipt = Receipt(name, stamp, digest, reading.readable)
        return Batch(STREAM, reading.changes, self._position, receipt), stamp

    def _unreadable(self, name: str, stamp: Stamp, error: OSError) -> Batch:
        """One file that may not be read stays where it is and holds back no other; told once per state."""
        change = Change(
            f"unreadable-{name}-{stamp.inode}-{stamp.changed_ns}",
            STREAM,
            ChangeKind.UNDECODABLE,
            "",
            reason=f"{name} in {self._settings.inbound_dir} cannot be read: {error.strerror or error}",
        )
        return Batch(STREAM, (change,), self._position)

    def _too_large(self, content: bytes, digest: str) -> Reading:
        reason = f"the file is larger than {self._settings.max_file_mb} MB (max_file_mb)"
        return Reading((broken_file(content, reason, digest),), False)

    def _release(self, receipt: Receipt) -> None:
        path = self._settings.inbound_dir / receipt.name
        if stamp_at(path) != receipt.stamp:
            self._in_hand.pop(receipt.name, None)  # released before, or another file under the same name
            return
        goal = self._settings.archive_dir if receipt.readable else self._settings.quarantine_dir
        failpoints.hit("idoc.before_archive")
        move(path, free_name(goal, receipt.name, receipt.digest))
        failpoints.hit("idoc.after_archive")
        self._in_hand.pop(receipt.name, None)
        if not receipt.readable:
            log.warning("file in quarantine", action="idoc.quarantined", system=self._name, file=receipt.name)

    def _unreachable(self, error: OSError) -> Unreachable:
        path = Path(error.filename).parent if error.filename else self._settings.inbound_dir
        return Unreachable(
            f"{error.strerror or error} in {path}",
            where=self._name,
            remedy="check that the directories are mounted and that the agent may read and rename in them",
        )
