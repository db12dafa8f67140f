"""MariaDB as a scenario has it in hand."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import MARIADB
from tests.faults.odbc.server import AGENT, DATABASE, Server
from tests.mariadb import MariadbServer
from tests.waiting import first

#: ER_NO_SUCH_THREAD, as the driver writes a server's own number.
NO_SUCH_SESSION = "(1094)"
#: ER_CON_COUNT_ERROR.
NO_CONNECTION_LEFT = "(1040)"
#: How long the place that only an administrator can have may be taken by one that has just left, in seconds.
LEAVES_S = 5.0
#: What is committed outlives the server, if not the machine.
_OPTIONS = ("--innodb-flush-log-at-trx-commit=2", "--max-connections=24")


class _Instance(MariadbServer):
    """The same server, which can be stopped for a while."""

    def down(self, *, at_once: bool) -> None:
        if at_once:
            self._server.kill()
        else:
            self._server.terminate()
        self._server.communicate(timeout=60)

    def up(self) -> None:
        self._serve()


class Mariadb(Server):
    """A server of its own."""

    dialect: ClassVar[Dialect] = MARIADB
    options: ClassVar[str] = "OPTION=2;CHARSET=utf8mb4;"

    def __init__(self) -> None:
        super().__init__()
        self._instance = _Instance(_OPTIONS)
        self.port = self._instance.port

    def begin(self) -> None:
        """Start it, with an empty database and the agent's account in it."""
        self._instance.start()
        root = self.connection().replace(f"Database={DATABASE};", "Database=mysql;")
        with contextlib.closing(self.odbc.connect(root, autocommit=True)) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
            connection.execute(f"CREATE USER '{AGENT}'@'%'")
            connection.execute("CREATE USER 'clerk'@'%' IDENTIFIED BY 'clerk'")
            connection.execute(f"GRANT SELECT ON {DATABASE}.* TO 'clerk'@'%'")

    def end(self) -> None:
        """Stop it and remove everything."""
        self._instance.stop()

    def down(self, *, at_once: bool) -> None:
        """SIGTERM, or SIGKILL and a recovery."""
        self._instance.down(at_once=at_once)

    def up(self) -> None:
        """Start it again."""
        self._instance.up()

    def sessions(self) -> dict[int, int]:
        """By information_schema.processlist."""
        found = self.sql("SELECT host, id FROM information_schema.processlist WHERE user = ?", AGENT)
        return {int(str(host).rpartition(":")[2]): int(number) for host, number in found}

    def end_session(self, number: int) -> None:
        """KILL; one that ended by itself meanwhile is what was wanted."""
        try:
            self.sql(f"KILL {number}")
        except self.error as error:
            if NO_SUCH_SESSION not in str(error):
                raise

    def _connected(self, *, autocommit: bool = True, account: str = "erp", word: str = "") -> Any:
        """An administrator's own place counts as taken until the server has seen the last one leave."""
        connect = super()._connected

        def connected() -> Any:
            try:
                return connect(autocommit=autocommit, account=account, word=word)
            except self.error as error:
                if account != "erp" or NO_CONNECTION_LEFT not in str(error):
                    raise
                return None

        return first(connected, LEAVES_S, 0.02) or connect(autocommit=autocommit, account=account, word=word)

    def waiting(self) -> int:
        """By InnoDB's transactions, and those that wait for a table."""
        rows = self.one(
            "SELECT count(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p"
            " ON p.id = t.trx_mysql_thread_id WHERE p.user = ? AND t.trx_state = 'LOCK WAIT'",
            AGENT,
        )
        return rows + self.one(
            "SELECT count(*) FROM information_schema.processlist"
            " WHERE user = ? AND state LIKE 'Waiting for%lock'",
            AGENT,
        )

    def deadlocks(self) -> int:
        """By the status variable."""
        return int(self.sql("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")[0][1])

    def password(self, word: str) -> None:
        """ALTER USER."""
        self.run([f"ALTER USER '{AGENT}'@'%' IDENTIFIED BY '{word}'"])

    def lock_account(self, *, locked: bool) -> None:
        """ACCOUNT LOCK."""
        self.run([f"ALTER USER '{AGENT}'@'%' ACCOUNT {'LOCK' if locked else 'UNLOCK'}"])
