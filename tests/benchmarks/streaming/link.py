"""A link with a way of its own: it delays bytes, is cut, or goes dead. Runs as a process of its own:
``python -m tests.benchmarks.streaming.link HOST:PORT``, steered by lines on stdin.

``delay SECONDS`` (each way), ``cut`` (hang up on everybody), ``swallow`` (what is open now goes dead without
a word); each is answered by a line. Prints its address first.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

HOST = "127.0.0.1"
PIECE = 256 * 1024


class Link:
    """Passes bytes on to one address."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._delay = 0.0
        self._age = 0
        self._sinks: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def obey(self, words: list[str]) -> None:
        """Do what a line says. Raises ValueError."""
        match words:
            case ["delay", seconds]:
                self._delay = float(seconds)
            case ["cut"]:
                for sink in list(self._sinks):
                    sink.transport.abort()
            case ["swallow"]:
                self._age += 1
            case _:
                raise ValueError(f"no such order: {words}")

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        there, back = await asyncio.open_connection(self._host, self._port, limit=PIECE)
        for source, sink in ((reader, back), (there, writer)):
            self._sinks.add(sink)
            late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
            for work in (self._take(source, late), self._give(late, sink, self._age)):
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _take(self, source: asyncio.StreamReader, late: asyncio.Queue[tuple[float, bytes]]) -> None:
        clock, data = asyncio.get_running_loop().time, b"begin"
        while data:
            try:
                data = await source.read(PIECE)
            except ConnectionError:
                data = b""
            late.put_nowait((clock() + self._delay, data))

    async def _give(
        self, late: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, age: int
    ) -> None:
        """Pass on in order, each piece late by the delay; what a dead connection is sent is lost."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while True:
                due, data = await late.get()
                wait = due - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                if self._age != age:
                    continue
                if not data:
                    break
                sink.write(data)
                await sink.drain()
        self._sinks.discard(sink)
        sink.close()


async def main(target: str) -> None:
    """Serves until stdin ends."""
    link = Link(target)
    server = await asyncio.start_server(link.accept, HOST, 0, limit=PIECE)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say(f"{HOST}:{server.sockets[0].getsockname()[1]}")
    while line := await lines.readline():
        link.obey(line.decode().split())
        _say("done")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Steered:
    """A running link. ``address``: where it listens."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders, self._answers = orders, answers
        self.address = answers.readline().strip()

    def order(self, line: str) -> None:
        """Returns when it is done."""
        self._orders.write(line + "\n")
        self._orders.flush()
        assert self._answers.readline() == "done\n"


@contextmanager
def link(target: str) -> Iterator[Steered]:
    """A link to an address while the block runs."""
    command = [sys.executable, "-m", __name__, target]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Steered(process.stdin, process.stdout)
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
