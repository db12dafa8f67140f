"""Opening the store: whose it is, which life of it this is, and what is refused."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel, create_engine

from agent import failpoints
from agent.core.delivery import DeliveryKind
from agent.core.entity import CommandState
from agent.errors import Fenced, StoreError
from agent.store import inspection, outbox, tables
from agent.store.database import APPLICATION_ID, FILE, SCHEMA, Store
from tests.flow.systems.time import TestClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    opened = Store.open(tmp_path / "state", TestClock())
    yield opened
    opened.close()


def schema_of(connection: sqlite3.Connection) -> dict[str, str]:
    """Name → DDL without white space, of everything that is not SQLite's own or Alembic's."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    kept = {
        n: "".join(s.split()).replace('"', "") for n, s in rows if not n.startswith(("sqlite_", "alembic"))
    }
    return {name: "".join(sorted(text)) for name, text in kept.items()}


def test_the_migrations_make_the_schema_of_the_tables(store: Store, tmp_path: Path) -> None:
    assert tables.Command.__tablename__ == "outbox"
    fresh = tmp_path / "fresh.db"
    engine = create_engine(f"sqlite:///{fresh}")
    SQLModel.metadata.create_all(engine)
    engine.dispose()
    with sqlite3.connect(fresh) as made, sqlite3.connect(store.file) as migrated:
        assert schema_of(made) == schema_of(migrated)
    made.close()
    migrated.close()


def test_every_table_is_strict(store: Store) -> None:
    with store.transaction("look") as tx:
        loose = tx.rows(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0"
            " AND name NOT LIKE 'sqlite_%' AND name <> 'alembic_version'"
        )
    assert loose == []


def test_the_file_says_whose_it_is_and_survives_power_cuts(store: Store) -> None:
    with store.transaction("look") as tx:
        assert tx.one("PRAGMA application_id") == (APPLICATION_ID,)
        assert tx.one("PRAGMA user_version") == (SCHEMA,)
        assert tx.one("PRAGMA journal_mode") == ("wal",)
        assert tx.one("PRAGMA synchronous") == (2,)
        assert tx.one("PRAGMA foreign_keys") == (1,)


def test_a_second_agent_on_the_store_is_refused_and_told_who_holds_it(store: Store) -> None:
    with pytest.raises(Fenced, match="another agent owns this store"):
        Store.open(store.directory, TestClock())


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("PRAGMA application_id = 4711")
    other.close()
    with pytest.raises(StoreError, match="another program's"):
        Store.open(tmp_path, TestClock())


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path, TestClock()).close()
    with sqlite3.connect(tmp_path / FILE) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    newer.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match=f"version {SCHEMA + 1}"):
        Store.open(tmp_path, TestClock())
    assert (tmp_path / FILE).read_bytes() == before


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path, TestClock())
    with store.transaction("fill") as tx:
        for number in range(2000):
            tx.journal("test", str(number), "", "x", "filler " * 20)
    store.close()
    data = bytearray((tmp_path / FILE).read_bytes())
    data[8192:40960] = b"\x5a" * (40960 - 8192)
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises((StoreError, sqlite3.DatabaseError)):
        Store.open(tmp_path, TestClock())


@pytest.mark.parametrize("whole", [True, False])
def test_a_large_database_is_read_while_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """A start does not wait for gigabytes; damage that nobody has met yet is found all the same."""
    monkeypatch.setattr(inspection, "AT_ONCE", 0)
    store = Store.open(tmp_path, TestClock())
    with store.transaction("fill") as tx:
        for number in range(2000):
            tx.run("INSERT INTO planned (scope, minute, count) VALUES (?, 0, 1)", f"{number} " * 40)
    store.close()
    if not whole:
        data = bytearray((tmp_path / FILE).read_bytes())
        middle = len(data) // 4096 // 2 * 4096
        data[middle : middle + 4 * 4096] = b"\x5a" * (4 * 4096)
        (tmp_path / FILE).write_bytes(data)
    store = Store.open(tmp_path, TestClock())
    try:
        assert not store.inspected
        if whole:
            store.inspect()
        else:
            with pytest.raises(StoreError, match="damaged"):
                store.inspect()
        assert store.inspected is whole
    finally:
        store.close()


def test_an_inspection_ends_at_once_when_the_agent_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "AT_ONCE", 0)
    store = Store.open(tmp_path, TestClock())
    with store.transaction("fill") as tx:
        for number in range(5000):
            tx.journal("test", str(number), "", "x", "filler " * 20)

    def asked_to_end(connection: sqlite3.Connection, file: Path) -> None:
        connection.set_progress_handler(lambda: store.stop_inspecting(), 100)
        real(connection, file)

    real = inspection.inspect
    monkeypatch.setattr(inspection, "inspect", asked_to_end)
    store.inspect()
    assert not store.inspected
    store.close()


