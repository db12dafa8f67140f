"""A MariaDB server of the tests' own: private directory, private port, gone at the end."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_ADDRESS = "127.0.0.1"
_START_S = 60.0
_PR_SET_PDEATHSIG = 1
_SYSTEM_TABLES = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
#: Nothing of it has to outlive a power cut.
_OPTIONS = (
    "--skip-log-bin",
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-method=nosync",
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--max-connections=60",
)


class NoMariadb(Exception):
    """The server's programs are not on this machine."""


def server_program() -> Path:
    """Where mariadbd is. Raises NoMariadb with the remedy."""
    for place in (shutil.which("mariadbd"), "/usr/sbin/mariadbd"):
        if place and Path(place).exists():
            return Path(place)
    raise NoMariadb("no MariaDB server found: apt-get install mariadb-server-core")


def _share(program: Path) -> Path:
    """The server's messages, character sets and the statements of its system tables."""
    for place in (program.parent / "share", program.parent.parent / "share/mysql"):
        if (place / _SYSTEM_TABLES[0]).exists():
            return place
    raise NoMariadb(f"{program} comes without {_SYSTEM_TABLES[0]}: apt-get install mariadb-server-core")


class MariadbServer:
    """One server on 127.0.0.1. As root it runs under an unprivileged account; it ends with its parent."""

    user = "erp"

    def __init__(self, options: Sequence[str] = ()) -> None:
        """``options``: of the server, behind those of the tests."""
        self._own = options
        self._program = server_program()
        self._home = Path(tempfile.mkdtemp(prefix="isthmus-mariadb-"))
        self._account = self._unprivileged()
        self._log = self._home / "log"
        self._server: subprocess.Popen[bytes]
        self.port = _free_port()

    def _unprivileged(self) -> str | None:
        if os.geteuid() != 0:
            return None
        for name in ("mysql", "nobody"):
            try:
                account = pwd.getpwnam(name)
            except KeyError:
                continue
            os.chown(self._home, account.pw_uid, account.pw_gid)
            return name
        raise NoMariadb("running as root and no unprivileged account to run the server under")

    def _popen(self, *options: str) -> subprocess.Popen[bytes]:
        share = _share(self._program)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [
                    str(self._program),
                    "--no-defaults",
                    f"--datadir={self._home / 'data'}",
                    f"--lc-messages-dir={share}",
                    f"--character-sets-dir={share / 'charsets'}",
                    f"--tmpdir={self._home}",
                    *_OPTIONS,
                    *self._own,
                    *options,
                ],
                user=self._account,
                extra_groups=[] if self._account else None,
                cwd=self._home,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_parent,
            )

    def start(self) -> None:
        """Make the system tables, a user and the database ``test``; wait until it takes connections."""
        data = self._home / "data"
        data.mkdir()
        if self._account:
            os.chown(data, pwd.getpwnam(self._account).pw_uid, -1)
        share = _share(self._program)
        script = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n"
        script += "".join((share / name).read_text(encoding="utf-8") for name in _SYSTEM_TABLES)
        script += f"FLUSH PRIVILEGES;\nCREATE USER '{self.user}'@'{_ADDRESS}';\n"
        script += "CREATE DATABASE test;\n"
        script += f"GRANT ALL ON *.* TO '{self.user}'@'{_ADDRESS}' WITH GRANT OPTION;\n"
        making = self._popen("--bootstrap")
        making.communicate(script.encode(), timeout=_START_S)
        if making.returncode != 0:
            raise NoMariadb(f"the system tables could not be made: {self._log.read_text()}")
        self._serve()

    def _serve(self) -> None:
        self._server = self._popen(
            f"--bind-address={_ADDRESS}",
            f"--port={self.port}",
            f"--socket={self._home / 'socket'}",
            f"--pid-file={self._home / 'pid'}",
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        for _ in range(int(_START_S / 0.05)):
            try:
                with socket.create_connection((_ADDRESS, self.port), timeout=1) as probe:
                    if probe.recv(1):
                        return
            except OSError:
                pass
            try:
                self._server.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            break
        raise NoMariadb(f"the server did not come up: {self._log.read_text()}")

    def restart(self) -> None:
        """End every connection, and take new ones."""
        self._server.terminate()
        self._server.communicate(timeout=_START_S)
        self._serve()

    def stop(self) -> None:
        """Stop at once and remove everything."""
        self._server.kill()
        self._server.communicate()
        shutil.rmtree(self._home)

    def connection(self, driver: Path, database: str, *, port: int | None = None, user: str = user) -> str:
        """An ODBC connection string to one of its databases, through another port if given."""
        return f"Driver={driver};Server={_ADDRESS};Port={port or self.port};Database={database};Uid={user};"


def _end_with_parent() -> None:
    """A server whose tests were killed has nobody to stop it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port
