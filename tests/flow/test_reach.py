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
#: Searches for every row of a table, or of all in some state, of a type or of a system.
WIDE = (
    "ix_outbox_state (state=?)",
    "ix_exception_state (state=?)",
    "ix_entity_lane (type=?)",
    "ix_image_stale (system=?)",
    "ix_binding_live (system=?)",
    "ix_binding_live (system=? AND type=?)",
    "SCAN ",
)
#: Values, and tables of few rows however long the agent runs.
SMALL = (
    "VIRTUAL TABLE",
    "CONSTANT ROW",
    "SCAN sqlite_sequence",
    "SCAN chain",
    *(f"SCAN {table}" for table in ("hold", "withheld", "life", "scope", "planned")),
)
#: At the start and now and then all that is in doubt is looked for; a gap is of all records of a type.
MEANT = (
    "state = 'sent' AND (? IS NULL OR",
    "state IN ('stored', 'uncertain') AND due",
    "max(id)",
    "UPDATE image SET lapsed",
    "SELECT count(*) FROM image JOIN entity",
    "GROUP BY entity.type",
)


def wide(connection: sqlite3.Connection, statement: str) -> list[str]:
    """The wide searches of a statement."""
    for count in range(60):
        try:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * count).fetchall()
        except sqlite3.ProgrammingError:
            continue
        steps = [row[3] for row in plan if not any(one in row[3] for one in SMALL)]
        return [step for step in steps if any(one in step for one in WIDE)]
    raise AssertionError(statement)


def test_no_statement_looks_through_everything_of_a_kind() -> None:
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
