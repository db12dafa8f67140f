"""A sample SAP as its own process, for tests."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from adapters.idoc import Settings


@dataclass(frozen=True, slots=True)
class RunningSap:
    """A sample SAP that runs: what it told when it was ready, its control port, its process."""

    told: dict[str, Any]
    http: httpx2.AsyncClient
    process: asyncio.subprocess.Process

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read its store as anybody may."""
        with closing(sqlite3.connect(f"file:{self.told['database']}?mode=ro", uri=True)) as db:
            return list(db.execute(sql))

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition of its store or its folders."""
        async with asyncio.timeout(20):
            while not true():
                await self.http.get("/health")

    async def post(self, path: str, body: object = None) -> Any:
        """A user or a member of staff does something."""
        answer = await self.http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def settings(self, folder: Path, **changed: object) -> Settings:
        """Settings of the other side."""
        for name in ("archive", "quarantine"):
            (folder / name).mkdir(exist_ok=True)
        values = {
            "outbound_dir": self.told["inbound"],
            "inbound_dir": self.told["outbound"],
            "archive_dir": folder / "archive",
            "quarantine_dir": folder / "quarantine",
            "client": self.told["client"],
            "receiver_partner": self.told["system"],
            "receiver_port": self.told["port"],
            "take": "rename",
            "scan_s": 0.2,
        }
        return Settings.model_validate(values | changed)


@asynccontextmanager
async def running(folder: Path, *options: str) -> AsyncIterator[RunningSap]:
    """Start one, and stop it as an operator would; it must end cleanly."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.sandbox.sap", "--dir", str(folder), "--answer-s", "0", *options),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            told = json.loads(await process.stdout.readline())
        async with httpx2.AsyncClient(base_url=told["http"]) as http:
            yield RunningSap(told, http, process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0
