"""Faults: connections that break at the worst moment, drivers that hang, processes that die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.odbc import connect
from adapters.odbc.dialects import SQLITE
from adapters.odbc.driver import LIBRARIES_VARIABLE, find_driver
from adapters.odbc.forms import pack
from adapters.odbc.session import Session, SqlFault
from agent.core.delivery import OutcomeKind
from agent.errors import Refused, Unreachable
from tests.odbc.proxy import Cut, Proxy
from tests.odbc.site import PATIENCE_S, Site, apply_one, changes_until, create, read_one, update
from tests.postgres import PostgresServer


@pytest.fixture
async def proxy(postgresql_site: Site, postgres: PostgresServer) -> AsyncIterator[Proxy]:
    """A breakable link between the adapter and PostgreSQL; users connect directly."""
    proxy = Proxy(postgres.port)
    port = await proxy.start()
    postgresql_site.adapter_connection = postgresql_site.connection.replace(
        f"Port={postgres.port}", f"Port={port}"
    )
    yield proxy
    for link in postgresql_site.links:
        await link.close()
    await proxy.close()


@pytest.mark.invariant("I16")
async def test_commit_reply_lost_is_uncertain_and_the_ledger_answers(
    postgresql_site: Site, proxy: Proxy
) -> None:
    system = postgresql_site.system()
    await apply_one(system, update("m0", "0", name="connects"))
    delivery = create("m1", "ref-1", name="Adler")
    proxy.cut = Cut.COMMIT_REPLY
    lost = await apply_one(system, delivery)
    assert lost.kind is OutcomeKind.UNCERTAIN and proxy.cuts == 1
    again = await apply_one(system, replace(delivery, uncertain=True))
    assert (again.kind, again.code) == (OutcomeKind.ACCEPTED, "already-applied")
    assert again.key == str(postgresql_site.one("SELECT customer_id FROM customer"))
    assert postgresql_site.one("SELECT count(*) FROM customer") == 1


async def test_a_link_cut_before_the_commit_arrives_is_uncertain_and_a_resend_applies_once(
    postgresql_site: Site, proxy: Proxy
) -> None:
    system = postgresql_site.system()
    await apply_one(system, update("m0", "0", name="connects"))
    delivery = create("m1", "ref-1", name="Adler")
    proxy.cut = Cut.BEFORE_COMMIT
    lost = await apply_one(system, delivery)
    assert lost.kind is OutcomeKind.UNCERTAIN
    again = await apply_one(system, replace(delivery, uncertain=True))
    assert (again.kind, again.code) == (OutcomeKind.ACCEPTED, "")
    assert postgresql_site.one("SELECT count(*) FROM customer") == 1


@pytest.mark.invariant("I14")
async def test_random_cuts_leave_one_effect_per_message(postgresql_site: Site, proxy: Proxy) -> None:
    """A blind retry would apply some twice, no retry would lose some."""
    chance = random.Random(20261123)
    system = postgresql_site.system()
    await apply_one(system, update("m0", "0", name="connects"))
    for number in range(30):
        delivery = create(f"m{number + 1}", f"r{number}", name=f"n{number}")
        proxy.cut = chance.choice((Cut.NEVER, Cut.BEFORE_COMMIT, Cut.COMMIT_REPLY))
        outcome, sent = await apply_one(system, delivery), False
        while outcome.kind is not OutcomeKind.ACCEPTED:
            proxy.cut = Cut.NEVER
            sent = sent or outcome.kind is OutcomeKind.UNCERTAIN
            outcome = await apply_one(system, replace(delivery, uncertain=sent))
    assert proxy.cuts > 10
    assert postgresql_site.one("SELECT count(*) FROM customer") == 30
    assert postgresql_site.one("SELECT count(DISTINCT external_ref) FROM customer") == 30
    assert postgresql_site.one("SELECT count(*) FROM isthmus_ledger") == 30


async def test_a_connection_killed_between_two_commands_is_retried_not_lost(postgresql_site: Site) -> None:
    """The commit after such a loss answers with success and stores nothing: it must not be reached."""
    system = postgresql_site.system()
    assert (await apply_one(system, create("m1", "r1", name="A"))).kind is OutcomeKind.ACCEPTED
    _terminate_others(postgresql_site)
    lost = await apply_one(system, create("m2", "r2", name="B"))
    assert lost.kind is OutcomeKind.RETRY
    assert (await apply_one(system, create("m2", "r2", name="B"))).kind is OutcomeKind.ACCEPTED
    assert postgresql_site.one("SELECT count(*) FROM customer") == 2


async def test_a_commit_after_a_lost_connection_is_prevented(postgresql_site: Site) -> None:
    """psqlodbc answers it with success and has stored nothing."""
    postgresql_site.system()
    session = Session(postgresql_site.link().erp, autocommit=False)
    try:
        session.run("INSERT INTO customer (name) VALUES (?)", ("first",))
        _terminate_others(postgresql_site)
        with pytest.raises(SqlFault) as lost:
            session.run("INSERT INTO customer (name) VALUES (?)", ("second",))
        assert session.lost, lost.value
        with pytest.raises(SqlFault, match="broken"):
            session.commit()
    finally:
        session.close()
    assert postgresql_site.one("SELECT count(*) FROM customer") == 0


async def test_a_rollback_on_a_dead_connection_does_not_make_it_whole(postgresql_site: Site) -> None:
    """Where no statement reached the server, the driver answers a rollback without asking it."""
    postgresql_site.system()
    session = Session(postgresql_site.link().erp, autocommit=False)
    try:
        with pytest.raises(SqlFault):
            session.run("SELECT ?", ("a lone surrogate \ud800",))
        _terminate_others(postgresql_site)
        session.rollback()
        assert session.lost and session.broken
    finally:
        session.close()


async def test_rows_with_a_lone_surrogate_are_refused_as_a_value_is(postgresql_site: Site) -> None:
    postgresql_site.system()
    session = Session(postgresql_site.link().erp, autocommit=False)
    try:
        assert session.sets is not None
        with pytest.raises(SqlFault, match="surrogate"):
            session.run("SELECT ?", (pack(session.sets, [("Adler \ud800",)]),))
    finally:
        session.close()


async def test_a_closed_source_can_be_opened_again(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    await system.source.close()
    site.business.create_customer("Adler")
    await system.source.open({})
    (change,) = await changes_until(system, 1)
    assert change.fields["name"] == "Adler"


async def test_libraries_in_an_own_directory_serve_a_machine_without_installed_ones(
    sqlite_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "libraries"
    own.mkdir()
    driver = find_driver(SQLITE)
    assert driver is not None
    for found in (
        driver,
        *driver.parent.parent.glob("libodbc*.so.2"),
        *driver.parent.parent.glob("libltdl.so.7"),
    ):
        (own / found.name).symlink_to(found.resolve())
    monkeypatch.setenv(LIBRARIES_VARIABLE, str(own))
    sqlite_site.adapter_connection = sqlite_site.connection.replace(str(driver), "sqlite driver by name")
    await sqlite_site.system().source.open({})


async def test_a_missing_driver_manager_names_what_to_install(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libodbc.so.2").write_text("not a library")
    monkeypatch.setenv(LIBRARIES_VARIABLE, str(tmp_path))
    with pytest.raises(Refused, match=f"apt-get install libodbc2 {site.dialect.driver.packages}") as raised:
        await site.system().source.open({})
    assert LIBRARIES_VARIABLE in raised.value.remedy


async def test_capture_reconnects_after_its_connection_was_killed(postgresql_site: Site) -> None:
    system = postgresql_site.system()
    await system.source.open({})
    _terminate_others(postgresql_site)
    with pytest.raises(Unreachable):
        await system.source.read()
    postgresql_site.user().execute("INSERT INTO customer (name) VALUES ('Adler')")
    await system.source.open({})
    (change,) = await changes_until(system, 1)
    assert change.fields["name"] == "Adler"


def _terminate_others(site: Site) -> None:
    site.user().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    ).fetchall()


async def test_a_worker_over_its_deadline_is_ended_and_the_outcome_is_uncertain(
    postgresql_site: Site, proxy: Proxy
) -> None:
    """A server that acknowledges packets and never answers defeats keep-alives: only a deadline helps."""
    system = postgresql_site.system(deadline_s=1.5)
    assert (await apply_one(system, create("m0", "r0", name="warm"))).kind is OutcomeKind.ACCEPTED
    before = postgresql_site.link().pid
    proxy.cut = Cut.HOLD
    batch = [create(f"m{number}", f"r{number}", name="A") for number in (1, 2, 3)]
    outcomes = await system.target.apply(batch)
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.UNCERTAIN}, "one commit was under way"
    assert postgresql_site.link().ended == 1
    again = await system.target.apply([replace(delivery, uncertain=True) for delivery in batch])
    assert {outcome.code for outcome in again} == {"already-applied"}
    assert postgresql_site.link().pid != before
    assert postgresql_site.one("SELECT count(*) FROM customer") == 4


async def test_a_worker_that_hangs_in_a_read_makes_it_unreachable_and_the_next_one_works(site: Site) -> None:
    key = str(site.business.create_customer("Adler"))
    system = site.system(deadline_s=4)
    await read_one(system, "customer", key)
    pid = site.link().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Unreachable, match="ended before it answered"):
        await read_one(system, "customer", key)
    assert (await read_one(system, "customer", key)).fields is not None
    assert site.link().pid != pid


@pytest.mark.invariant("I16")
async def test_a_killed_worker_leaves_its_command_uncertain_and_applied_at_most_once(site: Site) -> None:
    key = str(site.business.create_customer("Adler"))
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = '1' WHERE customer_id = ?", int(key))
    system = site.system(lock_timeout_s=15)
    await read_one(system, "customer", key)
    first = site.link().pid
    assert first is not None
    begun = site.begun()
    applying = asyncio.create_task(apply_one(system, update("m1", key, phone="2")))
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
    os.kill(first, signal.SIGKILL)
    assert (await applying).kind is OutcomeKind.UNCERTAIN
    locker.rollback()
    delivery = replace(update("m1", key, phone="2"), uncertain=True)
    async with asyncio.timeout(PATIENCE_S):
        while (await apply_one(system, delivery)).kind is not OutcomeKind.ACCEPTED:
            pass  # the server may still hold the dead worker's transaction
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 1


_PARENT = """
import asyncio, sys
from adapters.odbc import Settings, connect
from agent.core.objects import ObjectSpec
async def main():
    objects = [ObjectSpec("customer", "customer_id", ())]
    system = connect("erp", Settings(connection=sys.argv[1]), objects, str)
    await system.reader.read("customer", ["1"])
    print(system.target.link.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_kill_9_of_the_parent_leaves_no_worker(sqlite_site: Site) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PARENT,
        sqlite_site.connection,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        worker = int(await parent.stdout.readline())
        parent.kill()
        await parent.wait()
        with contextlib.suppress(ProcessLookupError):
            ended = os.pidfd_open(worker)
            await asyncio.to_thread(select.select, [ended], [], [], PATIENCE_S)
            os.close(ended)
    assert not _runs(worker)


def _runs(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_missing_driver_is_refused_with_the_package_to_install(site: Site) -> None:
    site.adapter_connection = "Driver=/no/such/driver.so;Server=x;"
    system = site.system(dialect=site.dialect.name)
    with pytest.raises(Refused, match=f"apt-get install {site.dialect.driver.packages}"):
        await system.source.open({})
    assert (await apply_one(system, create("m1", "r1", name="A"))).kind is OutcomeKind.RETRY


async def test_a_wrong_path_makes_no_empty_database(sqlite_site: Site, tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    sqlite_site.adapter_connection = sqlite_site.connection.replace(str(tmp_path / "erp.db"), str(missing))
    with pytest.raises(Refused, match="does not exist"):
        await sqlite_site.system().source.open({})
    assert not missing.exists()


async def test_a_closed_port_is_unreachable_and_no_secret_is_told(postgresql_site: Site) -> None:
    port = postgresql_site.connection.split("Port=")[1].split(";")[0]
    postgresql_site.adapter_connection = (
        postgresql_site.connection.replace(f"Port={port}", "Port=1") + "Pwd=hunter2;"
    )
    with pytest.raises(Unreachable) as raised:
        await postgresql_site.system().source.open({})
    assert "hunter2" not in str(raised.value)
    assert "tried again by itself; check the server" in raised.value.remedy


async def test_a_password_that_was_changed_is_read_anew_where_the_old_one_was_refused(
    mariadb_site: Site,
) -> None:
    """The operator puts the new one in its place, and restarts nothing."""
    site = mariadb_site
    owner = site.user()
    owner.execute("CREATE OR REPLACE USER 'rotated'@'%' IDENTIFIED BY 'first'")
    owner.execute("GRANT ALL ON *.* TO 'rotated'@'%'")
    word = "first"

    def secret(_: str) -> str:
        return site.connection.replace("Uid=erp;", f"Uid=rotated;Pwd={word};")

    site.adapter_connection = "file:/secret"
    system = connect("erp", site.settings(dialect="mariadb"), site.objects, secret)
    try:
        await system.source.open({})
        owner.execute("ALTER USER 'rotated'@'%' IDENTIFIED BY 'second'")
        for (number,) in owner.execute(
            "SELECT id FROM information_schema.processlist WHERE user = 'rotated'"
        ).fetchall():
            owner.execute(f"KILL {number}")
        with pytest.raises(Unreachable):
            await system.source.read()
        with pytest.raises(Refused, match="Access denied"):
            await system.source.open({})
        word = "second"
        await system.source.open({})
    finally:
        await system.source.close()
        await system.target.close()
        owner.execute("DROP USER 'rotated'@'%'")


async def test_a_missing_database_needs_a_person(postgresql_site: Site) -> None:
    name = postgresql_site.one("SELECT current_database()")
    postgresql_site.adapter_connection = postgresql_site.connection.replace(
        f"Database={name}", "Database=missing"
    )
    with pytest.raises(Refused, match="check server, database"):
        await postgresql_site.system().source.open({})


async def test_a_table_altered_under_a_prepared_statement_is_read_anew(postgresql_site: Site) -> None:
    site = postgresql_site
    key = str(site.business.create_customer("Adler"))
    system = site.system()
    await read_one(system, "customer", key)
    site.user().execute("ALTER TABLE customer ALTER COLUMN name TYPE VARCHAR(200)")
    for _ in range(2):
        try:
            row = await read_one(system, "customer", key)
            break
        except Unreachable:
            continue
    assert row.fields is not None and row.fields["name"] == "Adler"
