"""Errors of SQL Server as FreeTDS tells them: only the number is the same for every driver."""

from __future__ import annotations

from typing import Any

import pytest

from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.datatypes import INT
from tests.odbc.tds.diagnosis import CLOSED_BY_SERVER, Diagnosis, diagnose
from tests.odbc.tds.script import Count, Failure, Notice, OpenRows, Rows, Script
from tests.odbc.tds.tokens import Column

NUMBERS = [Column("n", INT)]
#: Number and severity on the server; class and SQLSTATE at the end of FreeTDS and pyodbc.
TOLD = [
    # again later: lock, deadlock, snapshot conflict, memory, throttling
    (1205, 13, "ProgrammingError", "42000"),
    (1222, 16, "ProgrammingError", "42000"),
    (3960, 16, "ProgrammingError", "42000"),
    (1204, 19, "ProgrammingError", "42000"),
    (701, 17, "ProgrammingError", "42000"),
    (40501, 16, "ProgrammingError", "42000"),
    (10928, 16, "ProgrammingError", "42000"),
    (49918, 16, "ProgrammingError", "42000"),
    # the transaction is doomed
    (3930, 16, "ProgrammingError", "42000"),
    (3989, 16, "ProgrammingError", "42000"),
    # the row cannot be stored
    (547, 16, "IntegrityError", "23000"),
    (515, 16, "IntegrityError", "23000"),
    (2627, 14, "IntegrityError", "23000"),
    (2601, 14, "IntegrityError", "23000"),
    (8152, 16, "DataError", "22001"),
    (2628, 16, "ProgrammingError", "42000"),
    (8115, 16, "Error", "HY019"),
    (245, 16, "DataError", "22018"),
    # a person must act
    (208, 16, "ProgrammingError", "42S02"),
    (207, 16, "ProgrammingError", "42S22"),
    (229, 14, "ProgrammingError", "42000"),
    (102, 15, "ProgrammingError", "42000"),
    # a trigger or a procedure says no
    (50000, 16, "ProgrammingError", "42000"),
    (51000, 16, "ProgrammingError", "42000"),
]
#: Errors with which the server ends the connection.
FATAL = [
    (596, 21, "ProgrammingError", "42000"),
    (64, 20, "ProgrammingError", "42000"),
    (233, 20, "IntegrityError", "23000"),
    (10053, 20, "ProgrammingError", "42000"),
    (10054, 20, "ProgrammingError", "42000"),
    (10060, 20, "ProgrammingError", "42000"),
]


@pytest.mark.parametrize("marked", ["", " ?"], ids=["direct", "prepared"])
@pytest.mark.parametrize(("number", "severity", "kind", "state"), TOLD, ids=lambda part: str(part))
def test_a_number_arrives_under_the_state_that_the_driver_gives_it(
    odbc: Any,
    connect: Connect,
    script: Script,
    marked: str,
    number: int,
    severity: int,
    kind: str,
    state: str,
) -> None:
    script.on("UPDATE", Failure(number, "why it failed", severity))
    parameters = (1,) if marked else ()
    told = diagnose(odbc, lambda: connect().execute(f"UPDATE t{marked}", parameters))
    assert told == Diagnosis(kind, state, number)


@pytest.mark.parametrize(("number", "severity", "kind", "state"), FATAL, ids=lambda part: str(part))
def test_a_number_that_ends_the_connection_looks_like_any_other(
    odbc: Any, connect: Connect, script: Script, number: int, severity: int, kind: str, state: str
) -> None:
    script.on("UPDATE", Failure(number, "the session is in the kill state", severity))
    connection = connect()
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) == Diagnosis(kind, state, number)
    assert diagnose(odbc, lambda: connection.execute("UPDATE t")) in CLOSED_BY_SERVER


def test_the_first_of_two_errors_is_told(odbc: Any, connect: Connect, script: Script) -> None:
    script.on("UPDATE", Failure(547, "foreign key"), Failure(50001, "the trigger says no"))
    assert diagnose(odbc, lambda: connect().execute("UPDATE t")).native == 547


def test_a_notice_in_front_of_an_error_does_not_hide_it(odbc: Any, connect: Connect, script: Script) -> None:
    script.on("UPDATE", Notice(50000, "printed"), Failure(2627, "duplicate", 14), Notice(3621, "terminated"))
    assert diagnose(odbc, lambda: connect().execute("UPDATE t")).native == 2627


def test_a_message_of_severity_10_is_no_error(connect: Connect, script: Script) -> None:
    script.on("UPDATE", Notice(5701, "changed database context", severity=10), Count(2))
    cursor = connect().execute("UPDATE t")
    assert cursor.rowcount == 2
    assert cursor.messages == [("[01000] (5701)", "[FreeTDS][SQL Server]changed database context")]


def test_an_error_in_the_midst_of_rows_comes_with_the_fetch(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("SELECT", OpenRows(NUMBERS, [(1,), (2,)]), Failure(1205, "victim", 13))
    cursor = connect().execute("SELECT n FROM t")
    assert [tuple(cursor.fetchone()), tuple(cursor.fetchone())] == [(1,), (2,)]
    assert diagnose(odbc, cursor.fetchone) == Diagnosis("ProgrammingError", "42000", 1205)


def test_after_an_error_in_the_midst_of_rows_the_next_fetch_looks_like_the_end(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("SELECT", OpenRows(NUMBERS, [(1,)]), Failure(245, "no number"))
    cursor = connect().execute("SELECT n FROM t")
    diagnose(odbc, cursor.fetchall)
    assert cursor.fetchone() is None


def test_an_error_behind_a_result_comes_only_with_the_next_result(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("EXEC", Rows(NUMBERS, [(1,)]), Failure(50001, "the procedure says no"))
    cursor = connect().execute("EXEC p ?", 1)
    assert [row.n for row in cursor.fetchall()] == [1]
    assert diagnose(odbc, cursor.nextset).native == 50001


def test_an_error_behind_a_count_comes_at_once_only_with_parameters(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("EXEC", Count(1), Failure(50001, "the trigger says no"))
    connection = connect()
    cursor = connection.execute("EXEC p")
    assert cursor.rowcount == 1
    assert diagnose(odbc, cursor.nextset).native == 50001
    assert diagnose(odbc, lambda: connection.execute("EXEC p ?", 1)).native == 50001


def test_a_connection_is_usable_after_an_ordinary_error(odbc: Any, connect: Connect, script: Script) -> None:
    script.on("UPDATE", Failure(547, "foreign key"))
    script.on("SELECT", Rows(NUMBERS, [(7,)]))
    connection = connect()
    diagnose(odbc, lambda: connection.execute("UPDATE t"))
    assert connection.execute("SELECT n FROM t").fetchval() == 7
