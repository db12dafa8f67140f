"""The disk is full: intake stops before anything is lost, deliveries go on, everything resumes by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from agent import runtime
from agent.core.space import Reserve, Room, judge
from agent.flow import space
from agent.flow.health import Health
from agent.flow.space import Space
from agent.store import writer
from agent.store.database import LOG, Store
from agent.store.fault import DiskFull
from agent.store.space import Ballast
from agent.store.writer import Writer, with_ballast
from tests.faults.disk import place
from tests.faults.disk.budget import limited
from tests.faults.disk.shop import BALLAST, MB, Shop, opened, until
from tests.faults.disk.smalldisk import DISKS, SmallDisk
from tests.flow.systems.time import TestClock
from tests.flow.world import World

#: What intake took from the cloud's stream; what a read brings is counted apart.
EVENTS = "SELECT count(*) FROM inbox WHERE stream = 'events'"
RESERVE = Reserve(ballast=100, room=40)


@pytest.mark.parametrize(
    ("free", "held", "before", "room"),
    [
        (500, 0, Room.ENOUGH, Room.ENOUGH),  # the first start: room for the ballast and besides
        (139, 0, Room.ENOUGH, Room.FULL),  # not for both
        (140, 0, Room.FULL, Room.ENOUGH),
        (139, 0, Room.FULL, Room.FULL),
        (40, 100, Room.LOW, Room.ENOUGH),
        (39, 100, Room.LOW, Room.LOW),  # begins at the reserve …
        (39, 100, Room.ENOUGH, Room.ENOUGH),  # … and goes on until half of it is used up
        (19, 100, Room.ENOUGH, Room.LOW),
        (0, 100, Room.LOW, Room.LOW),
        (100, 50, Room.FULL, Room.ENOUGH),  # a part of the ballast is in place
        (0, 200, Room.ENOUGH, Room.LOW),  # the ballast was configured smaller
    ],
)
def test_intake_stops_below_half_of_the_reserve_and_begins_above_all_of_it(
    free: int, held: int, before: Room, room: Room
) -> None:
    assert judge(free, held, RESERVE, before) is room


@pytest.fixture(autouse=True)
def _impatient() -> Iterator[None]:
    with patch.object(runtime, "LOOK_S", 0.05):
        yield


async def settled(shop: Shop) -> None:
    """Until the ERP has every name that the cloud has, and nothing is open."""
    customers = [key for key, record in shop.cloud.records.items() if record.object == "Account"]
    await until(
        lambda: {shop.name_of(customer) for customer in customers} == shop.names(), "every name in the ERP"
    )
    await until(lambda: not shop.count("state IN ('ready', 'sent', 'uncertain')"), "nothing open")


async def commands_in_flight(shop: Shop, customers: list[str]) -> None:
    """The ERP is held while a command for each customer is under way or waits."""
    shop.erp.free.clear()
    for customer in customers:
        shop.rename(customer)
    await until(lambda: shop.count("state IN ('ready', 'sent')") == len(customers), "commands for the ERP")
    await until(lambda: shop.count("state = 'sent'"), "a command under way")


def told_twice(shop: Shop) -> list[str]:
    """Messages with more than one effect in the ERP."""
    return [message for message, count in shop.erp.writes.effects.items() if count != 1]


@pytest.mark.invariant("I14")
@pytest.mark.invariant("I15")
async def test_a_full_disk_stops_intake_and_no_delivery_and_all_resumes_by_itself() -> None:
    async with opened() as shop:
        customers = [shop.create() for _ in range(3)]
        await settled(shop)
        await commands_in_flight(shop, customers)
        shop.budget.fill()
        late = shop.create()
        shop.erp.free.set()
        await until(lambda: not shop.count("state IN ('ready', 'sent')"), "deliveries go on")
        await until(lambda: shop.ballast() == 0, "the ballast is given up")
        said = await shop.said()
        assert "disk full: intake stopped" in said, said
        assert "20 MB" in said, said
        await until(lambda: not shop.cloud.reading, "the stream is closed")
        taken = shop.rows(EVENTS)
        shop.rename(late)
        last = shop.create()
        for _ in range(5):
            await shop.said()
        assert shop.rows(EVENTS) == taken
        shop.budget.others = 0
        await until(lambda: shop.ballast() == BALLAST, "the ballast is made again")
        await until(lambda: shop.name_of(last) in shop.names(), "intake resumes")
        await settled(shop)
        assert "intake stopped" not in await shop.said()
        assert told_twice(shop) == []


@pytest.mark.invariant("I14")
@pytest.mark.invariant("I16")
async def test_where_not_even_the_ballast_makes_room_the_outcome_is_looked_up_later() -> None:
    async with opened() as shop:
        customers = [shop.create() for _ in range(3)]
        await settled(shop)
        await commands_in_flight(shop, customers)
        shop.budget.others += shop.budget.free() + BALLAST * MB
        refused = shop.budget.refused
        shop.erp.free.set()
        await until(lambda: shop.ballast() == 0, "the ballast is given up")
        await until(lambda: shop.budget.refused > refused + 1, "that does not help")
        shop.budget.others = 0
        await settled(shop)
        assert told_twice(shop) == []
        await until(lambda: shop.ballast() == BALLAST, "the ballast is made again")


async def test_a_disk_that_gets_low_stops_intake_while_the_ballast_is_still_there() -> None:
    async with opened() as shop:
        shop.create()
        await settled(shop)
        shop.budget.others += shop.budget.free() - MB
        await until(
            lambda: shop.rows("SELECT 1 FROM system WHERE reason LIKE '%intake stopped%'"), "an alarm"
        )
        assert shop.ballast() == BALLAST
        assert "disk nearly full: intake stopped" in await shop.said()
        shop.budget.others = 0
        await until(lambda: not shop.rows("SELECT 1 FROM system WHERE reason <> ''"), "the alarm is over")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder for a store."""
    with place.folder("store") as made:
        yield made


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    """A disk of three megabytes."""
    with DISKS[request.param](3 * MB) as made:
        yield made


