"""What the process that follows holds in memory, in a process of its own:
``python -m tests.benchmarks.streaming.holding FILE DIRECTORY COUNT …``.

FILE is what the org printed, DIRECTORY takes the store. Follows from the oldest event on and prints, as a
JSON list, the resident megabytes when so many events were durable each time.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

from agent import garbage, log
from tests.benchmarks.streaming.following import following

MEGA = 1024**2


def resident() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MEGA


async def held(told: dict[str, Any], directory: Path, counts: list[int]) -> list[float]:
    """Follow until the last of the counts."""
    found = []
    async with following(told, directory) as site:
        await site.open()
        for count in counts:
            while site.witness.seen < count:
                await site.step()
            found.append(resident())
    return found


if __name__ == "__main__":
    log.configure(level="ERROR")
    garbage.settle()
    info, folder, *marks = sys.argv[1:]
    megabytes = asyncio.run(held(json.loads(Path(info).read_text()), Path(folder), [int(n) for n in marks]))
    sys.stdout.write(json.dumps(megabytes) + "\n")
