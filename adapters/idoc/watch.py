"""Hints that a directory changed. They may be lost or late: whoever waits looks again after a while
anyway.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

log = structlog.get_logger(__name__)

#: What reading a file causes itself; a hint of it would only make the next scan.
_OWN = {"opened", "closed_no_write"}


class _Hinting(FileSystemEventHandler):
    """Passes every event on to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        self._loop = loop
        self._event = event

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called in the watcher's thread."""
        if event.event_type not in _OWN and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)


class Watch:
    """Watches one directory, not what is below it."""

    def __init__(self, directory: Path, *, poll_only: bool) -> None:
        self._directory = directory
        self._poll_only = poll_only
        self._event = asyncio.Event()
        self._observer: BaseObserver | None = None

    async def start(self) -> None:
        """Begin. Without a free watch the scan alone goes on. Raises OSError where there is no directory."""
        self._directory.stat()
        if self._poll_only:
            return
        observer = Observer()
        try:
            observer.schedule(_Hinting(asyncio.get_running_loop(), self._event), str(self._directory))
            await asyncio.to_thread(observer.start)
        except OSError as error:
            log.warning("no watcher, scanning only", action="idoc.watch_refused", reason=error.strerror)
            return
        self._observer = observer

    async def hint(self, timeout_s: float) -> None:
        """Wait for a hint, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()

    async def stop(self) -> None:
        """Stop watching; safe to call twice."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            await asyncio.to_thread(observer.join)