def test_a_start_on_a_full_disk_gives_the_ballast_up(disk: SmallDisk) -> None:
    Store.open(disk.directory, TestClock()).close()
    Ballast(disk.directory).make(MB)
    (disk.directory / "epoch").write_text("7")  # a restore: the start has to write
    disk.fill()
    store = Store.open(disk.directory, TestClock())
    assert (store.epoch, store.ballast.held) == (8, 0)
    store.close()


def test_a_commit_without_room_is_taken_back_whole_and_may_be_run_again(disk: SmallDisk) -> None:
    store = Store.open(disk.directory, TestClock())
    try:
        disk.fill()
        with pytest.raises(DiskFull, match="the disk is full; nothing was kept"):
            fill_many(store)
        assert journal(store) == 0
        disk.clear()
        fill_many(store)
        assert journal(store) == 100
    finally:
        store.close()


def test_the_ballast_makes_room_for_what_has_to_be_written_and_for_copying_the_log(disk: SmallDisk) -> None:
    store = Store.open(disk.directory, TestClock())
    try:
        store.ballast.make(MB + MB // 2)
        disk.fill()
        with_ballast(store, lambda: fill_many(store))
        assert journal(store) == 100
        assert store.ballast.held == 0
        log = store.checkpoint()
        assert log.copied == log.pages
        disk.clear()
        store.ballast.make(MB)
        assert store.ballast.held == MB
    finally:
        store.close()


def journal(store: Store) -> int:
    """Rows of the journal."""
    with store.transaction("look") as tx:
        found = tx.one("SELECT count(*) FROM journal WHERE subject = 'test'")
    assert found is not None
    return int(found[0])


def fill_many(store: Store) -> None:
    """A transaction of half a megabyte."""
    with store.transaction("fill") as tx:
        for number in range(100):
            tx.journal("test", str(number), "", "x", "x" * 4000)


def test_the_ballast_really_takes_room(directory: Path) -> None:
    ballast = Ballast(directory)
    ballast.make(MB)
    assert (directory / "ballast").stat().st_blocks * 512 >= MB
    assert ballast.held == MB
    assert ballast.release()
    assert (directory / "ballast").stat().st_blocks == 0
    assert not ballast.release()


def test_a_ballast_without_room_leaves_nothing_behind(directory: Path) -> None:
    with limited(directory, MB), pytest.raises(OSError, match="No space left"):
        Ballast(directory).make(2 * MB)
    assert Ballast(directory).held == 0


async def test_the_log_is_copied_when_nobody_writes_and_begins_anew(directory: Path) -> None:
    store = Store.open(directory, TestClock())
    log, size = directory / LOG, store.file.stat().st_size
    with patch.object(writer, "IDLE_S", 0.02):
        writes = Writer(store)
        try:
            await writes.write("fill", lambda tx: tx.journal("t", "", "", "x", "x" * 400_000))
            await until(lambda: store.file.stat().st_size >= size + 300_000, "the log is copied")
            before = log.stat().st_size
            for _ in range(10):
                await writes.write("fill", lambda tx: tx.journal("t", "", "", "x", "x"))
            assert log.stat().st_size == before
        finally:
            writes.close()
            store.close()


async def test_a_log_that_grows_under_an_endless_reader_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "LOG_USUAL", 0)
    world = World()
    watch = Space(world.engine, Health(world.engine), Reserve(ballast=MB // 4, room=1))
    reasons = "SELECT DISTINCT state, reason FROM system"
    try:
        await Health(world.engine).declare()
        with closing(sqlite3.connect(world.engine.store.file)) as endless:
            endless.execute("BEGIN")
            endless.execute("SELECT count(*) FROM journal WHERE subject = 'test'").fetchone()
            while world.engine.store.log_size() <= MB // 4:
                fill_many(world.engine.store)
            await watch.look()
        [(state, reason)] = world.rows(reasons)
        assert state == "degraded"
        assert "somebody reads it without end" in reason
        assert watch.open
    finally:
        world.close()


async def test_a_log_of_its_usual_size_is_no_sign_of_a_reader() -> None:
    """Copied into the database, the log keeps the size that it had."""
    world = World()
    watch = Space(world.engine, Health(world.engine), Reserve(ballast=MB // 4, room=1))
    try:
        while world.engine.store.log_size() <= MB:
            fill_many(world.engine.store)
        world.engine.store.checkpoint()
        await Health(world.engine).declare()
        await watch.look()
        assert {state for (state,) in world.rows("SELECT DISTINCT state FROM system")} <= {"starting", "up"}
    finally:
        world.close()