@pytest.mark.invariant("I22")
def test_a_store_older_than_the_last_life_is_noticed_and_starts_a_new_epoch(tmp_path: Path) -> None:
    state, copy = tmp_path / "state", tmp_path / "copy.db"
    store = Store.open(state, TestClock())
    number = sent_command(store)
    store.close()
    shutil.copy(state / FILE, copy)
    first = epoch_of(state)
    (state / "epoch").write_text(str(first + 3))
    restored = Store.open(state, TestClock())
    try:
        assert restored.epoch == first + 4
        with restored.transaction("look") as tx:
            assert tx.one("SELECT state FROM outbox WHERE number = ?", number) == ("uncertain",)
            assert tx.one("SELECT fresh, stale FROM image") == (0, "gap")
    finally:
        restored.close()
    assert epoch_of(state) == first + 4


@pytest.mark.invariant("I22")
def test_a_life_that_ended_without_notice_cannot_write_any_more(store: Store) -> None:
    with sqlite3.connect(store.file) as other:
        other.execute("UPDATE meta SET value = '99' WHERE key = 'epoch'")
    other.close()
    with pytest.raises(Fenced, match="later life"), store.transaction("late"):
        pass


def test_nobody_else_may_read_the_store(store: Store) -> None:
    assert store.file.stat().st_mode & 0o077 == 0


def test_a_restart_keeps_the_epoch_and_the_token(tmp_path: Path) -> None:
    store = Store.open(tmp_path, TestClock())
    with store.transaction("work") as tx:
        tx.journal("test", "1", "", "x", "work")
    epoch, token = store.epoch, store.token
    store.close()
    again = Store.open(tmp_path, TestClock())
    assert (again.epoch, again.token) == (epoch, token)
    again.close()


def test_what_a_crash_before_the_commit_interrupts_was_never_there(store: Store) -> None:
    failpoints.arm("work.before_commit", failpoints.Action.CRASH)
    try:
        with pytest.raises(failpoints.Crash), store.transaction("work") as tx:
            tx.journal("test", "1", "", "x", "work")
    finally:
        failpoints.disarm()
    with store.transaction("look") as tx:
        assert tx.one("SELECT count(*) FROM journal WHERE subject = 'test'") == (0,)


def test_two_open_commands_for_one_entity_and_target_are_refused_by_the_schema(store: Store) -> None:
    sent_command(store)
    with pytest.raises(sqlite3.IntegrityError), store.transaction("second") as tx:
        outbox.add(tx, new_command())


def test_a_start_killed_in_the_migration_leaves_the_old_schema_or_the_new_one(tmp_path: Path) -> None:
    script = (
        "import os, signal, sqlite3, sys\n"
        "from pathlib import Path\n"
        "from alembic import op\n"
        "from agent.store.database import Store\n"
        "from agent.clock import SystemClock\n"
        "real, count = op.create_table, [0]\n"
        "def create_table(*a, **k):\n"
        "    count[0] += 1\n"
        "    if count[0] == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*a, **k)\n"
        "op.create_table = create_table\n"
        "Store.open(Path(sys.argv[1]), SystemClock())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    Store.open(tmp_path, TestClock()).close()


def epoch_of(state: Path) -> int:
    """The epoch that is kept beside the store."""
    return int((state / "epoch").read_text())


def new_command() -> outbox.New:
    """A command for one entity and target."""
    return outbox.New(
        entity="customer-1",
        type="customer",
        target="erp",
        kind=DeliveryKind.UPDATE,
        key="e1",
        fields={"name": "x"},
        numbers={"name": 1},
        rules={"name": "owner:sf@v1"},
        guard=None,
        version=None,
        message_id=None,
        payload_hash="0" * 64,
        correlation="c",
    )


def sent_command(store: Store) -> int:
    """A command in state sent, and an image."""
    with store.transaction("set up") as tx:
        number = outbox.add(tx, new_command())
        command = outbox.get(tx, number)
        assert command is not None
        outbox.move(tx, command, CommandState.SENT, "taken", sent=tx.now)
        tx.run(
            "INSERT INTO image (entity, system, fields, base, fresh, grade, present, token, order_no,"
            " answered, faulty, seen)"
            " VALUES ('customer-1', 'erp', '{}', '{}', 1, 'read', 1, 1, 0, 0, '[]', 0)"
        )
    return number
