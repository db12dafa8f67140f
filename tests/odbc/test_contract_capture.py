"""Capture: nothing is lost, whatever order transactions commit in."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest

from adapters.odbc import administer
from adapters.sandbox.erp import Line, Refusal
from agent.core.change import ChangeKind, Operation
from agent.errors import Refused
from tests.odbc.site import PATIENCE_S, Site, apply_one, batch_of, changes_until, update


async def test_an_insert_an_update_and_a_delete_are_captured_with_the_row_as_it_is_now(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    key = site.business.create_customer("Adler", number="C-1", credit_limit=Decimal("100.50"), country="DE")
    (created,) = await changes_until(system, 1)
    assert created.kind is ChangeKind.READ and created.operation is Operation.CREATE
    assert created.object == "customer" and created.keys == (str(key),)
    assert created.fields["name"] == "Adler" and created.fields["credit_limit"] == Decimal("100.50")
    assert created.fields["country"] == "DE" and created.fields["external_ref"] is None

    site.business.change_phone(key, "+49 1")
    (changed,) = await changes_until(system, 1)
    assert changed.operation is Operation.UPDATE and changed.fields["phone"] == "+49 1"
    assert changed.order > created.order

    site.business.delete_customer(key)
    (deleted,) = await changes_until(system, 1)
    assert deleted.operation is Operation.DELETE and deleted.fields == {}


async def test_every_journal_row_is_a_change_of_its_own_with_one_image_per_key(site: Site) -> None:
    key = site.business.create_customer("Adler")
    site.business.change_phone(key, "1")
    site.business.change_phone(key, "2")
    system = site.system()
    await system.source.open({})
    changes = await changes_until(system, 3)
    assert [change.fields["phone"] for change in changes] == ["2", "2", "2"]
    assert len({change.source_id for change in changes}) == 3


async def test_a_rolled_back_sequence_number_is_no_gap(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    with pytest.raises(Refusal):
        site.business.create_customer("!")
    undecided = site.user(autocommit=False)
    undecided.execute("INSERT INTO customer (name) VALUES ('never')")
    undecided.rollback()
    site.business.create_customer("Birke")
    (only,) = await changes_until(system, 1)
    assert only.fields["name"] == "Birke"
    assert site.one("SELECT count(*) FROM isthmus_journal") == 0


async def test_a_transaction_that_commits_late_below_read_numbers_is_not_lost(postgresql_site: Site) -> None:
    site = postgresql_site
    system = site.system()
    await system.source.open({})
    slow = site.user(autocommit=False)
    slow.execute("INSERT INTO customer (name) VALUES ('slow')")
    site.business.create_customer("fast")
    (fast,) = await changes_until(system, 1)
    slow.commit()
    (late,) = await changes_until(system, 1)
    assert (fast.fields["name"], late.fields["name"]) == ("fast", "slow")
    assert late.order < fast.order


@pytest.mark.invariant("I1")
async def test_two_writers_lose_nothing_under_ack_by_exact_id(site: Site) -> None:
    system = site.system(capture_batch=7)
    await system.source.open({})

    def write(writer: int) -> None:
        connection = site.odbc.connect(
            site.connection + ("Timeout=20000;" if site.dialect.name == "sqlite" else ""), autocommit=False
        )
        for number in range(40):
            connection.execute("INSERT INTO customer (name) VALUES (?)", f"{writer}-{number}")
            if number % 10 == 9:
                connection.rollback()
            else:
                connection.commit()
        connection.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    seen = {str(change.fields["name"]) for change in await changes_until(system, 72)}
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert seen == {f"{writer}-{number}" for writer in range(2) for number in range(40) if number % 10 != 9}
    assert site.one("SELECT count(*) FROM isthmus_journal") == 0


async def test_journal_numbers_are_ordered_as_numbers(site: Site) -> None:
    key = site.business.create_customer("Adler")
    for number in range(11):
        site.business.change_phone(key, str(number))
    system = site.system(capture_batch=5)
    await system.source.open({})
    changes = await changes_until(system, 12)
    assert [change.order for change in changes] == list(range(1, 13))


async def test_what_was_read_and_not_released_comes_again_with_the_same_ids(site: Site) -> None:
    site.business.create_customer("Adler")
    system = site.system()
    await system.source.open({})
    first = await batch_of(system)
    await system.source.open({})
    again = await batch_of(system)
    assert [change.source_id for change in again.changes] == [change.source_id for change in first.changes]
    await system.source.ack(again)
    await system.source.ack(first)
    assert site.one("SELECT count(*) FROM isthmus_journal") == 0


async def test_a_batch_that_waits_for_its_release_is_not_read_twice(site: Site) -> None:
    system = site.system(capture_batch=2)
    await system.source.open({})
    for name in ("a", "b", "c"):
        site.business.create_customer(name)
    first = await batch_of(system)
    second = await batch_of(system)
    names = [change.fields["name"] for change in (*first.changes, *second.changes)]
    assert names == ["a", "b", "c"]


async def test_a_changed_primary_key_is_a_delete_and_an_insert(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    key = site.business.create_customer("Adler")
    await changes_until(system, 1)
    site.user().execute("UPDATE customer SET customer_id = 4711 WHERE customer_id = ?", key)
    gone, come = await changes_until(system, 2)
    assert (gone.keys, gone.operation) == ((str(key),), Operation.DELETE)
    assert (come.keys, come.operation) == (("4711",), Operation.CREATE)


async def test_a_key_deleted_and_written_again_is_read_not_reported_deleted(site: Site) -> None:
    connection = site.user()
    connection.execute("INSERT INTO sample (code, note) VALUES ('A1', 'old')")
    connection.execute("DELETE FROM sample WHERE code = 'A1'")
    connection.execute("INSERT INTO sample (code, note) VALUES ('A1', 'new')")
    system = site.system()
    await system.source.open({})
    changes = await changes_until(system, 3)
    assert all(change.keys == ("A1",) and change.fields["note"] == "new" for change in changes)
    assert Operation.DELETE not in {change.operation for change in changes}


async def test_an_emptied_table_makes_everything_of_it_uncertain(postgresql_site: Site) -> None:
    system = postgresql_site.system()
    await system.source.open({})
    postgresql_site.user().execute("TRUNCATE sample")
    (change,) = await changes_until(system, 1)
    assert change.kind is ChangeKind.OVERFLOW and change.object == "sample" and change.keys == ()


async def test_a_journal_installed_anew_gives_new_source_ids(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    site.business.create_customer("Adler")
    (before,) = await changes_until(system, 1)
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.remove()
    await administration.install()
    await administration.close()
    site.business.create_customer("Birke")
    (after,) = await changes_until(system, 1)
    assert before.order == after.order
    assert before.source_id != after.source_id


async def test_a_missing_journal_is_refused_with_its_remedy(site: Site) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.remove()
    await administration.close()
    with pytest.raises(Refused, match="isthmus journal install erp"):
        await site.system().source.open({})


async def test_an_idle_capture_sees_what_another_connection_commits(site: Site) -> None:
    """A reading transaction left open would keep its first view of the database."""
    system = site.system()
    await system.source.open({})
    waiting = asyncio.create_task(batch_of(system))
    await asyncio.wait({waiting}, timeout=0.05)
    site.business.create_customer("Adler")
    async with asyncio.timeout(PATIENCE_S):
        batch = await waiting
    assert batch.changes[0].fields["name"] == "Adler"


async def test_a_long_apply_does_not_stop_capture(site: Site) -> None:
    key = site.business.create_customer("Adler")
    system = site.system(lock_timeout_s=10)
    await system.source.open({})
    await changes_until(system, 1)
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = '1' WHERE customer_id = ?", key)
    applying = asyncio.create_task(apply_one(system, update("m1", str(key), phone="2")))
    assert system.reader is not None
    found = await system.reader.read("customer", [str(key)])
    assert found.rows[0].fields is not None and not applying.done()
    locker.commit()
    assert (await applying).key == str(key)
    assert len(await changes_until(system, 2)) == 2


async def test_our_own_write_is_marked_where_the_database_can_carry_it(site: Site) -> None:
    key = site.business.create_customer("Adler")
    system = site.system()
    await system.source.open({})
    await changes_until(system, 1)
    await apply_one(system, update("m-17", str(key), phone="2"))
    (own,) = await changes_until(system, 1)
    site.business.change_phone(key, "3")
    (foreign,) = await changes_until(system, 1)
    assert own.origin == ("m-17" if site.dialect.marks_writes else None)
    assert foreign.origin is None


async def test_users_without_rights_on_the_journal_can_still_write(postgresql_site: Site) -> None:
    site = postgresql_site
    owner = site.user()
    role = f"clerk_{site.one('SELECT current_database()')}"
    owner.execute(f"CREATE ROLE {role} LOGIN")
    owner.execute(f"GRANT INSERT, SELECT ON customer TO {role}")
    clerk = site.odbc.connect(site.connection.replace("Uid=erp", f"Uid={role}"), autocommit=True)
    clerk.execute("INSERT INTO customer (name) VALUES ('by a clerk')")
    clerk.close()
    system = site.system()
    await system.source.open({})
    (change,) = await changes_until(system, 1)
    assert change.fields["name"] == "by a clerk"


async def test_a_value_that_nobody_can_read_is_handed_on_as_it_stands_and_stops_only_its_field(
    sqlite_site: Site,
) -> None:
    site = sqlite_site
    connection = site.user()
    connection.execute("INSERT INTO sample (code, amount) VALUES ('bad', 'ten')")
    connection.execute("INSERT INTO sample (code, amount) VALUES ('good', '10.5')")
    system = site.system()
    await system.source.open({})
    bad, good = await changes_until(system, 2)
    assert bad.kind is ChangeKind.READ and bad.fields["amount"] == "ten"
    found = await system.reader.read("sample", list(bad.keys)) if system.reader else None
    assert found and found.rows[0].fields and found.rows[0].fields["amount"] == "ten"
    assert good.fields["amount"] == Decimal("10.5")


@pytest.mark.invariant("I34")
async def test_a_stopped_agent_never_hinders_the_erp(site: Site) -> None:
    system = site.system()
    await system.source.open({})
    await system.source.close()
    await system.source.close()
    key = site.business.create_customer("Adler")
    number = site.business.create_invoice(
        key, [Line("PLAN-S", 1, Decimal("19.90"))], invoice_date=site.odbc.Date(2026, 1, 31)
    )
    assert site.one("SELECT count(*) FROM isthmus_journal") == 2 and number == "90000001"
