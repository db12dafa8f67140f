"""PostgreSQL as a scenario has it in hand."""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import POSTGRESQL
from tests.faults.odbc.server import AGENT, DATABASE, Server, wait_for
from tests.postgres import PostgresServer

_PR_SET_PDEATHSIG = 1
_LOGIN = f"host all {AGENT} 127.0.0.1/32 scram-sha-256\nhost all clerk 127.0.0.1/32 scram-sha-256\n"
#: What is committed outlives the server, if not the machine.
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "24",
    "superuser_reserved_connections": "6",
    "deadlock_timeout": "800ms",
    "log_min_messages": "fatal",
}


class _Cluster(PostgresServer):
    """The same server as a child of this process, which it does not outlive."""

    @property
    def home(self) -> Path:
        return self._home

    def make(self) -> None:
        data = str(self._home / "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", self.user, "-E", "UTF8", "--locale=C", "-N")
        access = self._home / "data" / "pg_hba.conf"
        access.write_text(_LOGIN + access.read_text())

    def serve(self) -> subprocess.Popen[bytes]:
        options = {**_OPTIONS, "port": str(self.port), "unix_socket_directories": str(self._home)}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        ready = self._home / "data" / "postmaster.pid"
        ready.unlink(missing_ok=True)
        with (self._home / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._home / "data"), *words],
                user=self._account,
                extra_groups=[] if self._account else None,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
            )
        wait_for(lambda: ready.exists() and ready.read_text().rstrip().endswith("ready"), "the server")
        return process


class Postgresql(Server):
    """A cluster of its own."""

    dialect: ClassVar[Dialect] = POSTGRESQL
    options: ClassVar[str] = "BoolsAsChar=0;"

    def __init__(self) -> None:
        super().__init__()
        self._cluster = _Cluster()
        self.port = self._cluster.port
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, with an empty database and the agent's account in it."""
        self._cluster.make()
        self._process = self._cluster.serve()
        with contextlib.closing(self.odbc.connect(self._root, autocommit=True)) as root:
            root.execute(f"CREATE DATABASE {DATABASE}")
            root.execute(f"CREATE ROLE {AGENT} LOGIN")
            root.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")

    @property
    def _root(self) -> str:
        return self.connection().replace(f"Database={DATABASE};", "Database=postgres;")

    def end(self) -> None:
        """Stop it and remove everything."""
        self._stop(signal.SIGQUIT)
        shutil.rmtree(self._cluster.home, ignore_errors=True)

    def down(self, *, at_once: bool) -> None:
        """Fast mode ends every session with a word; immediate mode is a crash that is recovered from."""
        self._stop(signal.SIGQUIT if at_once else signal.SIGINT)

    def up(self) -> None:
        """Start it again."""
        self._process = self._cluster.serve()

    def _stop(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)

    def sessions(self) -> dict[int, int]:
        """By pg_stat_activity."""
        found = self.sql("SELECT client_port, pid FROM pg_stat_activity WHERE usename = ?", AGENT)
        return {int(port): int(pid) for port, pid in found if port is not None}

    def end_session(self, number: int) -> None:
        """pg_terminate_backend."""
        self.sql("SELECT pg_terminate_backend(?)", number)

    def waiting(self) -> int:
        """By pg_stat_activity."""
        return self.one(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = ? AND wait_event_type = 'Lock'", AGENT
        )

    def deadlocks(self) -> int:
        """By pg_stat_database."""
        return self.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

    def password(self, word: str) -> None:
        """ALTER ROLE."""
        self.run([f"ALTER ROLE {AGENT} PASSWORD '{word}'"])

    def lock_account(self, *, locked: bool) -> None:
        """NOLOGIN."""
        self.run([f"ALTER ROLE {AGENT} {'NOLOGIN' if locked else 'LOGIN'}"])


def _end_with_parent() -> None:
    """A server whose scenario was killed has nobody to stop it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
