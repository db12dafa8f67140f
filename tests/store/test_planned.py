"""The counters of the guard against mass changes: what a count would say, at the price of a few rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.delivery import DeliveryKind
from agent.core.entity import CommandState
from agent.core.guard import Scope
from agent.store import holds, outbox, planned
from agent.store.database import Store
from agent.store.transaction import Transaction
from tests.flow.systems.time import TestClock

WINDOW_MS = 900_000
STEP = st.tuples(
    st.sampled_from(["plan", "plan", "withdraw", "refuse", "send", "back", "accept", "wait"]),
    st.integers(0, 3),
    st.sampled_from(["update", "update", "create", "delete"]),
)


@contextmanager
def opened() -> Iterator[tuple[Store, TestClock]]:
    """A new store and its clock."""
    clock = TestClock()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "state", clock)
        try:
            yield store, clock
        finally:
            store.close()


def plan(tx: Transaction, entity: str, kind: DeliveryKind = DeliveryKind.UPDATE) -> int:
    """A ready command for an entity at the ERP."""
    return outbox.add(
        tx,
        outbox.New(
            entity=entity,
            type="customer",
            target="erp",
            kind=kind,
            key=None,
            fields={},
            numbers={},
            rules={},
            guard=None,
            version=None,
            message_id=None,
            payload_hash="",
            correlation="",
        ),
    )


def step(tx: Transaction, what: str, entity: str, kind: str) -> None:
    """One thing that may happen to a command, where it can."""
    [row] = tx.rows("SELECT max(number) FROM outbox WHERE entity = ? AND state IN ('ready', 'sent')", entity)
    command = outbox.get(tx, row[0]) if row[0] is not None else None
    if command is None:
        if what == "plan":
            plan(tx, entity, DeliveryKind(kind))
        return
    match what, command.state:
        case "plan", CommandState.READY:
            outbox.move(tx, command, CommandState.SUPERSEDED, "a newer plan")
            plan(tx, entity, DeliveryKind(kind))
        case "withdraw", CommandState.READY:
            outbox.move(tx, command, CommandState.SUPERSEDED, "nothing left")
        case "refuse", CommandState.READY:
            outbox.move(tx, command, CommandState.REJECTED, "unmapped")
        case "send", CommandState.READY:
            outbox.move(tx, command, CommandState.SENT, "taken", sent=tx.now)
        case "back", CommandState.SENT:
            outbox.move(tx, command, CommandState.READY, "busy")
        case "accept", CommandState.SENT:
            outbox.move(tx, command, CommandState.ACCEPTED, "done")


def recount(tx: Transaction, scope: Scope) -> int:
    """The same by counting: records whose newest command that counts was planned within the window."""
    [row] = tx.rows(
        "SELECT count(*) FROM (SELECT max(number), planned FROM outbox WHERE type = ? AND target = ?"
        f" AND kind = ? AND {planned.COUNTED} GROUP BY entity) WHERE planned / ? >= ?",
        scope.type,
        scope.target,
        scope.kind,
        planned.MINUTE_MS,
        planned.minute(tx.now - WINDOW_MS),
    )
    return int(row[0])


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=60))
def test_the_counters_say_what_a_count_over_the_outbox_says(steps: list[tuple[str, int, str]]) -> None:
    with opened() as (store, clock):
        for what, number, kind in steps:
            if what == "wait":
                clock.move(100.0 * (1 + number))
                continue
            with store.transaction("step") as tx:
                step(tx, what, f"c{number}", kind)
                for each in DeliveryKind:
                    scope = Scope("customer", "erp", each)
                    assert planned.within(tx, scope, WINDOW_MS) == recount(tx, scope)
                if number == 0:
                    planned.forget(tx, WINDOW_MS)


def test_a_record_that_is_changed_again_and_again_counts_once() -> None:
    with opened() as (store, clock):
        for _ in range(20):
            with store.transaction("step") as tx:
                step(tx, "plan", "c1", "update")
                step(tx, "send", "c1", "update")
                step(tx, "accept", "c1", "update")
            clock.move(30.0)
        with store.transaction("look") as tx:
            assert planned.within(tx, Scope("customer", "erp", DeliveryKind.UPDATE), WINDOW_MS) == 1


def test_what_was_withdrawn_before_it_was_sent_counts_for_nothing() -> None:
    with opened() as (store, _), store.transaction("step") as tx:
        step(tx, "plan", "c1", "update")
        step(tx, "withdraw", "c1", "update")
        assert planned.within(tx, Scope("customer", "erp", DeliveryKind.UPDATE), WINDOW_MS) == 0


def test_what_left_the_window_counts_no_more() -> None:
    with opened() as (store, clock):
        with store.transaction("step") as tx:
            plan(tx, "c1")
        clock.move(961.0)
        with store.transaction("look") as tx:
            assert planned.within(tx, Scope("customer", "erp", DeliveryKind.UPDATE), WINDOW_MS) == 0


def explained(tx: Transaction, statement: str) -> str:
    """How SQLite goes about a statement."""
    return " | ".join(str(row[-1]) for row in tx.rows(f"EXPLAIN QUERY PLAN {statement}"))


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        pytest.param(
            "SELECT number FROM outbox WHERE target = 'erp' AND state = 'ready' AND held = 0"
            " AND not_before <= 5 ORDER BY number LIMIT 9",
            "(state=? AND target=? AND held=?)",
            id="taking-passes-over-nothing-held",
        ),
        pytest.param(
            f"SELECT min(not_before) FROM outbox WHERE target = 'erp' AND {outbox.DUE}",
            "ix_outbox_due",
            id="next-due",
        ),
        pytest.param(
            "SELECT planned FROM outbox WHERE entity = 'c' AND target = 'erp' AND kind = 'update'"
            f" AND number < 9 AND {planned.COUNTED} ORDER BY number DESC LIMIT 1",
            "ix_outbox_counted",
            id="the-command-before",
        ),
        pytest.param(
            "SELECT coalesce(sum(count), 0) FROM planned WHERE scope = 's' AND minute >= 7",
            "sqlite_autoindex_planned_1",
            id="the-window",
        ),
        pytest.param(
            "SELECT count(*) FROM binding WHERE type = 'c' AND system = 'erp' AND role = 'live'"
            " AND valid_to IS NULL",
            "COVERING INDEX ix_binding_live",
            id="live-bindings",
        ),
        pytest.param(
            "UPDATE outbox SET held = 0 WHERE held = 1 AND target = 'erp' AND type = 'c' AND kind = 'update'",
            "ix_outbox_held",
            id="letting-a-scope-go",
        ),
        pytest.param("SELECT 1 FROM hold WHERE scope IN ('*', 'erp')", "sqlite_autoindex_hold_1", id="holds"),
    ],
)
def test_every_question_of_the_guard_is_answered_by_an_index(statement: str, index: str) -> None:
    with opened() as (store, _), store.transaction("look") as tx:
        how = explained(tx, statement)
        assert index in how, how
        assert "SCAN" not in how
        assert "TEMP B-TREE" not in how


def test_live_records_are_counted_once_a_minute_at_most() -> None:
    scope = Scope("customer", "erp", DeliveryKind.UPDATE)
    with opened() as (store, clock):
        with store.transaction("bind") as tx:
            bind(tx, 1)
            assert holds.live(tx, scope, tx.now - planned.MINUTE_MS) == 1
            bind(tx, 2)
            assert holds.live(tx, scope, tx.now - planned.MINUTE_MS) == 1
        clock.move(61.0)
        with store.transaction("look") as tx:
            assert holds.live(tx, scope, tx.now - planned.MINUTE_MS) == 2


def bind(tx: Transaction, number: int) -> None:
    """A live binding at the ERP."""
    tx.run(
        "INSERT INTO binding (entity, type, system, key, role, valid_from)"
        " VALUES (?, 'customer', 'erp', ?, 'live', 0)",
        f"c{number}",
        f"k{number}",
    )
