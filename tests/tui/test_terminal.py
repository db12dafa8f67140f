"""The dashboard in a real terminal: however it ends, the terminal is as it was before."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.api.client import ServiceClient
from tests.api.served import DEADLINE_S
from tests.operations.site import Site

#: Leave the alternate screen, show the cursor, no mouse reports (xterm control sequences).
RESTORED = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l")


class Terminal:
    """A pseudo terminal with the dashboard in it, and everything that it wrote."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.master = master
        self.process = process
        self.output = b""
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            self.output += os.read(self.master, 65536)
        except OSError:  # the other end is closed (Linux: EIO)
            asyncio.get_running_loop().remove_reader(self.master)
        self._more.set()

    async def until(self, text: bytes) -> None:
        """Until the program wrote this."""
        async with asyncio.timeout(DEADLINE_S):
            while text not in self.output:
                self._more.clear()
                await self._more.wait()

    async def ended(self) -> int:
        """The exit code."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()


@asynccontextmanager
async def terminal(path: Path, *words: str) -> AsyncIterator[Terminal]:
    """Run the dashboard in a terminal of 80x24."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.tui.terminal",
        str(path),
        *words,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(slave)
    opened = Terminal(master, process)
    try:
        yield opened
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_leaves_the_terminal_as_it_was(
    client: ServiceClient, tmp_path: Path, number: signal.Signals
) -> None:
    async with terminal(tmp_path / "control.sock") as opened:
        await opened.until(b"AT RISK")
        opened.process.send_signal(number)
        assert await opened.ended() == 128 + number
        for sequence in RESTORED:
            await opened.until(sequence)


async def test_quitting_leaves_the_terminal_as_it_was(client: ServiceClient, tmp_path: Path) -> None:
    async with terminal(tmp_path / "control.sock") as opened:
        await opened.until(b"AT RISK")
        os.write(opened.master, b"q")
        assert await opened.ended() == 0
        for sequence in RESTORED:
            await opened.until(sequence)


async def test_a_fault_shows_no_values_and_leaves_the_service_alone(
    client: ServiceClient, tmp_path: Path
) -> None:
    async with terminal(tmp_path / "control.sock", "fault") as opened:
        assert await opened.ended() == 1
        await opened.until(b"ended by a fault: ")
    assert b"hunter2" not in opened.output
    assert all(sequence in opened.output for sequence in RESTORED)
    assert (await client.status()).service == "up"


async def test_control_sequences_in_data_never_reach_the_terminal(
    site: Site, client: ServiceClient, tmp_path: Path
) -> None:
    """An OSC 52 would write to the clipboard, an OSC 0 would set the window's title."""
    await site.born(number="X\x1b]52;c;aGk=\x07\x1b]0;owned\x07Y")
    await site.rejected("no\x1b]52;c;aGk=\x07")
    async with terminal(tmp_path / "control.sock") as opened:
        await opened.until(b"AT RISK")
        os.write(opened.master, b"2")
        await opened.until(b"Cause")
        os.write(opened.master, b"qq")
        assert await opened.ended() == 0
    assert b"\x1b]52" not in opened.output
    assert b"\x1b]0;owned" not in opened.output
    assert "␛]52;c;aGk=␇".encode() in opened.output
