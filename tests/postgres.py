"""A PostgreSQL server of the tests' own: private directory, private port, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path


class NoPostgres(Exception):
    """The server's programs are not on this machine."""


def programs() -> Path:
    """Where initdb and pg_ctl are, newest version first. Raises NoPostgres with the remedy."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        places.append(Path(on_path).resolve().parent)
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    raise NoPostgres("no PostgreSQL server programs found: apt-get install postgresql")


def _version(place: Path) -> float:
    return float(place.parent.name) if place.parent.name.replace(".", "", 1).isdigit() else 0.0


class PostgresServer:
    """One cluster on 127.0.0.1. As root it runs under an unprivileged account: it insists."""

    user = "erp"

    def __init__(self, options: str = "") -> None:
        """``options``: of the server, behind those of the tests."""
        self._options = options
        self._programs = programs()
        self._home = Path(tempfile.mkdtemp(prefix="isthmus-pg-"))
        self._account = self._unprivileged()
        self.port = _free_port()

    def _unprivileged(self) -> str | None:
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                account = pwd.getpwnam(name)
            except KeyError:
                continue
            os.chown(self._home, account.pw_uid, account.pw_gid)
            return name
        raise NoPostgres("running as root and no unprivileged account to run the server under")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._account,
            extra_groups=[] if self._account else None,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode != 0:
            log = self._home / "log"
            raise NoPostgres(f"{program} failed: {done.stderr} {log.read_text() if log.exists() else ''}")

    def start(self) -> None:
        """Create the cluster and wait until it takes connections."""
        data, log = str(self._home / "data"), str(self._home / "log")
        self._run(
            "initdb", "-D", data, "-A", "trust", "-U", self.user, "-E", "UTF8", "--locale=C", "--no-sync"
        )
        options = (
            f"-p {self.port} -k {self._home} -c listen_addresses=127.0.0.1 -c fsync=off"
            f" -c synchronous_commit=off -c shared_buffers=16MB -c max_connections=40 {self._options}"
        )
        self._run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")

    def restart(self) -> None:
        """End every connection, and take new ones."""
        data, log = str(self._home / "data"), str(self._home / "log")
        self._run("pg_ctl", "-D", data, "-l", log, "-m", "fast", "-w", "restart")

    def stop(self) -> None:
        """Stop at once and remove everything."""
        self._run("pg_ctl", "-D", str(self._home / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._home)

    def connection(self, driver: Path, database: str, *, port: int | None = None, user: str = user) -> str:
        """An ODBC connection string to one of its databases, through another port if given."""
        return f"Driver={driver};Server=127.0.0.1;Port={port or self.port};Database={database};Uid={user};"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
