"""Transactions of FreeTDS: begun in advance, and lost sight of when the server ends one by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.datatypes import INT
from tests.odbc.tds.diagnosis import Diagnosis, diagnose
from tests.odbc.tds.record import What
from tests.odbc.tds.script import Close, Count, Effect, Failure, Moment, Rows, Script
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

NUMBERS = [Column("n", INT)]
ENDS = (What.BEGAN, What.COMMITTED, What.ROLLED_BACK)
VICTIM = Failure(1205, "deadlock victim", 13, rolls_back=True)


def _durable(server: Server) -> list[str]:
    return [statement.sql for statement in server.record.durable]


def _transactions(server: Server) -> list[What]:
    return [event.what for event in server.record.events if event.what in ENDS]


def test_without_autocommit_a_transaction_is_open_before_the_first_statement(
    connect: Connect, server: Server
) -> None:
    connect()
    assert _transactions(server) == [What.BEGAN]


def test_a_commit_begins_the_next_transaction_in_the_same_message(
    connect: Connect, script: Script, server: Server
) -> None:
    script.on("INSERT", Count(1))
    connection = connect()
    connection.execute("INSERT 1")
    connection.commit()
    connection.execute("INSERT 2")
    connection.rollback()
    assert _transactions(server) == [What.BEGAN, What.COMMITTED, What.BEGAN, What.ROLLED_BACK, What.BEGAN]
    assert _durable(server) == ["INSERT 1"]


def test_closing_without_commit_undoes_everything(connect: Connect, script: Script, server: Server) -> None:
    script.on("INSERT", Count(1))
    connection = connect()
    connection.execute("INSERT 1")
    connection.close()
    server.record.wait_for(What.CLOSED)
    assert _durable(server) == []


def test_with_autocommit_every_statement_stands_for_itself(
    connect: Connect, script: Script, server: Server
) -> None:
    script.on("INSERT", Count(1))
    connection = connect(autocommit=True)
    connection.execute("INSERT 1")
    connection.rollback()
    assert (_transactions(server), _durable(server)) == ([], ["INSERT 1"])


def test_transactions_written_in_sql_are_transactions_too(
    connect: Connect, script: Script, server: Server
) -> None:
    script.on("INSERT", Count(1))
    connection = connect(autocommit=True)
    for text in (
        "BEGIN TRANSACTION",
        "INSERT 1",
        "COMMIT",
        "BEGIN TRAN",
        "INSERT 2",
        "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION",
        "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION",
    ):
        connection.execute(text)
    assert _transactions(server) == [What.BEGAN, What.COMMITTED, What.BEGAN, What.ROLLED_BACK]
    assert _durable(server) == ["INSERT 1"]


@pytest.mark.parametrize(
    ("close", "told"),
    [
        (Close(), Diagnosis("Error", "01000", 20017)),
        (Close(reset=True), Diagnosis("Error", "HY000", None)),
    ],
    ids=["end", "reset"],
)
@pytest.mark.parametrize("committed", [False, True])
def test_a_lost_commit_reply_looks_the_same_whether_or_not_it_was_committed(
    odbc: Any,
    connect: Connect,
    script: Script,
    server: Server,
    committed: bool,
    close: Close,
    told: Diagnosis,
) -> None:
    script.on("INSERT", Count(1))
    script.at(Moment.COMMIT, *([Effect()] if committed else []), close)
    connection = connect()
    connection.execute("INSERT 1")
    assert diagnose(odbc, connection.commit) == told
    server.record.wait_for(What.CLOSED)
    assert _durable(server) == (["INSERT 1"] if committed else [])


def test_a_commit_lost_by_a_reset_has_no_error_of_the_driver_at_all(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.at(Moment.COMMIT, Close(reset=True))
    with pytest.raises(odbc.Error) as failed:
        connect().commit()
    assert failed.value.args == ("HY000", "The driver did not supply an error!")


def test_a_refused_commit_is_an_error(odbc: Any, connect: Connect, script: Script, server: Server) -> None:
    script.on("INSERT", Count(1))
    script.at(Moment.COMMIT, Failure(3930, "the transaction cannot be committed"), times=1)
    connection = connect()
    connection.execute("INSERT 1")
    assert diagnose(odbc, connection.commit) == Diagnosis("ProgrammingError", "42000", 3930)
    connection.rollback()
    assert _durable(server) == []


def test_after_the_server_rolled_back_every_statement_is_committed_by_itself(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("INSERT", Count(1))
    script.on("UPDATE", VICTIM)
    connection = connect()
    connection.execute("INSERT 1")
    diagnose(odbc, lambda: connection.execute("UPDATE t"))
    connection.execute("INSERT 2")
    assert _durable(server) == ["INSERT 2"]
    assert _transactions(server) == [What.BEGAN, What.ROLLED_BACK]


def test_after_the_server_rolled_back_commit_and_rollback_fail_and_begin_nothing(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("UPDATE", VICTIM)
    connection = connect()
    diagnose(odbc, lambda: connection.execute("UPDATE t"))
    assert diagnose(odbc, connection.commit) == Diagnosis("ProgrammingError", "25000", 3902)
    assert diagnose(odbc, connection.rollback) == Diagnosis("ProgrammingError", "25000", 3903)
    assert _transactions(server) == [What.BEGAN, What.ROLLED_BACK]


def test_after_the_server_rolled_back_switching_autocommit_does_not_help(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("UPDATE", VICTIM)
    connection = connect()
    diagnose(odbc, lambda: connection.execute("UPDATE t"))

    def switch() -> None:
        connection.autocommit = True

    assert diagnose(odbc, switch) == Diagnosis("ProgrammingError", "25000", 3903)


def test_a_commit_throws_rows_away_that_were_left_to_read(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("SELECT", Rows(NUMBERS, [(1,), (2,), (3,)]))
    connection = connect()
    cursor = connection.execute("SELECT n FROM t")
    cursor.fetchone()
    connection.commit()
    assert diagnose(odbc, cursor.fetchall).state == "HY010"
    assert server.record.count(What.COMMITTED) == 1


@pytest.mark.parametrize("result", [Rows(NUMBERS, [(1,)]), Count(1)], ids=["rows", "count"])
def test_a_commit_that_meets_an_unread_error_is_not_sent_and_the_next_one_is(
    odbc: Any, connect: Connect, script: Script, server: Server, result: Rows | Count
) -> None:
    script.on("EXEC", result, Failure(50001, "the procedure says no"))
    connection = connect()
    cursor = connection.execute("EXEC p")
    assert diagnose(odbc, connection.commit) == Diagnosis("Error", "HY000", None)
    assert _durable(server) == []
    connection.commit()
    assert _durable(server) == ["EXEC p"]
    cursor.close()


def test_closing_a_cursor_swallows_the_error_behind_its_rows(
    connect: Connect, script: Script, server: Server
) -> None:
    script.on("EXEC", Rows(NUMBERS, [(1,)]), Failure(50001, "the procedure says no"))
    connection = connect()
    cursor = connection.execute("EXEC p")
    assert cursor.fetchval() == 1
    cursor.close()
    connection.commit()
    assert _durable(server) == ["EXEC p"]
