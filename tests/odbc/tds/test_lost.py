"""A connection that breaks: the first call after it tells something else than the ones that follow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.datatypes import INT
from tests.odbc.tds.diagnosis import CLOSED_BY_SERVER, Diagnosis, diagnose
from tests.odbc.tds.record import What
from tests.odbc.tds.script import FATAL, Close, Count, Failure, Flush, OpenRows, Script
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

NUMBERS = [Column("n", INT)]
LOST_IN_ORDER = Diagnosis("Error", "01000", 20017)
LOST_BY_RESET = Diagnosis("Error", "HY000", 0)
GONE = Diagnosis("OperationalError", "08S01", 0)
GONE_AT_THE_END = Diagnosis("OperationalError", "08S01", 20006)


@pytest.mark.parametrize("marked", ["", " ?"], ids=["direct", "prepared"])
@pytest.mark.parametrize(
    ("close", "told"), [(Close(), LOST_IN_ORDER), (Close(reset=True), LOST_BY_RESET)], ids=["end", "reset"]
)
def test_only_the_second_call_says_that_the_link_is_gone(
    odbc: Any, connect: Connect, script: Script, marked: str, close: Close, told: Diagnosis
) -> None:
    script.on("UPDATE", close)
    connection = connect()
    parameters = (1,) if marked else ()
    assert diagnose(odbc, lambda: connection.execute(f"UPDATE t{marked}", parameters)) == told
    assert diagnose(odbc, lambda: connection.execute(f"UPDATE t{marked}", parameters)) == GONE


@pytest.mark.parametrize("ran", [False, True])
def test_a_statement_lost_before_it_ran_looks_like_one_lost_behind_it(
    odbc: Any, connect: Connect, script: Script, server: Server, ran: bool
) -> None:
    script.on("UPDATE", *([Count(1)] if ran else []), Close())
    connection = connect(autocommit=True)
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) == LOST_IN_ORDER
    assert [statement.sql for statement in server.record.durable] == (["UPDATE t"] if ran else [])


def test_a_lost_connection_undoes_its_transaction(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("INSERT", Count(1))
    script.on("UPDATE", Count(1), Close())
    connection = connect()
    connection.execute("INSERT 1")
    diagnose(odbc, lambda: connection.execute("UPDATE t"))
    server.record.wait_for(What.ROLLED_BACK)
    assert server.record.durable == []


def test_commit_and_rollback_fail_on_a_lost_connection(odbc: Any, connect: Connect, script: Script) -> None:
    script.on("UPDATE", Close())
    connection = connect()
    diagnose(odbc, lambda: connection.execute("UPDATE t"))
    assert diagnose(odbc, connection.commit) == GONE_AT_THE_END
    assert diagnose(odbc, connection.rollback) == GONE_AT_THE_END


@pytest.mark.parametrize(
    ("close", "told"), [(Close(), LOST_IN_ORDER), (Close(reset=True), LOST_BY_RESET)], ids=["end", "reset"]
)
def test_rows_that_break_off_are_an_error_and_not_the_end(
    odbc: Any, connect: Connect, script: Script, close: Close, told: Diagnosis
) -> None:
    script.on("SELECT", OpenRows(NUMBERS, [(1,), (2,)]), Flush(), close)
    assert diagnose(odbc, lambda: connect().execute("SELECT n FROM t").fetchall()) == told


def test_a_connection_lost_in_the_midst_of_rows_is_an_invalid_cursor_for_other_cursors(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("SELECT", OpenRows(NUMBERS, [(1,)]), Flush(), Close())
    connection = connect()
    cursor = connection.cursor()
    diagnose(odbc, lambda: cursor.execute("SELECT n FROM t").fetchall())
    told = diagnose(odbc, lambda: connection.execute("SELECT 1"))
    assert told == Diagnosis("ProgrammingError", "24000", 0)
    cursor.close()
    assert diagnose(odbc, lambda: connection.execute("SELECT 1")) == GONE


def test_a_server_that_closed_an_idle_connection_is_noticed_by_the_next_call(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    script.on("UPDATE", Failure(596, "the session is in the kill state", FATAL))
    connection = connect()
    diagnose(odbc, lambda: connection.execute("UPDATE t"))
    server.record.wait_for(What.CLOSED)
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) in CLOSED_BY_SERVER


def test_closing_a_lost_connection_raises_nothing(odbc: Any, connect: Connect, script: Script) -> None:
    script.on("UPDATE", Close())
    connection = connect()
    diagnose(odbc, lambda: connection.execute("UPDATE t"))
    connection.close()
