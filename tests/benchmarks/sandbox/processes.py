"""The server processes that are measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2


class Served:
    """A running server: what it printed, and how much memory it holds."""

    def __init__(self, process: subprocess.Popen[str], told: dict[str, Any]) -> None:
        self._process = process
        self.told = told

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [line] = [each for each in status.splitlines() if each.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024


@contextmanager
def served(module: str, *arguments: str) -> Iterator[Served]:
    """A server process that prints one JSON line when it listens."""
    command: Sequence[str] = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(process, json.loads(process.stdout.readline()))
        finally:
            process.terminate()


@contextmanager
def sandbox(*arguments: str) -> Iterator[Served]:
    """The sandbox."""
    with served("adapters.sandbox.salesforce", "--latest-settle", "0", *arguments) as process:
        yield process


class Caller:
    """A signed-in caller of a sandbox."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._http = httpx2.Client(base_url=told["http"], trust_env=False, timeout=60)
        form = {name: told[name] for name in ("client_id", "client_secret")}
        answer = self._http.post("/services/oauth2/token", data={"grant_type": "client_credentials", **form})
        self.token = str(answer.raise_for_status().json()["access_token"])
        self._http.headers["Authorization"] = f"Bearer {self.token}"
        self.metadata = [
            ("accesstoken", self.token),
            ("instanceurl", told["http"]),
            ("tenantid", told["org_id"]),
        ]

    def close(self) -> None:
        """Hangs up."""
        self._http.close()

    def get(self, path: str) -> Any:
        """JSON of a resource below the version."""
        return self._http.get(f"/services/data/v62.0/{path}").raise_for_status().json()

    def create(self, count: int) -> None:
        """Makes customers, 200 a call."""
        for start in range(0, count, 200):
            records = [
                {"attributes": {"type": "Account"}, "Name": f"Customer {n}", "AccountNumber": f"N-{n}"}
                for n in range(start, min(count, start + 200))
            ]
            self._http.post(
                "/services/data/v62.0/composite/sobjects", json={"records": records}
            ).raise_for_status()
