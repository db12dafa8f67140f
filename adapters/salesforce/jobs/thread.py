"""A thread of one's own for a library that blocks: calls run there one after the other."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class OwnThread:
    """Begins with the first call. A process that ends does not wait for a call that hangs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[[], _T]) -> _T:
        """The result of a call, or what it raised. Whoever stops waiting leaves it running."""
        future: Future[_T] = Future()
        self._put((call, future))
        return await asyncio.wrap_future(future)

    def later(self, call: Callable[[], object]) -> None:
        """Run something behind all that was asked so far; nobody waits for it."""
        self._put((call, Future()))

    def stop(self) -> None:
        """End behind all that was asked so far."""
        self._calls.put(None)

    def _put(self, item: tuple[Callable[[], Any], Future[Any]]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._calls.put(item)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
