"""Errors of the databases that the tests run: what each state or native number means, as measured."""

from __future__ import annotations

import pytest

from adapters.odbc.dialect import Fault
from adapters.odbc.dialects import MARIADB, POSTGRESQL, SQLITE

_POSTGRESQL = {
    Fault.BUSY: ("40001", "40P01", "55P03", "57014", "53100", "53200"),
    Fault.LOST: (
        *("08000", "08003", "08006", "08S01", "57P01", "57P02", "57P03", "57P04", "57P05"),
        *("53300", "25P02", "25P03", "25P04"),
    ),
    Fault.DUPLICATE: ("23505",),
    Fault.INVALID: ("22001", "22003", "22007", "22008", "22021", "22P02", "22P05", "23502"),
    Fault.BUSINESS: ("23503", "23514", "23P01", "P0001", "0A000"),
    Fault.SETUP: ("28000", "28P01", "3D000", "42501", "42703", "42P01"),
    Fault.UNKNOWN: ("XX000", "HY000"),
}
_MARIADB = {
    Fault.BUSY: (
        1205,
        1213,
        1020,
        1412,
        1969,
        1317,
        1637,
        1206,
        1040,
        1203,
        1226,
        1021,
        1114,
        1290,
        1792,
        1836,
    ),
    Fault.LOST: (2002, 2003, 2006, 2013, 2014, 2055, 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1615, 1927),
    Fault.DUPLICATE: (1062, 1022, 1586, 1859),
    Fault.INVALID: (1048, 1153, 1264, 1265, 1267, 1270, 1271, 1292, 1364, 1366, 1406, 1411, 1441, 1690, 2020),
    Fault.BUSINESS: (1216, 1217, 1451, 1452, 4025, 1644),
    Fault.SETUP: (
        1044,
        1045,
        1049,
        1054,
        1064,
        1142,
        1143,
        1146,
        1227,
        1298,
        1305,
        1370,
        1449,
        2005,
        2026,
        2059,
    ),
    Fault.UNKNOWN: (1105,),
}
_SQLITE = {
    Fault.BUSY: (5, 6, 13),
    Fault.LOST: (10,),
    Fault.INVALID: (18, 20),
    Fault.BUSINESS: (19,),
    Fault.SETUP: (1, 3, 8, 14, 26),
    Fault.UNKNOWN: (2,),
}


@pytest.mark.parametrize(
    ("state", "fault"), [(state, fault) for fault, states in _POSTGRESQL.items() for state in states]
)
def test_a_state_of_postgresql_has_its_meaning(state: str, fault: Fault) -> None:
    assert POSTGRESQL.classify(state, f"[{state}] ERROR: why it failed (1) (SQLExecDirectW)").fault is fault


@pytest.mark.parametrize(
    ("number", "fault"), [(number, fault) for fault, numbers in _MARIADB.items() for number in numbers]
)
def test_a_number_of_mariadb_has_its_meaning(number: int, fault: Fault) -> None:
    """Whatever its state: a lock time-out is a plain HY000."""
    message = f"[HY000] [ma-3.1.15][10.11.19-MariaDB]why it failed ({number}) (SQLExecDirectW)"
    assert MARIADB.classify("HY000", message).fault is fault


@pytest.mark.parametrize(
    ("number", "fault"), [(number, fault) for fault, numbers in _SQLITE.items() for number in numbers]
)
def test_a_number_of_sqlite_has_its_meaning(number: int, fault: Fault) -> None:
    """The driver gives every error the same state."""
    message = f"[HY000] [SQLite]why it failed ({number}) ({number}) (SQLExecDirectW)"
    assert SQLITE.classify("HY000", message).fault is fault


@pytest.mark.parametrize("number", [5013, 5014])
def test_a_connector_that_cannot_read_or_write_any_more_has_lost_its_connection(number: int) -> None:
    message = f"[HY000] [ma-3.1.15]Write error: Broken pipe ({number}) (SQLExecDirectW)"
    assert MARIADB.classify("HY000", message).fault is Fault.LOST


@pytest.mark.parametrize(
    "words",
    [
        'role "agent" is not permitted to log in',
        'password authentication failed for user "agent"',
        'no pg_hba.conf entry for host "10.0.0.1", user "agent", database "erp", no encryption',
        'permission denied for database "erp"',
    ],
)
def test_a_login_that_postgresql_refuses_needs_a_person(words: str) -> None:
    """The driver gives it the same state as a server that is away."""
    message = f"[08001] connection to server at 127.0.0.1, port 5432 failed: FATAL:  {words}\n (101) (SQL)"
    assert POSTGRESQL.classify("08001", message).fault is Fault.SETUP


def test_a_locked_account_of_mariadb_needs_a_person() -> None:
    message = "[HY000] [ma-3.1.15]Access denied, this account is locked (4151) (SQLDriverConnect)"
    assert MARIADB.classify("HY000", message).fault is Fault.SETUP
