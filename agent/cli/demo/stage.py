"""The stage of the demo: the org, the ERP, SAP and the agent, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.odbc.dialects import SQLITE
from adapters.odbc.driver import find_driver
from adapters.sandbox.erp import SampleErp
from agent.api.client import ask
from agent.cli.demo.settings import Places, write
from agent.errors import InputError, IsthmusError, Unreachable
from agent.operations.wire import Status

#: The environment variable that hands the demo's client secret to the agent.
SECRET = "ISTHMUS_DEMO_SECRET"  # noqa: S105 - a name
START_S = 60.0


@dataclass
class Stage:
    """Everything that runs. ``close`` stops it in the order in which nobody misses anybody.

    ``database`` is the ODBC connection string of another database for the sample ERP.
    """

    folder: Path
    seed: int
    accounts: int = 0
    max_request_s: float = 3.0
    answer_s: float = 0.2
    database: str | None = None
    org: dict[str, Any] = field(default_factory=dict)
    sap: dict[str, Any] = field(default_factory=dict)
    agent: subprocess.Popen[bytes] | None = None
    _others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The agent's configuration file."""
        return self.folder / "isthmus.toml"

    @property
    def state(self) -> Path:
        """Where the agent keeps its store."""
        return self.folder / "state"

    @property
    def erp(self) -> str:
        """The ODBC connection string of the sample ERP: the given database, else SQLite through ODBC."""
        if self.database is not None:
            return self.database
        driver = find_driver(SQLITE)
        if driver is None:
            raise InputError(
                "the ODBC driver for SQLite is not installed",
                remedy="run 'make setup', or install libsqliteodbc",
            )
        return f"Driver={driver};Database={self.folder / 'erp.db'}"

    @property
    def edits(self) -> Path:
        """Where the generator writes down what it did."""
        return self.folder / "edits.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the agent."""
        return {**os.environ, SECRET: str(self.org["client_secret"])}

    def open(self) -> None:
        """Start the org, the ERP and SAP, configure the agent, install its journal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.org = self._start(
            "salesforce", "--seed", str(self.seed), "--accounts", str(self.accounts),
            "--state-dir", str(self.folder / "org"), "--keepalive", "5",
        )  # fmt: skip
        self.sap = self._start(
            "sap",
            "--dir",
            str(self.folder / "sap"),
            "--seed",
            str(self.seed),
            "--answer-s",
            str(self.answer_s),
        )
        erp = SampleErp(self.erp, seed=self.seed)
        try:
            erp.install()
        finally:
            erp.close()
        write(self.config, Places(self.folder, self.org, self.sap, self.erp, SECRET, self.max_request_s))
        self.verb("journal", "install", "erp", "--config", str(self.config))

    def start_agent(self, failpoints: str = "") -> None:
        """Start the agent by the command by which it is always started, and wait until it answers."""
        log = (self.folder / "agent.log").open("ab")
        environment = {**self.environment, "ISTHMUS_FAILPOINTS": failpoints}
        with log:
            self.agent = subprocess.Popen(
                [sys.executable, "-m", "agent.cli", "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def wait_for_agent(self) -> None:
        """Until the agent answers on its socket. Raises Unreachable with its last words."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.agent is None or self.agent.poll() is not None:
                break
            with contextlib.suppress(IsthmusError):
                self.status()
                return
            time.sleep(0.05)
        words = (self.folder / "agent.log").read_text(errors="replace")[-2000:]
        raise Unreachable(f"the agent did not start: {words}", where=str(self.config))

    def status(self) -> Status:
        """What the running agent says of itself. Raises ServiceDown."""
        return ask(self.state / "control.sock", lambda client: client.status())

    def stop_agent(self) -> None:
        """Ask the agent to stop and wait until it has."""
        if self.agent is not None and self.agent.poll() is None:
            _stop(self.agent)

    def verb(self, *arguments: str) -> str:
        """Run a verb of the command line; its stdout. Raises InputError with what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise InputError(f"isthmus {' '.join(arguments[:3])} failed: {done.stderr.strip()}")
        return done.stdout

    def close(self) -> None:
        """Stop everything."""
        self.stop_agent()
        for process in self._others:
            _stop(process)

    def _start(self, name: str, *arguments: str) -> dict[str, Any]:
        return started(
            self._others, [sys.executable, "-m", f"adapters.sandbox.{name}", *arguments], os.environ
        )


def started(
    running: list[subprocess.Popen[bytes]], command: Sequence[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Start a process that says in one JSON line where it listens; it is added to ``running``."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=dict(environment)
    )
    running.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Unreachable(f"{command[2]} did not start")
    found: dict[str, Any] = json.loads(line)
    return found


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
