"""Time limits per driver, as measured: what the driver heeds, what only the server does, and what neither."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.odbc.dialect import Fault
from adapters.odbc.dialects import MARIADB, POSTGRESQL, SQLSERVER
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import resolve
from agent.errors import Unreachable
from tests.mariadb import MariadbServer
from tests.odbc.apply.watch import shows, through
from tests.odbc.proxy import Cut
from tests.odbc.site import PATIENCE_S, Site
from tests.postgres import PostgresServer

_LONG = {
    "postgresql": "SELECT pg_sleep(60)",
    "mariadb": "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b,"
    " information_schema.columns c, information_schema.columns d",
}
_OWN_NUMBER = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}
_GONE = {
    "postgresql": "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = ?) THEN 0 ELSE 1 END",
    "mariadb": "SELECT NOT EXISTS (SELECT 1 FROM information_schema.processlist WHERE id = ?)",
}

_RUNS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = ? AND query LIKE '%pg_sleep%'"
    " AND state = 'active'",
    "mariadb": "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ? AND command IN"
    " ('Query', 'Execute') AND time_ms > 100",
}
_CANCEL = {"postgresql": "SELECT pg_cancel_backend({})", "mariadb": "KILL QUERY {}"}


def _session(site: Site, *, autocommit: bool = True, **changes: Any) -> Session:
    return Session(resolve("erp", site.settings(**changes), site.objects, str), autocommit=autocommit)


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """The port of a host that takes connections and never says a word."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def test_psqlodbc_refuses_the_time_limit_of_odbc_so_it_is_never_set(postgresql_site: Site) -> None:
    connection = postgresql_site.user()
    with pytest.raises(postgresql_site.odbc.Error, match="HY000"):
        connection.timeout = 1
    assert not POSTGRESQL.driver.limits


def test_odbc_mariadb_takes_the_time_limit_of_odbc_and_does_not_heed_it(mariadb_site: Site) -> None:
    connection = mariadb_site.user()
    connection.timeout = 1
    assert connection.execute("SELECT SLEEP(1.3)").fetchval() == 0
    assert not MARIADB.driver.limits


async def test_a_statement_over_its_time_is_ended_by_the_server_and_the_connection_is_usable(
    server_site: Site,
) -> None:
    """Before the worker is given up for it: the query of a killed one would run on at the server."""
    session = _session(server_site, deadline_s=1.5)
    with pytest.raises(SqlFault) as ended:
        await asyncio.to_thread(session.rows, _LONG[server_site.dialect.name])
    assert ended.value.verdict.fault is Fault.BUSY
    assert ended.value.verdict.code == {"postgresql": "57014", "mariadb": "1969"}[server_site.dialect.name]
    session.rollback()
    assert not session.lost and len(session.rows(f"SELECT 1{session.dialect.nothing}")) == 1
    session.close()


async def test_a_query_that_is_cancelled_from_outside_leaves_the_connection_usable(server_site: Site) -> None:
    """As the ERP's administrators do; it means that the moment was bad, and nothing else."""
    session = _session(server_site)
    name = server_site.dialect.name
    ((number,),) = session.rows(_OWN_NUMBER[name])
    running = asyncio.create_task(asyncio.to_thread(session.rows, _LONG[name]))
    admin = server_site.user()
    await shows(admin, _RUNS[name], int(number))
    admin.execute(_CANCEL[name].format(int(number)))
    with pytest.raises(SqlFault) as cancelled:
        await running
    assert cancelled.value.verdict.fault is Fault.BUSY
    assert cancelled.value.verdict.code == {"postgresql": "57014", "mariadb": "1317"}[name]
    session.rollback()
    assert not session.lost
    session.close()


async def test_sqlite_waits_for_a_lock_as_its_connection_says(sqlite_site: Site) -> None:
    """The driver's own option, in milliseconds; it waits for up to twice as long."""
    holder = sqlite_site.user(autocommit=False)
    holder.execute("UPDATE customer SET phone = '1'")
    holder.execute("INSERT INTO customer (name) VALUES ('Adler')")
    session = _session(sqlite_site, autocommit=False, lock_timeout_s=0.2)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(SqlFault) as waited:
            await asyncio.to_thread(session.run, "UPDATE customer SET phone = '2'")
    assert (waited.value.verdict.fault, waited.value.verdict.code) == (Fault.BUSY, "5")
    session.rollback()
    session.close()
    holder.rollback()


