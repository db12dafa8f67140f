"""Batches, and what the servers of the tests say of the sessions that apply them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agent.core.delivery import Delivery, Outcome
from agent.ports import System
from tests.odbc.proxy import Proxy
from tests.odbc.site import PATIENCE_S, Site, create, update

#: How many transactions of this site's database wait for a lock that another one holds.
_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND datname = current_database()",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx t"
    " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
    " WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()",
}
_KILL = {
    "postgresql": "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE NOT l.granted AND a.datname = current_database()",
    "mariadb": "SELECT p.id FROM information_schema.innodb_trx t"
    " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
    " WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()",
}


async def waits(site: Site) -> None:
    """Until a transaction of this site's waits for a lock."""
    await shows(site.user(), _WAITING[site.dialect.name])


async def shows(connection: Any, query: str, *parameters: object) -> None:
    """Until the query answers with something else than zero.

    InnoDB answers from what it has kept when it is asked again within 100 ms, by whomever: a test before this
    one may have looked just now.
    """
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await asyncio.sleep(0.15)
            if connection.execute(query, parameters).fetchone()[0]:
                return


def kill_waiting(site: Site) -> None:
    """End the sessions that wait for a lock."""
    connection = site.user()
    for row in connection.execute(_KILL[site.dialect.name]).fetchall():
        if site.dialect.name == "mariadb":
            connection.execute(f"KILL CONNECTION {row[0]}")


@asynccontextmanager
async def through(site: Site, port: int) -> AsyncIterator[Proxy]:
    """A link to the server that can be cut, for the adapter alone."""
    proxy = Proxy(port)
    site.adapter_connection = site.connection.replace(f"Port={port}", f"Port={await proxy.start()}")
    try:
        yield proxy
    finally:
        for link in site.links:
            await link.close()
        await proxy.close()


def creates(*names: str) -> list[Delivery]:
    """Commands that create customers."""
    return [create(f"m-{name}", f"r-{name}", name=name) for name in names]


def updates(keys: Sequence[str], **fields: Any) -> list[Delivery]:
    """Commands that update customers."""
    return [update(f"u-{key}", key, **fields) for key in keys]


def customers(site: Site, count: int, **columns: Any) -> list[str]:
    """Keys of new customers, in order."""
    return [str(site.business.create_customer(f"n{number}", **columns)) for number in range(count)]


async def applied(system: System, deliveries: Sequence[Delivery]) -> list[Outcome]:
    """Outcomes of one batch."""
    return list(await system.target.apply(deliveries))


def count(site: Site, table: str) -> int:
    """Rows of a table."""
    return int(site.one(f"SELECT count(*) FROM {table}"))


def phones(site: Site) -> list[str | None]:
    """What is stored, in the order of the keys."""
    rows = site.user().execute("SELECT phone FROM customer ORDER BY customer_id").fetchall()
    return [row[0] for row in rows]
