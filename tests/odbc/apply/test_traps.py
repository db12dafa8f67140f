"""The seven ways in which a driver or a server lies about a transaction, each met with a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from adapters.odbc.session import Session, SqlFault
from agent import failpoints
from agent.core.delivery import OutcomeKind
from tests.mariadb import MariadbServer
from tests.odbc.apply.watch import (
    applied,
    count,
    creates,
    customers,
    kill_waiting,
    phones,
    shows,
    through,
    updates,
    waits,
)
from tests.odbc.proxy import Cut, Proxy
from tests.odbc.site import Site, apply_one, changes_until, update
from tests.postgres import PostgresServer


@pytest.fixture(params=["postgresql", "mariadb"])
def server_site(request: pytest.FixtureRequest) -> Site:
    """A database with a server."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


@pytest.fixture
async def proxy(server_site: Site, postgres: PostgresServer, mariadb: MariadbServer) -> AsyncIterator[Proxy]:
    """A link to it that can be cut."""
    port = {"postgresql": postgres.port, "mariadb": mariadb.port}[server_site.dialect.name]
    async with through(server_site, port) as proxy:
        yield proxy


@pytest.mark.invariant("I16")
async def test_trap_1_a_backend_killed_in_the_midst_of_a_group_leaves_nothing_and_all_is_sent_again(
    server_site: Site,
) -> None:
    """The commit behind such a loss is answered with success by some drivers, and has stored nothing."""
    site = server_site
    keys = customers(site, 5, phone="1")
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET street = 'x' WHERE customer_id = ?", int(keys[3]))
    system = site.system(lock_timeout_s=15)
    batch = [*creates("a", "b"), *updates(keys, phone="2")]
    applying = asyncio.create_task(applied(system, batch))
    await waits(site)
    kill_waiting(site)
    assert {outcome.kind for outcome in await applying} == {OutcomeKind.RETRY}
    locker.rollback()
    assert count(site, "isthmus_ledger") == 0 and phones(site) == ["1"] * 5
    assert {outcome.code for outcome in await applied(system, batch)} == {""}
    assert phones(site) == ["2"] * 5 + [None] * 2 and count(site, "isthmus_ledger") == 7


@pytest.mark.invariant("I14")
@pytest.mark.parametrize("number", [2, 3])
async def test_trap_2_and_3_a_deadlock_victim_has_no_effect_and_keeps_no_lock(
    server_site: Site, number: int
) -> None:
    """One server has rolled back the whole transaction and would begin another, one keeps its locks."""
    site = server_site
    if site.dialect.name == "postgresql":
        site.user().execute(
            f"ALTER DATABASE {site.one('SELECT current_database()')} SET deadlock_timeout = '2s'"
        )
    keys = customers(site, 4, phone="1")
    locker = site.user(autocommit=False)
    if site.dialect.name == "postgresql":
        locker.execute("SET deadlock_timeout = '60s'")
    else:  # the transaction that has done less is the victim
        locker.execute("CREATE TEMPORARY TABLE ballast (n INT) ENGINE = InnoDB")
        locker.execute("INSERT INTO number_range SELECT CONCAT('b', seq), 1 FROM seq_1_to_500")
    locker.execute("UPDATE customer SET street = 'x' WHERE customer_id = ?", int(keys[2]))
    system = site.system(lock_timeout_s=15)
    batch = updates(keys if number == 2 else keys[:3], phone="2")
    applying = asyncio.create_task(applied(system, batch))
    await waits(site)
    await asyncio.to_thread(
        locker.execute, "UPDATE customer SET street = 'x' WHERE customer_id = ?", int(keys[0])
    )
    outcomes = await applying
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.RETRY}
    assert {outcome.code for outcome in outcomes} <= {"40P01", "1213"}
    locker.commit()
    assert count(site, "isthmus_ledger") == 0 and phones(site) == ["1"] * 4
    assert {outcome.kind for outcome in await applied(system, batch)} == {OutcomeKind.ACCEPTED}


