"""Time limits and cancelling: what reaches the server, what comes back, and where neither helps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.datatypes import INT
from tests.odbc.tds.diagnosis import Diagnosis, diagnose
from tests.odbc.tds.record import What
from tests.odbc.tds.script import PATIENCE_S, Count, Effect, Flush, Hold, Moment, OpenRows, Rows, Script
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

NUMBERS = [Column("n", INT)]
TIMED_OUT = Diagnosis("OperationalError", "HYT00", 0)
CANCELLED = Diagnosis("Error", "HY008", 0)
GONE = Diagnosis("OperationalError", "08S01", 0)


def _meanwhile(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def _seen(server: Server) -> list[str]:
    return [statement.sql for statement in server.record.interrupted]


def test_a_statement_over_its_time_is_interrupted_and_the_connection_usable(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("UPDATE", Hold(), Count(1))
    script.on("SELECT", Rows(NUMBERS, [(7,)]))
    connection = connect()
    connection.timeout = 1
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) == TIMED_OUT
    assert connection.execute("SELECT n FROM t").fetchval() == 7
    connection.commit()
    assert _seen(server) == ["UPDATE t"]
    assert [statement.sql for statement in server.record.durable] == ["SELECT n FROM t"]


def test_rows_that_stop_coming_are_over_their_time_too(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("SELECT", OpenRows(NUMBERS, [(1,)]), Flush(), Hold())
    connection = connect()
    connection.timeout = 1
    cursor = connection.execute("SELECT n FROM t")
    assert diagnose(odbc, cursor.fetchall) == TIMED_OUT
    assert _seen(server) == ["SELECT n FROM t"]


def test_a_server_that_ignores_attention_costs_the_connection_after_twice_the_time(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("UPDATE", Hold(), Count(1))
    connection = connect()
    script.at(Moment.ATTENTION, Hold())
    connection.timeout = 1
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) == TIMED_OUT
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) == GONE


def test_a_statement_that_ran_just_before_its_time_was_up_keeps_its_effect(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("UPDATE", Count(1), Hold())
    connection = connect(autocommit=True)
    connection.timeout = 1
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) == TIMED_OUT
    assert [statement.sql for statement in server.record.durable] == ["UPDATE t"]


@pytest.mark.parametrize("marked", ["", " ?"], ids=["direct", "prepared"])
def test_cancel_from_another_thread_ends_a_statement(
    odbc: Any, connect: Connect, script: Script, server: Server, marked: str
) -> None:
    hold = Hold()
    script.on("SELECT", Rows(NUMBERS, [(7,)]))
    script.on("UPDATE", hold, Count(1))
    connection = connect()
    cursor = connection.cursor()
    parameters = (1,) if marked else ()

    def cancel() -> None:
        hold.wait()
        cursor.cancel()

    canceller = _meanwhile(cancel)
    assert diagnose(odbc, lambda: cursor.execute(f"UPDATE t{marked}", parameters)) == CANCELLED
    canceller.join(PATIENCE_S)
    assert connection.execute("SELECT n FROM t").fetchval() == 7
    assert [statement.sql.replace("@P1", "?") for statement in server.record.interrupted] == [
        f"UPDATE t{marked}"
    ]


def test_a_commit_has_no_time_limit(connect: Connect, script: Script, server: Server) -> None:
    hold = Hold()
    script.on("INSERT", Count(1))
    script.at(Moment.COMMIT, Effect(), hold, times=1)
    connection = connect()
    connection.timeout = 1
    connection.execute("INSERT 1")
    committing = _meanwhile(connection.commit)
    server.record.wait_for(What.COMMITTED)
    committing.join(2.5 * connection.timeout)
    assert committing.is_alive()
    hold.release()
    committing.join(PATIENCE_S)
    assert not committing.is_alive()


def test_a_commit_cannot_be_cancelled(odbc: Any, connect: Connect, script: Script, server: Server) -> None:
    hold = Hold()
    script.on("INSERT", Count(1))
    script.at(Moment.COMMIT, Effect(), hold, times=1)
    connection = connect()
    cursor = connection.execute("INSERT 1")
    committing = _meanwhile(connection.commit)
    hold.wait()
    assert diagnose(odbc, cursor.cancel) == Diagnosis("Error", "HY000", 0)
    assert committing.is_alive()
    hold.release()
    committing.join(PATIENCE_S)
    assert [statement.sql for statement in server.record.durable] == ["INSERT 1"]
    assert _seen(server) == []


def test_rows_left_unread_are_cut_off_with_attention(
    connect: Connect, script: Script, server: Server
) -> None:
    script.on("SELECT", Rows(NUMBERS, [(number,) for number in range(5_000)]))
    cursor = connect(autocommit=True).execute("SELECT n FROM t")
    cursor.fetchone()
    cursor.close()
    server.record.wait_until(
        lambda: server.record.events[-1].what is What.ATTENTION, "the rest of the rows was read after all"
    )
