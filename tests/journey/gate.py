"""A door in front of a TCP server, which may be shut; it counts what people send through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Gate:
    """Relays connections to ``target`` while it is open; drops them at once while it is shut.

    knocks  connections that came;  seen: how often ``marker`` was sent through
    """

    def __init__(self, target: tuple[str, int], marker: bytes) -> None:
        self.knocks = 0
        self.seen = 0
        self._target = target
        self._marker = marker
        self._open = True
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [self._start(self._accept)]

    @property
    def address(self) -> str:
        """host:port to connect to."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def shut(self) -> None:
        """Drop every connection, and those that come."""
        self._open = False
        self._drop()

    def open(self) -> None:
        """Let everybody through again."""
        self._open = True

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        with contextlib.suppress(OSError):  # already unconnected is what is wanted
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._drop()
        while self._threads:  # the one that accepts comes first: none begins behind it
            self._threads.pop(0).join()

    def _drop(self) -> None:
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):  # the peer may have hung up first
                    end.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name="gate")
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.knocks += 1
            if self._open:
                self._threads.append(self._start(lambda near=near: self._relay(near)))  # type: ignore[misc] # bound now
            else:
                near.close()

    def _relay(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            with self._lock:
                if not self._open:  # shut while this one was on its way
                    return
                self._ends |= {near, far}
            back = self._start(lambda: self._pass(far, near, b""))
            self._pass(near, far, self._marker)
            back.join()
            with self._lock:
                self._ends -= {near, far}

    def _pass(self, source: socket.socket, goal: socket.socket, marker: bytes) -> None:
        with contextlib.suppress(OSError):  # a dropped connection ends like one that was closed
            while data := source.recv(65536):
                self.seen += data.count(marker) if marker else 0
                goal.sendall(data)
        with contextlib.suppress(OSError):  # the other direction may have ended first
            goal.shutdown(socket.SHUT_RDWR)