@pytest.mark.invariant("I16")
@pytest.mark.parametrize("cut", [Cut.COMMIT_REPLY, Cut.BEFORE_COMMIT])
async def test_trap_4_a_lost_commit_makes_exactly_its_group_uncertain(
    server_site: Site, proxy: Proxy, cut: Cut
) -> None:
    """A record for the second time begins another group, on a new connection."""
    site = server_site
    keys = customers(site, 3, phone="1")
    system = site.system()
    await apply_one(system, update("m0", "0", phone="connects"))
    proxy.cut = cut
    first = updates(keys, phone="2")
    second = [replace(one, message_id=f"{one.message_id}s", fields={"phone": "3"}) for one in first[:1]]
    outcomes = await applied(system, [*first, *second])
    assert [one.kind for one in outcomes] == [OutcomeKind.UNCERTAIN] * 3 + [OutcomeKind.ACCEPTED]
    again = await applied(system, [replace(one, uncertain=True) for one in first[1:]])
    stored = cut is Cut.COMMIT_REPLY
    assert [one.code for one in again] == (["already-applied"] * 2 if stored else ["", ""])
    assert phones(site) == ["3", "2", "2"]


async def test_trap_5_the_connection_that_looks_for_changes_holds_no_transaction(server_site: Site) -> None:
    """A look that left its transaction open would see nothing new, and hold up the server's own cleaning."""
    site = server_site
    system = site.system()
    await system.source.open({})
    for name in ("a", "b"):
        site.business.create_customer(name)
        (change,) = await changes_until(system, 1)
        assert change.fields["name"] == name
        open_ones = {
            "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%'",
            "mariadb": "SELECT count(*) FROM information_schema.innodb_trx t"
            " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
            " WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID()",
        }
        assert site.one(open_ones[site.dialect.name]) == 0


async def test_trap_6_what_is_closed_without_a_commit_is_stored_nowhere_and_its_session_ends(
    server_site: Site,
) -> None:
    site = server_site
    site.system()
    session = Session(site.link().erp, autocommit=False)
    session.run("INSERT INTO customer (name) VALUES (?)", ("never",))
    own = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}
    (number,) = session.rows(own[site.dialect.name])[0]
    session.close()
    alive = {
        "postgresql": "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ?",
        "mariadb": "SELECT count(*) = 0 FROM information_schema.processlist WHERE id = ?",
    }
    await shows(site.user(), alive[site.dialect.name], number)
    assert count(site, "customer") == 0


async def test_trap_7_a_group_writes_before_it_reads_so_that_another_writer_does_not_lock_it_out(
    sqlite_site: Site,
) -> None:
    """A transaction that has read cannot begin to write once somebody else has: no waiting helps."""
    site = sqlite_site
    keys = customers(site, 3, phone="1")
    site.system()
    reading = Session(site.link().erp, autocommit=False)
    try:
        reading.rows("SELECT name FROM customer")
        site.business.change_phone(int(keys[0]), "theirs")
        with pytest.raises(SqlFault, match="locked"):
            reading.run("UPDATE customer SET phone = '2'")
    finally:
        reading.close()
    system = site.system()
    for number in range(3):
        site.business.change_phone(int(keys[0]), f"theirs {number}")
        batch = [
            replace(one, message_id=f"{one.message_id}.{number}") for one in updates(keys[1:], phone="2")
        ]
        assert {outcome.kind for outcome in await applied(system, batch)} == {OutcomeKind.ACCEPTED}


async def test_trap_7_foreign_keys_of_sqlite_hold_for_a_group(sqlite_site: Site) -> None:
    """A pragma inside a transaction would do nothing: the driver's option does it."""
    site = sqlite_site
    (key,) = customers(site, 1)
    bad = replace(
        creates("x")[0],
        object="invoice",
        key="70000001",
        fields={"customer_id": "999", "invoice_date": "2026-01-31", "currency": "EUR"},
    )
    outcomes = await applied(site.system(), [*updates([key], phone="2"), bad])
    assert [one.kind for one in outcomes] == [OutcomeKind.ACCEPTED, OutcomeKind.REJECTED]


@pytest.mark.invariant("I14")
@pytest.mark.parametrize("many", [1, 3])
async def test_what_a_failed_batch_left_open_is_not_committed_by_the_next_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """Whatever fails in the worker itself: its transaction goes with its connection."""
    monkeypatch.setenv(failpoints.VARIABLE, "odbc.before_commit=error@1")
    system = site.system()
    first = creates("a", "b", "c")[:many]
    assert {one.kind for one in await applied(system, first)} == {OutcomeKind.UNCERTAIN}
    assert {one.kind for one in await applied(system, creates("d", "e"))} == {OutcomeKind.ACCEPTED}
    assert count(site, "customer") == count(site, "isthmus_ledger") == 2
    again = await applied(system, [replace(one, uncertain=True) for one in first])
    assert {one.code for one in again} == {""}
