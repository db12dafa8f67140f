"""Rows that wait: many are written by one statement, and none comes before what it has to follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.store import pending
from agent.store.database import Store
from agent.store.pending import Pending, named, written
from tests.flow.systems.time import TestClock

ADD, MOVE = "INSERT INTO obligation (inbox, target) VALUES (?, ?)", "UPDATE obligation SET command = ?"
OTHER = "INSERT INTO cause (command, inbox) VALUES (?, ?)"


def test_rows_of_many_subjects_share_their_statements_and_those_of_one_keep_their_order() -> None:
    waiting = Pending()
    for subject in ("a", "b", "c"):
        waiting.add("obligation", ADD, (1, subject), subject)
        waiting.add("obligation", MOVE, (2, subject), subject)
    assert list(waiting.take()) == [
        (ADD, [(1, "a"), (1, "b"), (1, "c")]),
        (MOVE, [(2, "a"), (2, "b"), (2, "c")]),
    ]
    for row, statement in enumerate((ADD, MOVE, ADD, MOVE)):
        waiting.add("obligation", statement, (row,), "a")
    assert list(waiting.take()) == [(ADD, [(0,)]), (MOVE, [(1,)]), (ADD, [(2,)]), (MOVE, [(3,)])]
    assert list(waiting.take()) == []


def test_a_statement_is_preceded_by_the_rows_of_the_tables_that_it_names_and_no_others() -> None:
    waiting = Pending()
    waiting.add("obligation", ADD, (1, "erp"), "a")
    waiting.add("cause", OTHER, (1, 1), 1)
    asked = "SELECT 1 FROM outbox JOIN obligation ON obligation.command = number WHERE entity = ?"
    assert waiting.due(asked)
    assert not waiting.due("SELECT obligation FROM inbox")
    assert list(waiting.take(asked)) == [(ADD, [(1, "erp")])]
    assert not waiting.due(asked)
    assert list(waiting.take()) == [(OTHER, [(1, 1)])]


def test_the_tables_of_a_statement_are_read_from_its_text() -> None:
    assert named("DELETE FROM gap WHERE type IN (SELECT type FROM entity)") == {"gap", "entity"}
    assert written("UPDATE image SET fresh = 0") == "image"
    with pytest.raises(ValueError, match="does not begin with the table"):
        written("PRAGMA user_version")


def test_only_so_many_rows_wait_in_a_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "MOST", 3)
    store = Store.open(tmp_path, TestClock())
    try:
        with store.transaction("test") as tx:
            before = tx.rows("SELECT count(*) FROM journal")[0][0]
            for number in range(4):
                tx.journal("test", str(number), "", "done", "")
            assert [rows for _, rows in tx._pending.take()] == [
                [(tx.now, tx.epoch, "test", "3", "", "done", "", "agent", "")]
            ]
            assert tx.rows("SELECT count(*) FROM journal")[0][0] == before + 3
    finally:
        store.close()