async def test_a_lock_is_waited_for_only_so_long(server_site: Site) -> None:
    key = server_site.business.create_customer("Adler")
    holder = server_site.user(autocommit=False)
    holder.execute("UPDATE customer SET phone = '1' WHERE customer_id = ?", key)
    session = _session(server_site, autocommit=False, lock_timeout_s=0.3)
    with pytest.raises(SqlFault) as waited:
        await asyncio.to_thread(
            session.run, "UPDATE customer SET phone = '2' WHERE customer_id = ?", (int(key),)
        )
    assert waited.value.verdict.fault is Fault.BUSY
    assert waited.value.verdict.code == {"postgresql": "55P03", "mariadb": "1205"}[server_site.dialect.name]
    session.rollback()
    assert not session.lost
    session.close()
    holder.rollback()


async def test_a_transaction_that_is_left_open_is_ended_by_the_server(server_site: Site) -> None:
    """The belt for a worker that hangs in the midst of one: its locks do not stay with the ERP."""
    session = _session(server_site, autocommit=False, deadline_s=1.0)
    name = server_site.dialect.name
    ((number,),) = session.rows(_OWN_NUMBER[name])
    session.run("UPDATE customer SET phone = '1'")
    await shows(server_site.user(), _GONE[name], int(number))
    with pytest.raises(SqlFault) as lost:
        session.run("UPDATE customer SET phone = '2'")
    assert lost.value.verdict.fault is Fault.LOST
    with pytest.raises(SqlFault):
        session.commit()
    session.close()


async def test_a_host_that_never_answers_is_given_up(
    server_site: Site, silent: int, postgres: PostgresServer, mariadb: MariadbServer
) -> None:
    """psqlodbc by connect_timeout, odbc-mariadb by CONN_TIMEOUT: it does not heed the login time of ODBC."""
    port = {"postgresql": postgres.port, "mariadb": mariadb.port}[server_site.dialect.name]
    server_site.adapter_connection = server_site.connection.replace(f"Port={port}", f"Port={silent}")
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Unreachable):
            await asyncio.to_thread(_session, server_site, deadline_s=1.0)


async def test_a_server_that_hangs_in_a_commit_is_given_up_by_odbc_mariadb_after_its_read_time(
    mariadb_site: Site, mariadb: MariadbServer
) -> None:
    """READ_TIMEOUT in seconds; the spelling READTIMEOUT does nothing."""
    assert "READ_TIMEOUT" in MARIADB.driver.options and "READTIMEOUT" not in MARIADB.driver.options
    async with through(mariadb_site, mariadb.port) as proxy:
        session = await asyncio.to_thread(_session, mariadb_site, autocommit=False, deadline_s=2.0)
        await asyncio.to_thread(session.run, "UPDATE customer SET phone = '1'")
        proxy.cut = Cut.HOLD
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(SqlFault) as lost:
                await asyncio.to_thread(session.commit)
        assert lost.value.verdict.fault is Fault.LOST and session.lost
        session.close()


def _options(port: int, *options: tuple[int, int]) -> dict[int, list[int]]:
    """What is set on our own connections to a port, by their local ports."""
    found = {}
    for path in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(path.stat().st_mode):
                continue
            with socket.socket(fileno=os.dup(int(path.name))) as one:
                if one.family == socket.AF_INET and one.getpeername()[1] == port:
                    found[one.getsockname()[1]] = [one.getsockopt(*option) for option in options]
    return found


def test_a_cut_link_is_noticed_by_keepalives_and_by_what_is_not_acknowledged(
    postgresql_site: Site, postgres: PostgresServer
) -> None:
    """Without them psqlodbc waited for more than a minute in the midst of a query."""
    options = [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    ]
    before = _options(postgres.port, *options)
    session = _session(postgresql_site, deadline_s=8.0)
    after = _options(postgres.port, *options)
    session.close()
    (made,) = after.keys() - before.keys()
    alive, idle, every, times, unanswered = after[made]
    assert alive == 1 and idle + every * times <= 12 and unanswered == 8000


def test_nothing_is_pooled(odbc: Any) -> None:
    """A pooled session that is dead, or in the midst of something, is the last thing an agent wants."""
    assert odbc.pooling is False


def test_sql_server_waits_for_locks_as_long_as_it_is_told() -> None:
    """The driver's own limits, attention and hung logins: tests/odbc/tds."""
    assert SQLSERVER.driver.limits and "SET LOCK_TIMEOUT {lock_ms}" in SQLSERVER.session
