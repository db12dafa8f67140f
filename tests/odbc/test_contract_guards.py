"""What a command leaves behind when it does nothing, and what a user writes while it waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.core.delivery import OutcomeKind, Reason
from tests.odbc.site import PATIENCE_S, Site, apply_one, create, update

WAITING = (
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND datname = current_database()"
)


async def somebody_waits(connection: Any) -> None:
    """Until a transaction of this database waits for another one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if connection.execute(WAITING).fetchone()[0]:
                return
            await asyncio.sleep(0.01)


@pytest.mark.invariant("I10")
async def test_a_command_that_waited_for_a_user_compares_what_the_user_wrote(postgresql_site: Site) -> None:
    """It looks at the record only when it has the lock: a look before would be older than the write."""
    site = postgresql_site
    key = str(site.business.create_customer("Adler", phone="1"))
    watcher, locker = site.user(), site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = 'theirs' WHERE customer_id = ?", int(key))
    system = site.system(lock_timeout_s=15)
    applying = asyncio.create_task(apply_one(system, update("m1", key, {"phone": "1"}, phone="ours")))
    await somebody_waits(watcher)
    locker.commit()
    assert (await applying).reason is Reason.PRECONDITION
    assert site.one("SELECT phone FROM customer") == "theirs"


@pytest.mark.parametrize("way", ["alone", "together"])
@pytest.mark.invariant("I14")
async def test_a_command_that_did_nothing_leaves_nothing_for_the_next_one_to_commit(
    site: Site, way: str
) -> None:
    """Its ledger row would say that it was applied, when a person sends it again."""
    key = str(site.business.create_customer("Adler", phone="1"))
    system = site.system()
    stale = update("m1", key, {"phone": "0"}, phone="ours")
    other = create("m2", "ref-2", name="Beran")
    if way == "together":
        first, second = await system.target.apply([stale, other])
    else:
        first, second = await apply_one(system, stale), await apply_one(system, other)
    assert (first.reason, second.kind) == (Reason.PRECONDITION, OutcomeKind.ACCEPTED)
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 1
    again = await apply_one(system, replace(stale, guard=None))
    assert (again.kind, again.code) == (OutcomeKind.ACCEPTED, "")
    assert site.one("SELECT phone FROM customer WHERE customer_id = ?", int(key)) == "ours"
