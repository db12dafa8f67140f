"""Listens on loopback in a thread of its own, and ends with the test that started it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from pathlib import Path
from types import TracebackType

from tests.odbc.tds.catalog import OF_TYPES, about_types
from tests.odbc.tds.channel import Channel
from tests.odbc.tds.record import Record
from tests.odbc.tds.script import PATIENCE_S, NeverCame, Script
from tests.odbc.tds.session import Session

HOST = "127.0.0.1"


class ScriptMismatch(AssertionError):
    """Clients asked what the script did not foresee, or what this server cannot read."""


class Server:
    """A server with its script and its record. Leaving it as a context stops it and judges the script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        script.on(OF_TYPES, about_types)
        self.record = Record()
        self.port = 0
        self._numbers = itertools.count(1)
        self._sessions: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scripted SQL Server", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def __enter__(self) -> Server:
        self._thread.start()
        if not self._started.wait(PATIENCE_S):
            raise NeverCame("the server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.judge()

    def judge(self) -> None:
        """Find fault with what was asked so far. Raises ScriptMismatch."""
        if self.record.problems:
            raise ScriptMismatch("; ".join(self.record.problems))

    def connection_string(self, driver: Path, **options: str) -> str:
        """How FreeTDS gets here; ``options`` are added, or take the place of those of the same name."""
        given = {
            "Driver": str(driver),
            "Server": HOST,
            "Port": str(self.port),
            "UID": "sync",
            "PWD": "secret",
            "Database": "erp",
            "TDS_Version": "7.4",
            **options,
        }
        return "".join(f"{key}={value};" for key, value in given.items())

    def stop(self) -> None:
        """End every connection and the thread. Raises NeverCame."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            raise NeverCame("the server did not stop")

    def _run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        listener = await asyncio.start_server(self._accept, HOST, 0)
        self.port = listener.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        listener.close()
        sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._sessions.add(task)
        number = next(self._numbers)
        try:
            await Session(number, self.script, self.record, Channel(reader, writer)).run()
        except asyncio.CancelledError:
            writer.transport.abort()  # the server stops, whether or not the client still reads
        except Exception as error:  # whatever it is, the test must hear of it
            self.record.note_problem(f"connection {number}: {type(error).__name__}: {error}")
        finally:
            self._sessions.discard(task)
