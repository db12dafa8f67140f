"""Getting in: refused, unanswered, and what a login carries."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.diagnosis import Diagnosis, diagnose
from tests.odbc.tds.record import What
from tests.odbc.tds.script import Close, Failure, Hold, Moment, Script
from tests.odbc.tds.server import HOST, Server

TIMED_OUT = Diagnosis("OperationalError", "HYT00", 0)
NO_CONNECTION = Diagnosis("OperationalError", "08001", 0)


def test_a_login_carries_user_password_and_database(connect: Connect, server: Server) -> None:
    connect(UID="Sönke", PWD="pä55;wörd".replace(";", ""), Database="verkauf")
    (login,) = server.record.logins
    assert (login.user, login.password, login.database) == ("Sönke", "pä55wörd", "verkauf")
    assert "pä55" not in repr(login)


@pytest.mark.parametrize(
    ("number", "severity"), [(18456, 14), (4060, 11)], ids=["wrong password", "no such database"]
)
def test_a_refused_login_tells_the_number_but_neither_28000_nor_08004(
    odbc: Any, connect: Connect, script: Script, number: int, severity: int
) -> None:
    script.at(Moment.LOGIN, Failure(number, "Login failed for user 'sync'.", severity))
    assert diagnose(odbc, connect) == Diagnosis("ProgrammingError", "42000", number)


def test_of_a_refused_database_the_cause_is_told_and_not_the_failed_login(
    odbc: Any, connect: Connect, script: Script
) -> None:
    script.at(Moment.LOGIN, Failure(4060, "Cannot open database.", 11), Failure(18456, "Login failed.", 14))
    assert diagnose(odbc, connect).native == 4060


@pytest.mark.parametrize("moment", [Moment.CONNECT, Moment.LOGIN])
def test_a_silent_server_is_given_up_after_the_login_timeout(
    odbc: Any, connect: Connect, script: Script, server: Server, moment: Moment
) -> None:
    script.at(moment, Hold())
    assert diagnose(odbc, lambda: connect(timeout=1)) == TIMED_OUT
    assert server.record.count(What.LOGGED_IN) == 0


@pytest.mark.parametrize("moment", [Moment.CONNECT, Moment.LOGIN])
def test_a_server_that_hangs_up_is_no_connection(
    odbc: Any, connect: Connect, script: Script, moment: Moment
) -> None:
    script.at(moment, Close())
    assert diagnose(odbc, connect) == NO_CONNECTION


def test_a_closed_port_has_a_number_of_its_own(odbc: Any, driver: Path, server: Server) -> None:
    with socket.create_server((HOST, 0)) as placeholder:
        port = placeholder.getsockname()[1]
    text = server.connection_string(driver, Port=str(port))
    assert diagnose(odbc, lambda: odbc.connect(text)) == Diagnosis("OperationalError", "08S01", 20009)


def test_a_name_that_nobody_knows_is_no_connection(odbc: Any, connect: Connect) -> None:
    assert diagnose(odbc, lambda: connect(Server="no-such-host.invalid")) == NO_CONNECTION


def test_required_encryption_is_not_given_up_for_a_server_without_it(
    odbc: Any, connect: Connect, server: Server
) -> None:
    assert diagnose(odbc, lambda: connect(Encryption="require")) == NO_CONNECTION
    assert server.record.logins == []


def test_without_a_word_on_encryption_a_server_that_declines_it_gets_the_password_in_the_clear(
    connect: Connect, server: Server
) -> None:
    connect()
    assert [login.password for login in server.record.logins] == ["secret"]


def test_several_result_sets_at_a_time_are_given_up_silently(
    odbc: Any, connect: Connect, server: Server
) -> None:
    connect(MARS_Connection="yes")
    assert server.record.count(What.LOGGED_IN) == 1


def test_the_driver_tells_what_it_talks_to(odbc: Any, connect: Connect) -> None:
    connection = connect()
    assert connection.getinfo(odbc.SQL_DBMS_NAME) == "Microsoft SQL Server"
    assert connection.getinfo(odbc.SQL_DBMS_VER) == "15.00.2000"
    assert connection.getinfo(odbc.SQL_DRIVER_NAME) == "libtdsodbc.so"
    assert connection.getinfo(odbc.SQL_IDENTIFIER_QUOTE_CHAR) == '"'
