"""What a statement of the flow looks through does not grow with all that was ever sent or went wrong."""

from __future__ import annotations

import random
import sqlite3
from typing import Any
from unittest.mock import patch

from agent.store.database import FILE
from agent.store.transaction import Transaction
from tests.flow import world as worlds
from tests.flow.machine import play
from tests.flow.stories import KINDS, story
from tests.flow.world import World

STORIES = 8
#: Searches for every row in some state: of all history, or of all that waits.
WIDE = ("ix_outbox_state (state=?)", "ix_exception_state (state=?)", "SCAN outbox", "SCAN exception")
#: At the start and now and then all that is in doubt is looked for.
MEANT = ("state = 'sent' AND (? IS NULL OR", "state IN ('stored', 'uncertain') AND due", "max(id)")


def wide(connection: sqlite3.Connection, statement: str) -> list[str]:
    """The wide searches of a statement."""
    for count in range(60):
        try:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * count).fetchall()
        except sqlite3.ProgrammingError:
            continue
        return [row[3] for row in plan if any(one in row[3] for one in WIDE)]
    raise AssertionError(statement)


def test_no_statement_looks_through_every_command_or_exception_in_a_state() -> None:
    asked: set[str] = set()
    executed, many = Transaction._execute, Transaction._many

    def execute(tx: Transaction, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        asked.add(statement)
        return executed(tx, statement, values)

    def write(tx: Transaction, statement: str, rows: list[tuple[Any, ...]]) -> None:
        asked.add(statement)
        many(tx, statement, rows)

    with patch.object(Transaction, "_execute", execute), patch.object(Transaction, "_many", write):
        for seed in range(STORIES):
            world = World()
            try:
                play(world, story(random.Random(seed), 40, KINDS))
            finally:
                world.close()
    some = {one for one in asked if one.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))}
    assert len(some) > 40
    with sqlite3.connect(worlds.template() / FILE) as connection:
        found = {one: wide(connection, one) for one in some if not any(part in one for part in MEANT)}
    assert {one: plan for one, plan in found.items() if plan} == {}
