"""Changes that are sent by REST at a steady rate, from a process of its own:
``python -m tests.benchmarks.streaming.sending FILE RATE COUNT FIRST``.

FILE names port, token and ids. Prints the moment of each send, by the monotonic clock, as a JSON list.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.streaming.org import stamping

#: Connections at once, so that one answer that is late does not hold up the next send.
CONNECTIONS = 8
LEAD_S = 0.05


async def sent(port: int, make: Callable[[int], bytes], rate: float, numbers: range) -> list[float]:
    """Send them; when each was sent."""
    loop = asyncio.get_running_loop()
    began = loop.time() + LEAD_S
    moments = dict.fromkeys(numbers, 0.0)

    async def connection(own: range) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in own:
            due = asyncio.Event()
            loop.call_at(began + (number - numbers.start) / rate, due.set)
            await due.wait()
            data = make(number)
            moments[number] = time.monotonic()
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if int(head.split(b" ", 2)[1]) >= 400:
                raise RuntimeError(f"a change was answered {head!r}")
            mark = head.find(b"content-length:")
            if mark >= 0:
                await reader.readexactly(int(head[mark + 15 :].split(b"\r\n", 1)[0]))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection(numbers[at::CONNECTIONS]) for at in range(CONNECTIONS)))
    return list(moments.values())


def main(file: str, rate: str, count: str, first: str) -> None:
    """Send and tell."""
    told: dict[str, Any] = json.loads(Path(file).read_text())
    numbers = range(int(first), int(first) + int(count))
    moments = asyncio.run(sent(told["port"], stamping(told), float(rate), numbers))
    sys.stdout.write(json.dumps(moments) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
