"""Traps that were measured with these drivers and servers and that no other test shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import adapters.odbc
from agent.core.delivery import DeliveryKind, OutcomeKind
from agent.core.objects import FieldSpec, ObjectSpec
from tests.odbc.apply.watch import waits
from tests.odbc.site import Site, apply_one, batch_of, changes_until, create, read_one

_STREET = ObjectSpec("straße", "nr", (FieldSpec("größe"),))


async def test_names_with_letters_beyond_ascii_are_read_and_written(site: Site) -> None:
    """One driver tells such names with NULs behind them."""
    left, right = site.dialect.quotes
    table, key, size = (f"{left}{name}{right}" for name in ("straße", "nr", "größe"))
    site.user().execute(f"CREATE TABLE {table} ({key} VARCHAR(9) PRIMARY KEY, {size} VARCHAR(40))")
    site.user().execute(f"INSERT INTO {table} VALUES ('a', 'weit')")
    site.objects = (_STREET,)
    system = site.system(tables={"straße": {"capture": "none"}})
    assert (await read_one(system, "straße", "a")).fields == {"größe": "weit"}
    update = replace(create("m1", "", größe="weiß"), object="straße", key="a", kind=DeliveryKind.UPDATE)
    assert (await apply_one(system, update)).kind is OutcomeKind.ACCEPTED
    assert [row.key for row in await system.target.find("straße", {"größe": "weiß"})] == ["a"]


async def test_a_journal_number_is_never_given_twice(site: Site) -> None:
    """Plain row ids are used again once all rows were released: a new change would pass for an old one."""
    system = site.system()
    await system.source.open({})
    ids = []
    for name in ("A", "B", "C"):
        site.business.create_customer(name)
        (change,) = await changes_until(system, 1)
        ids.append((change.order, change.source_id))
        assert site.one("SELECT count(*) FROM isthmus_journal") == 0
    assert ids == sorted(ids) and len(set(ids)) == 3


async def test_writers_of_one_row_draw_their_numbers_in_the_order_of_their_commits(server_site: Site) -> None:
    """The row is locked before its trigger draws a number: the order holds for each row by itself."""
    site = server_site
    key = int(site.business.create_customer("Adler"))
    system = site.system()
    await system.source.open({})
    await changes_until(system, 1)
    say = {
        "postgresql": "SELECT set_config('isthmus.message_id', ?, false)",
        "mariadb": "SET @isthmus_message_id = ?",
    }[site.dialect.name]
    first, second = site.user(autocommit=False), site.user(autocommit=False)
    for connection, name in ((first, "first"), (second, "second")):
        connection.execute(say, name)
        connection.commit()
    change = "UPDATE customer SET phone = ? WHERE customer_id = ?"
    first.execute(change, "1", key)
    waiting = asyncio.create_task(asyncio.to_thread(second.execute, change, "2", key))
    await waits(site)
    first.commit()
    await waiting
    second.commit()
    told = await changes_until(system, 2)
    assert [one.origin for one in told] == ["first", "second"]
    assert {one.fields["phone"] for one in told} == {"2"}, "each tells the row as it is now"


async def test_a_page_that_is_read_again_sees_what_was_committed_meanwhile(server_site: Site) -> None:
    """Without autocommit a poll would see the database as it was at its first look, for ever."""
    system = server_site.system()
    await system.source.open({})
    for name in ("A", "B"):
        server_site.business.create_customer(name)
        batch = await batch_of(system)
        assert [change.fields["name"] for change in batch.changes] == [name]
        await system.source.ack(batch)


def test_rows_are_never_sent_by_the_drivers_own_batching() -> None:
    """It ends the process with one driver, with another it reads beyond its memory, and cuts microseconds."""
    sources = Path(adapters.odbc.__path__[0]).rglob("*.py")
    assert not [path.name for path in sources if "executemany" in path.read_text(encoding="utf-8")]
