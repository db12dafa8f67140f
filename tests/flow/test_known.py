"""What a transaction knows without asking is what the database says, after every unit of work."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar
from unittest.mock import patch

import pytest

from agent.core.guard import scope
from agent.store import ahead, bindings, holds, inbox, planned
from agent.store.database import FILE
from agent.store.known import UNKNOWN, Known
from agent.store.pending import named
from agent.store.transaction import Transaction
from agent.store.writer import DirectWriter
from tests.flow import world as worlds
from tests.flow.machine import play
from tests.flow.stories import KINDS, ROLLBACKS, story
from tests.flow.world import World

T = TypeVar("T")
#: Everything that an entity of the test's rules may be delivered to.
TARGETS = ("sf", "erp", "sap", "eu")
#: Stories of a run; each has some 40 operations.
STORIES = 12


def differences(tx: Transaction) -> list[str]:
    """What is known otherwise than the database says."""
    tx.flush()
    said, tx.known = tx.known, Known()
    try:
        return [
            f"{table} of {subject}: {fact} is known, {found} is there"
            for table, facts in said.facts.items()
            for subject, fact in facts.items()
            for found in [_found(tx, table, subject, fact)]
            if found != fact
        ] + [
            f"key {key}: {holder} is known"
            for key, holder in said.holders.items()
            if bindings.holder(tx, *key) != holder
        ]
    finally:
        tx.known = said


def _found(tx: Transaction, table: str, subject: Any, fact: Any) -> Any:
    """The same fact, as the database has it now."""
    match table:
        case "inbox" if isinstance(subject, int):
            return inbox.correlation(tx, subject)
        case "inbox":
            system, stream, source_id = subject
            inbox.read_ahead(tx, system, stream, [source_id])
        case "hold":
            return holds.standing(tx, subject)
        case "scope" if subject[1] == "approved":
            return holds.approved(tx, scope(subject[0]))
        case "scope":
            return tx.rows("SELECT live FROM scope WHERE name = ?", subject[0])[0][0]
        case "planned":
            counts = {at: count for at, count in fact.counts.items() if count}
            rows = tx.rows(
                "SELECT minute, count FROM planned WHERE scope = ? AND minute >= ? AND count > 0",
                subject,
                fact.begins,
            )
            return fact if counts == dict(rows) else dict(rows)
        case "outbox":
            ahead.read(tx, [subject], TARGETS)
            return _same_commands(tx, subject, fact)
        case "obligation":  # in order for each target
            ahead.read(tx, [subject], TARGETS)
            found = tx.known.get(table, subject)
            return fact if sorted(found, key=repr) == sorted(fact, key=repr) else found
        case _:
            ahead.read(tx, [subject], TARGETS)
    return tx.known.get(table, subject)


def _same_commands(tx: Transaction, entity: str, fact: Any) -> Any:
    """The fact where the database says so, else what the database says."""
    found = tx.known.get("outbox", entity)
    for (target, kind), at in fact.planned.items():
        row = tx.one(
            "SELECT planned FROM outbox WHERE entity = ? AND target = ? AND kind = ?"
            f" AND {planned.COUNTED} ORDER BY number DESC LIMIT 1",
            entity,
            target,
            kind,
        )
        if at != (row[0] if row else None):
            return row
    sent = [one for one in found.sent if one.at > fact.since]
    kept = [one for one in fact.sent if one.at > found.since]
    alike = found.standing == fact.standing and list(found.standing) == list(fact.standing)
    return fact if alike and sent == kept else found


class Checked(DirectWriter):
    """Looks behind every unit of work, and keeps what was asked."""

    asked: ClassVar[set[str]] = set()
    facts: ClassVar[list[int]] = []

    async def write(self, label: str, work: Callable[[Transaction], T], actor: str = "agent") -> T:
        def checked(tx: Transaction) -> T:
            with _noted(tx, self.asked):
                result = work(tx)
            self.facts.append(sum(map(len, tx.known.facts.values())))
            assert differences(tx) == []
            return result

        return await super().write(label, checked, actor)


@contextmanager
def _noted(tx: Transaction, asked: set[str]) -> Iterator[None]:
    real = tx._execute

    def execute(statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        asked.add(statement)
        return real(statement, values)

    with patch.object(tx, "_execute", execute):
        yield


def tables(connection: sqlite3.Connection, statement: str) -> set[str]:
    """The tables that a statement reads or writes, as SQLite itself says."""
    seen: set[str] = set()

    def note(action: int, first: str | None, *_: str | None) -> int:
        if first and action in {
            sqlite3.SQLITE_READ,
            sqlite3.SQLITE_INSERT,
            sqlite3.SQLITE_UPDATE,
            sqlite3.SQLITE_DELETE,
        }:
            seen.add(first)
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    for count in range(60):
        try:
            connection.execute(f"EXPLAIN {statement}", (None,) * count)
            break
        except sqlite3.ProgrammingError:
            continue
    connection.set_authorizer(None)
    return {name for name in seen if not name.startswith(("sqlite_", "json_"))}


def test_nothing_is_known_otherwise_than_it_is_and_no_statement_passes_waiting_rows_by() -> None:
    chance = random.Random(20260301)
    with patch.object(worlds, "DirectWriter", Checked):
        for number in range(STORIES):
            script = story(chance, 40, tuple(ROLLBACKS if number % 3 == 2 else KINDS))
            world = World()
            try:
                play(world, script)
            finally:
                world.close()
    assert max(Checked.facts) > 20, "something was known at all"
    asked = {one for one in Checked.asked if "SAVEPOINT" not in one and "RELEASE" not in one}
    assert len(asked) > 60
    with sqlite3.connect(worlds.template() / FILE) as connection:
        missed = {one: tables(connection, one) - named(one) for one in asked if "ROLLBACK" not in one}
    assert {one: names for one, names in missed.items() if names - {"meta", "above", "chain"}} == {}


@pytest.mark.parametrize(
    "table", ["entity", "image", "binding", "outbox", "exception", "waiting", "obligation"]
)
def test_a_write_that_names_nobody_has_everything_of_its_table_forgotten(table: str, world: World) -> None:
    world.create()
    world.settle()
    with world.engine.store.transaction("test") as tx:
        entity = str(tx.rows("SELECT id FROM entity")[0][0])
        ahead.read(tx, [entity], TARGETS)
        assert tx.known.get(table, entity) is not UNKNOWN
        tx.run(f"DELETE FROM {table} WHERE rowid = -1")
        assert tx.known.get(table, entity) is UNKNOWN
