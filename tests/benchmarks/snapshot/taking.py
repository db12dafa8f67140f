"""One reading of all accounts in a process of its own: ``python -m tests.benchmarks.snapshot.taking``.

FILE is what the stand-in org printed. WAY is ``rest``, ``bulk`` or ``bulk2``, which go through the adapter;
``csv`` is the csv module alone over the file of ``--bytes``, which ``keep`` writes. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.salesforce.connection.auth import Login
from adapters.salesforce.connection.governor import Governor
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.proxy import Ways
from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.jobs.bulk2 import Jobs
from adapters.salesforce.table import Table
from agent.errors import Unreachable
from tests.salesforce.orgprocess import ACCOUNT, Org

KILO = 1024
#: A stand-in with a million records answers nobody while it looks through them.
PATIENT_S = 300
TRIES = 20


def resident() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / KILO**2


@dataclass
class Watch:
    """Counts from the first page with rows on: what comes before is the login, and the org making its job."""

    rows: int = 0
    began: float = 0.0
    worked: float = 0.0

    def passed(self, rows: int) -> None:
        """So many rows came."""
        if self.began:
            self.rows += rows
        elif rows:
            self.began, self.worked = time.monotonic(), time.process_time()

    def told(self) -> dict[str, float]:
        """Rows, seconds and seconds of a core."""
        return {
            "rows": self.rows,
            "seconds": time.monotonic() - self.began,
            "worked": time.process_time() - self.worked,
        }


async def _pages(org: Org, way: str, watch: Watch) -> None:
    reader, resume = org.reader(snapshot=way, request_timeout_s=PATIENT_S), ""
    for _ in range(TRIES):
        try:
            async for page in reader.page("Account", resume):
                watch.passed(len(page.rows))
                resume = page.resume
        except Unreachable as error:
            sys.stderr.write(f"{error}; it goes on where it stopped\n")
        else:
            return
    raise RuntimeError(f"not read within {TRIES} tries")


async def _keep(org: Org, file: Path) -> None:
    """Write the result of the same query into a file, as it comes."""
    settings = org.settings(request_timeout_s=PATIENT_S)
    link = HttpLink(settings, Ways(settings, org.secret))
    rest = Rest("crm", settings, link, Login("crm", settings, link, org.secret), Governor("crm"))
    jobs = Jobs(rest, "query")
    job = await jobs.create({"operation": "query", "query": Table(ACCOUNT).query()})
    await jobs.settled(job.id)
    wanted: dict[str, str] = {}
    with file.open("wb") as out:
        while wanted.get("locator") != "null":
            async with jobs.download(job.id, "results", wanted) as answer:
                skip = bool(wanted)
                async for piece in answer.aiter_bytes():
                    out.write(piece.split(b"\n", 1)[1] if skip else piece)
                    skip = False
                wanted = {"locator": answer.headers["sforce-locator"]}
    await link.release("")


def _bare(file: Path, watch: Watch) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        for _ in csv.reader(lines):
            watch.passed(1)


async def _take(way: str, org: Org, file: Path, watch: Watch) -> None:
    try:
        await (_keep(org, file) if way == "keep" else _pages(org, way, watch))
    finally:
        await org.close()


def main(arguments: Sequence[str]) -> int:
    """Take it all and tell what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("rest", "bulk", "bulk2", "csv", "keep"))
    parser.add_argument("info", type=Path)
    parser.add_argument("--bytes", type=Path, required=True)
    chosen = parser.parse_args(list(arguments))
    before, watch = resident(), Watch()
    if chosen.way == "csv":
        _bare(chosen.bytes, watch)
    else:
        asyncio.run(_take(chosen.way, Org(json.loads(chosen.info.read_text())), chosen.bytes, watch))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILO
    told = {**watch.told(), "before": before, "peak": peak}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
