"""Counts and result sets: which of several a caller sees, and what becomes of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.odbc.driver import directories
from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.datatypes import INT
from tests.odbc.tds.diagnosis import Diagnosis, diagnose
from tests.odbc.tds.record import What
from tests.odbc.tds.request import Statement, Via
from tests.odbc.tds.script import Count, Effect, Failure, Rows, Script, Step
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

NUMBERS = [Column("n", INT)]


def test_a_statement_without_a_count_has_touched_no_rows(connect: Connect, script: Script) -> None:
    script.on("UPDATE", Effect())
    connection = connect()
    assert [connection.execute(text).rowcount for text in ("SET NOCOUNT ON", "UPDATE t")] == [0, 0]


def test_of_several_counts_the_first_is_seen_without_parameters_and_the_last_with(
    connect: Connect, script: Script
) -> None:
    script.on("UPDATE", Count(5), Count(1))  # a trigger without NOCOUNT, then the statement itself
    connection = connect()
    assert connection.execute("UPDATE t").rowcount == 5
    assert connection.execute("UPDATE t SET a = ?", 1).rowcount == 1


def test_rows_behind_a_count_are_found_at_once_only_with_parameters(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.on("EXEC", Count(1), Rows(NUMBERS, [(7,)]))
    connection = connect()
    assert connection.execute("EXEC p ?", 1).fetchval() == 7
    cursor = connection.execute("EXEC p")
    with pytest.raises(odbc.ProgrammingError, match="No results"):
        cursor.fetchall()
    assert cursor.nextset() is True
    assert cursor.fetchval() == 7


def test_only_one_cursor_may_have_rows_to_read(odbc: Any, connect: Connect, script: Script) -> None:
    script.on("SELECT", Rows(NUMBERS, [(1,), (2,), (3,)]))
    connection = connect()
    first = connection.execute("SELECT n FROM t")
    first.fetchone()
    told = diagnose(odbc, lambda: connection.execute("SELECT n FROM t"))
    assert told == Diagnosis("ProgrammingError", "24000", 0)
    first.fetchall()
    assert len(connection.execute("SELECT n FROM t").fetchall()) == 3


def test_the_count_of_many_rows_is_unknown(connect: Connect, script: Script) -> None:
    script.on("INSERT", Count(1))
    cursor = connect().cursor()
    cursor.executemany("INSERT ?", [(1,), (2,), (3,)])
    assert cursor.rowcount == -1


def test_many_rows_stop_at_the_first_error_and_keep_the_ones_before(
    odbc: Any, connect: Connect, script: Script, server: Server
) -> None:
    def second_is_a_duplicate(statement: Statement) -> list[Step]:
        return [Failure(2627, "duplicate", 14)] if statement.values == (2,) else [Count(1)]

    script.on("INSERT", second_is_a_duplicate)
    connection = connect()
    cursor = connection.cursor()
    rows = [(1,), (2,), (3,)]
    assert diagnose(odbc, lambda: cursor.executemany("INSERT ?", rows)).native == 2627
    connection.commit()
    assert [statement.values for statement in server.record.durable] == [(1,)]


def test_every_execution_with_parameters_prepares_anew(
    connect: Connect, script: Script, server: Server
) -> None:
    script.on("UPDATE", Count(1))
    cursor = connect().cursor()
    for number in (1, 2, 3):
        cursor.execute("UPDATE t SET a = ?", number)
    assert {statement.via for statement in server.record.asked} == {Via.PREPARED}
    assert (server.record.count(What.PREPARED), server.record.count(What.UNPREPARED)) == (3, 2)


def test_fast_executemany_kills_the_process(driver: Path, script: Script, server: Server) -> None:
    script.on("INSERT", Count(1))
    program = (
        "import pyodbc, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "cursor = pyodbc.connect(sys.argv[1]).cursor()\n"
        "cursor.fast_executemany = True\n"
        "cursor.executemany('INSERT ?', [(1,), (2,), (3,)])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, server.connection_string(driver)],
        env={**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, directories()))},
        capture_output=True,
        check=False,
    )
    assert ended.returncode < 0
    assert server.record.asked == []
