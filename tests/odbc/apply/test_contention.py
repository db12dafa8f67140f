"""Other people's locks, restarts and alterations while a batch is applied."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import replace

import pytest

from adapters.odbc.apply.applier import Applier
from adapters.odbc.apply.progress import Begun, Done
from agent.core.delivery import OutcomeKind, Reason
from tests.mariadb import MariadbServer
from tests.odbc.apply.test_traps import server_site as server_site
from tests.odbc.apply.watch import applied, count, creates, customers, phones, updates, waits
from tests.odbc.site import Site, create, update
from tests.postgres import PostgresServer

WRITERS = 8


async def test_a_record_that_a_user_keeps_locked_costs_only_itself(site: Site) -> None:
    keys = customers(site, 4, phone="1")
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET street = 'x' WHERE customer_id = ?", int(keys[1]))
    system = site.system(lock_timeout_s=0.3)
    batch = updates(keys, phone="2")
    first = [outcome.kind for outcome in await applied(system, batch)]
    alone = site.dialect.name != "sqlite"  # its writers lock the whole database
    others = OutcomeKind.ACCEPTED if alone else OutcomeKind.RETRY
    assert first == [others, OutcomeKind.RETRY, others, others]
    locker.rollback()
    assert count(site, "isthmus_ledger") == (3 if alone else 0)
    assert {outcome.kind for outcome in await applied(system, batch)} == {OutcomeKind.ACCEPTED}
    assert phones(site) == ["2"] * 4


async def test_a_table_locked_for_long_costs_few_waits_not_one_for_each_command(server_site: Site) -> None:
    site = server_site
    keys = customers(site, 60, phone="1")
    locker = site.user(autocommit=site.dialect.name == "mariadb")
    words = {
        "postgresql": "LOCK TABLE customer IN ACCESS EXCLUSIVE MODE",
        "mariadb": "LOCK TABLES customer WRITE",
    }
    site.system(lock_timeout_s=0.3)
    told: list[Begun | Done] = []
    applier = Applier(site.link().erp)
    applier.apply(updates(keys[:1], phone="1"), lambda event: None)
    locker.execute(words[site.dialect.name])
    await asyncio.to_thread(applier.apply, updates(keys[1:], phone="2"), told.append)
    outcomes = {
        place: one for event in told if isinstance(event, Done) for place, one in event.outcomes.items()
    }
    assert [outcomes[place].kind for place in range(59)] == [OutcomeKind.RETRY] * 59
    assert sum(isinstance(event, Begun) for event in told) == 3, "the group, and two alone"
    locker.close()
    site.forget(locker)
    again: list[Begun | Done] = []
    applier.apply(updates(keys[1:], phone="2"), again.append)
    applier.close()
    assert phones(site) == ["1"] + ["2"] * 59


async def test_a_restart_of_the_server_in_the_midst_of_a_batch_loses_and_doubles_nothing(
    server_site: Site, postgres: PostgresServer, mariadb: MariadbServer
) -> None:
    site = server_site
    keys = customers(site, 4, phone="1")
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET street = 'x' WHERE customer_id = ?", int(keys[2]))
    system = site.system(lock_timeout_s=15)
    first = creates("a", "b")
    second = [replace(one, message_id=f"{one.message_id}2") for one in first[:1]]
    batch = [*first, *second, *updates(keys, phone="2")]
    applying = asyncio.create_task(applied(system, batch))
    await waits(site)
    server = postgres if site.dialect.name == "postgresql" else mariadb
    server.restart()  # here: a server ends with the thread that started it
    site.reconnect()
    outcomes = await applying
    assert [one.kind for one in outcomes[:2]] == [OutcomeKind.ACCEPTED] * 2, "committed before the restart"
    assert {one.kind for one in outcomes[2:]} == {OutcomeKind.RETRY}
    again = await applied(system, batch)
    assert [one.code for one in again[:2]] == ["already-applied"] * 2
    assert again[2].code == "exists" and {one.kind for one in again} == {OutcomeKind.ACCEPTED}
    assert phones(site) == ["2"] * 4 + [None] * 2


async def test_a_column_that_was_dropped_is_named_and_stops_only_its_commands(site: Site) -> None:
    keys = customers(site, 3, phone="1", street="s")
    system = site.system()
    batch = updates(keys, phone="2")
    assert {outcome.kind for outcome in await applied(system, batch)} == {OutcomeKind.ACCEPTED}
    site.user().execute("ALTER TABLE customer DROP COLUMN street")
    later = [
        update("s1", keys[0], street="t", phone="3"),
        update("s2", keys[1], street="t"),
        update("s3", keys[2], phone="3"),
    ]
    for _ in range(2):  # as remembered, then as it is
        outcomes = await applied(system, later)
        assert [one.reason for one in outcomes] == [Reason.FIELD, Reason.FIELD, None]
        assert outcomes[0].fields == frozenset({"street"})
    assert phones(site) == ["2", "2", "3"]


async def test_a_column_that_was_widened_takes_a_longer_value_after_it_was_altered(server_site: Site) -> None:
    site = server_site
    keys = customers(site, 2)
    system = site.system()
    await applied(system, updates(keys, phone="1"))
    word = {"postgresql": "ALTER COLUMN phone TYPE VARCHAR(90)", "mariadb": "MODIFY phone VARCHAR(90)"}
    site.user().execute(f"ALTER TABLE customer {word[site.dialect.name]}")
    batch = [replace(one, message_id=f"{one.message_id}l") for one in updates(keys, phone="2" * 80)]
    outcomes = await applied(system, batch)
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}, outcomes[0]


@pytest.mark.invariant("I10")
async def test_eight_writers_and_guarded_groups_lose_nothing_of_each_other(server_site: Site) -> None:
    """Users count one column up in transactions of three records; the agent writes another one."""
    site = server_site
    keys = customers(site, 20, phone="0")
    stop, counted = threading.Event(), [0] * WRITERS
    threads = [
        threading.Thread(target=_count_up, args=(site, keys, number, stop, counted), daemon=True)
        for number in range(WRITERS)
    ]
    system = site.system(lock_timeout_s=2)
    for thread in threads:
        thread.start()
    try:
        for turn in range(12):
            batch = [
                replace(
                    update(f"t{turn}.{key}", key, {"phone": str(turn)}, phone=str(turn + 1)),
                )
                for key in keys
            ]
            while batch:
                outcomes = await applied(system, batch)
                kinds = {one.kind for one in outcomes}
                assert kinds <= {OutcomeKind.ACCEPTED, OutcomeKind.RETRY}, outcomes
                pairs = zip(batch, outcomes, strict=True)
                batch = [one for one, came in pairs if came.kind is OutcomeKind.RETRY]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert phones(site) == ["12"] * 20
    assert int(site.one("SELECT SUM(credit_limit) FROM customer")) == sum(counted) > 0


def _count_up(site: Site, keys: list[str], number: int, stop: threading.Event, counted: list[int]) -> None:
    chance = random.Random(number)
    text = site.connection + ("OPTION=2;" if site.dialect.name == "mariadb" else "")
    connection = site.odbc.connect(text, autocommit=False)
    while not stop.wait(0.005):
        try:
            for key in sorted(chance.sample(keys, 3), key=int):
                connection.execute(
                    "UPDATE customer SET credit_limit = credit_limit + 1 WHERE customer_id = ?", int(key)
                )
            if chance.random() < 0.1:
                connection.rollback()
            else:
                connection.commit()
                counted[number] += 3
        except site.odbc.Error:
            connection.rollback()
    connection.close()


@pytest.mark.invariant("I20")
async def test_eight_writers_that_create_the_same_records_leave_one_of_each(server_site: Site) -> None:
    """Every other program may be first; whoever is, the agent learns the key or is told of the rival."""
    site = server_site
    go = threading.Event()
    names = [f"n{number}" for number in range(60)]
    threads = [
        threading.Thread(target=_rivals, args=(site, names, number, go), daemon=True)
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    system = site.system(lock_timeout_s=10)
    go.set()
    batch = [create(f"m{name}", f"r-{name}", name=name) for name in names]
    settled: dict[str, str | None] = {}
    while len(settled) < len(names):
        left = [one for one in batch if one.reference not in settled]
        for one, came in zip(left, await applied(system, left), strict=True):
            if came.kind is not OutcomeKind.RETRY:
                assert came.kind is OutcomeKind.ACCEPTED, came
                settled[one.reference] = came.key
    for thread in threads:
        thread.join()
    rows = site.user().execute("SELECT external_ref, customer_id FROM customer").fetchall()
    assert len(rows) == 60 and {ref: str(key) for ref, key in rows} == settled


def _rivals(site: Site, names: list[str], number: int, go: threading.Event) -> None:
    connection = site.odbc.connect(site.connection, autocommit=True)
    mine = random.Random(number).sample(names, len(names))
    go.wait()
    for name in mine[: len(mine) // 2]:
        try:
            connection.execute("INSERT INTO customer (name, external_ref) VALUES (?, ?)", name, f"r-{name}")
        except site.odbc.Error:
            continue  # somebody was first
    connection.close()
