"""One worker for all ports of an ERP: a port that is closed releases its own use only."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.core.delivery import Outcome, OutcomeKind
from agent.errors import Unreachable
from agent.ports import System
from tests.odbc.site import PATIENCE_S, Site, apply_one, batch_of, create, read_one, update


@asynccontextmanager
async def _waiting_command(site: Site, system: System) -> AsyncIterator[asyncio.Task[Outcome]]:
    """A command on its way that waits for a user's lock; the lock is gone at the end."""
    key = str(site.business.create_customer("Adler"))
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = '1' WHERE customer_id = ?", int(key))
    await read_one(system, "customer", key)
    applying = asyncio.create_task(apply_one(system, update("m1", key, phone="2")))
    await read_one(system, "customer", key)  # the command has passed the pipe before this answer came
    try:
        yield applying
    finally:
        locker.rollback()


@pytest.mark.invariant("I12")
async def test_a_source_that_is_closed_to_back_off_leaves_a_running_command_alone(site: Site) -> None:
    system = site.system(lock_timeout_s=15)
    await system.source.open({})
    async with _waiting_command(site, system) as applying:
        worker = site.link().pid
        await system.source.close()
        assert site.link().pid == worker is not None
    async with asyncio.timeout(PATIENCE_S):
        assert (await applying).kind is OutcomeKind.ACCEPTED
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 1


@pytest.mark.invariant("I12")
async def test_commands_and_reads_go_on_while_the_source_is_closed(site: Site) -> None:
    system = site.system()
    await system.source.close()
    outcome = await apply_one(system, create("m1", "r1", name="Adler"))
    assert outcome.kind is OutcomeKind.ACCEPTED
    worker = site.link().pid
    await system.source.close()
    assert (await read_one(system, "customer", str(outcome.key))).fields is not None
    assert site.link().pid == worker is not None


async def test_a_closed_source_stops_its_own_read_that_waits_for_changes(site: Site) -> None:
    key = str(site.business.create_customer("Adler"))
    system = site.system(poll_s=3600)
    await system.source.open({})
    await system.source.ack(await batch_of(system))
    reading = asyncio.create_task(system.source.read())
    await asyncio.sleep(0)
    await read_one(system, "customer", key)  # behind the look into the journal, on the same connection
    await system.source.close()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Unreachable, match="closed"):
            await reading


async def test_a_closed_source_stops_its_own_read_that_waits_for_an_answer(site: Site) -> None:
    system = site.system()
    await apply_one(system, create("m1", "r1", name="Adler"))
    await system.source.open({})
    worker = site.link().pid
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)
    reading = asyncio.create_task(system.source.read())
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S / 2):
        await system.source.close()
        with pytest.raises(Unreachable, match="closed"):
            await reading
    os.kill(worker, signal.SIGCONT)
    assert (await apply_one(system, create("m2", "r2", name="Birke"))).kind is OutcomeKind.ACCEPTED
    assert site.link().pid == worker


async def test_a_closed_source_reads_nothing_until_it_is_opened(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    await system.source.close()
    with pytest.raises(Unreachable, match="closed"):
        await system.source.read()


async def test_rows_handed_out_and_not_released_come_again_from_the_same_worker(site: Site) -> None:
    """What was handed out is known to the one who opened; the worker must not take it for seen."""
    site.business.create_customer("Adler")
    system = site.system()
    await apply_one(system, update("m0", "0", name="holds the worker"))
    await system.source.open({})
    first = await batch_of(system)
    reading = asyncio.create_task(system.source.read())
    await asyncio.sleep(0)
    await read_one(system, "customer", "0")  # behind a look that found nothing new
    worker = site.link().pid
    await system.source.close()
    with pytest.raises(Unreachable, match="closed"):
        await reading
    await system.source.open({})
    assert (await batch_of(system)).receipt == first.receipt
    assert site.link().pid == worker is not None


async def test_the_worker_ends_with_its_last_port_and_comes_back_with_the_next_use(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    assert (await apply_one(system, create("m1", "r1", name="Adler"))).kind is OutcomeKind.ACCEPTED
    worker = site.link().pid
    assert worker is not None
    await system.target.close()
    assert site.link().pid == worker
    await system.source.close()
    assert site.link().pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    await system.source.close()
    assert (await apply_one(system, create("m2", "r2", name="Birke"))).kind is OutcomeKind.ACCEPTED
    assert site.link().pid not in (None, worker)
    await system.target.close()
    assert site.link().pid is None


@pytest.mark.invariant("I16")
async def test_commands_whose_port_is_closed_are_uncertain_and_sent_again_once(site: Site) -> None:
    """The worker may go on with every one of them: another port still uses it."""
    system = site.system(lock_timeout_s=15)
    await system.source.open({})
    async with _waiting_command(site, system) as applying:
        second = create("m2", "r2", name="Birke")
        behind = asyncio.create_task(apply_one(system, second))
        await asyncio.sleep(0)
        await system.target.close()
        async with asyncio.timeout(PATIENCE_S):
            assert (await applying).kind is OutcomeKind.UNCERTAIN
            assert (await behind).kind is OutcomeKind.UNCERTAIN
    assert (await apply_one(system, replace(second, uncertain=True))).code == "already-applied"
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 2
