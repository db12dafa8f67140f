"""Errors of databases that no test runs, by driver and native number: as measured, or as vendors document."""

from __future__ import annotations

import pytest

from adapters.odbc.dialect import Dialect, Fault
from adapters.odbc.dialects import DB2I, HANA, ORACLE, SQLSERVER

#: What FreeTDS tells of SQL Server's numbers, measured against a scripted server: (SQLSTATE, number, fault).
_FREETDS = [
    ("42000", 1205, "busy"),
    ("42000", 1222, "busy"),
    ("42000", 3960, "busy"),
    ("42000", 1204, "busy"),
    ("42000", 701, "busy"),
    ("42000", 40501, "busy"),
    ("42000", 10928, "busy"),
    ("42000", 49918, "busy"),
    ("42000", 3930, "busy"),
    ("42000", 3989, "busy"),
    ("HYT00", 0, "busy"),
    ("HY008", 0, "busy"),
    ("42000", 596, "lost"),
    ("42000", 64, "lost"),
    ("23000", 233, "lost"),
    ("42000", 10053, "lost"),
    ("42000", 10054, "lost"),
    ("42000", 10060, "lost"),
    ("01000", 20003, "lost"),
    ("01000", 20004, "lost"),
    ("01000", 20005, "lost"),
    ("08S01", 20006, "lost"),
    ("08S01", 20009, "lost"),
    ("01000", 20017, "lost"),
    ("01000", 20047, "lost"),
    ("08S01", 0, "lost"),
    ("08001", 0, "lost"),
    ("25000", 3902, "lost"),
    ("25000", 3903, "lost"),
    ("24000", 0, "lost"),
    ("23000", 2627, "duplicate"),
    ("23000", 2601, "duplicate"),
    ("23000", 515, "invalid"),
    ("22001", 8152, "invalid"),
    ("42000", 2628, "invalid"),
    ("HY019", 8115, "invalid"),
    ("22018", 245, "invalid"),
    ("23000", 547, "business"),
    ("42000", 50000, "business"),
    ("42000", 51000, "business"),
    ("42000", 3609, "business"),
    ("42S02", 208, "setup"),
    ("42S22", 207, "setup"),
    ("42000", 229, "setup"),
    ("42000", 102, "setup"),
    ("42000", 18456, "setup"),
    ("42000", 4060, "setup"),
    ("HY000", 0, "unknown"),
]
#: What Microsoft's driver tells of the same.
_MSODBCSQL = [
    ("40001", 1205, "busy"),
    ("42000", 1222, "busy"),
    ("42000", 3960, "busy"),
    ("HY000", 1204, "busy"),
    ("HY000", 40501, "busy"),
    ("HY000", 10928, "busy"),
    ("HYT00", 0, "busy"),
    ("HY000", 596, "lost"),
    ("08S01", 10054, "lost"),
    ("08S01", 64, "lost"),
    ("IMC06", 0, "lost"),
    ("42000", 2628, "invalid"),
    ("23000", 2627, "duplicate"),
    ("28000", 18456, "setup"),
]
_DB2I = [
    ("57033", -913, "busy"),
    ("40001", -911, "busy"),
    ("57011", -904, "busy"),
    ("08S01", -30081, "lost"),
    ("08001", 0, "lost"),
    ("23505", -803, "duplicate"),
    ("23502", -407, "invalid"),
    ("22001", -404, "invalid"),
    ("22003", -406, "invalid"),
    ("22007", -181, "invalid"),
    ("23503", -530, "business"),
    ("23504", -532, "business"),
    ("23513", -545, "business"),
    ("75001", -438, "business"),
    ("09000", -723, "business"),
    ("42704", -204, "setup"),
    ("42703", -206, "setup"),
    ("42501", -551, "setup"),
    ("55019", -7008, "setup"),
    ("42601", -104, "setup"),
    ("28000", 0, "setup"),
    ("58004", -901, "unknown"),
]
_ORACLE = [
    ("HY000", 54, "busy"),
    ("40001", 60, "busy"),
    ("HY000", 8177, "busy"),
    ("HY000", 30006, "busy"),
    ("HY000", 1013, "busy"),
    ("HY000", 1653, "busy"),
    ("HY000", 1555, "busy"),
    ("08003", 28, "lost"),
    ("08003", 1012, "lost"),
    ("HY000", 1033, "lost"),
    ("HY000", 1034, "lost"),
    ("HY000", 1089, "lost"),
    ("08S01", 3113, "lost"),
    ("08S01", 3114, "lost"),
    ("08S01", 3135, "lost"),
    ("08001", 12170, "lost"),
    ("08001", 12541, "lost"),
    ("23000", 1, "duplicate"),
    ("23000", 1400, "invalid"),
    ("23000", 1407, "invalid"),
    ("HY000", 12899, "invalid"),
    ("22003", 1438, "invalid"),
    ("HY000", 1722, "invalid"),
    ("22008", 1861, "invalid"),
    ("23000", 2290, "business"),
    ("23000", 2291, "business"),
    ("23000", 2292, "business"),
    ("HY000", 20000, "business"),
    ("HY000", 20999, "business"),
    ("42S02", 942, "setup"),
    ("42S22", 904, "setup"),
    ("42000", 1031, "setup"),
    ("28000", 1017, "setup"),
    ("HY000", 28000, "setup"),
    ("HY000", 600, "unknown"),
]
_HANA = [
    ("HY000", 131, "busy"),
    ("40001", 133, "busy"),
    ("HY000", 138, "busy"),
    ("HY000", 146, "busy"),
    ("HY000", 4, "busy"),
    ("08S01", -10807, "lost"),
    ("08S01", -10806, "lost"),
    ("08001", -10709, "lost"),
    ("23000", 301, "duplicate"),
    ("23000", 287, "invalid"),
    ("22001", 274, "invalid"),
    ("22003", 314, "invalid"),
    ("22018", 339, "invalid"),
    ("23000", 461, "business"),
    ("23000", 462, "business"),
    ("HY000", 10001, "business"),
    ("HY000", 19999, "business"),
    ("28000", 10, "setup"),
    ("42000", 258, "setup"),
    ("42S02", 259, "setup"),
    ("42S22", 260, "setup"),
    ("HY000", 2, "unknown"),
]
_ALL = [
    (driver, dialect, *told)
    for driver, dialect, table in (
        ("FreeTDS", SQLSERVER, _FREETDS),
        ("Microsoft", SQLSERVER, _MSODBCSQL),
        ("IBM", DB2I, _DB2I),
        ("Oracle", ORACLE, _ORACLE),
        ("SAP", HANA, _HANA),
    )
    for told in table
]


@pytest.mark.parametrize(
    ("driver", "dialect", "state", "number", "fault"),
    _ALL,
    ids=[f"{driver}-{state}-{number}" for driver, _, state, number, _ in _ALL],
)
def test_a_number_has_its_meaning(driver: str, dialect: Dialect, state: str, number: int, fault: str) -> None:
    native = f" ({number})" if number else ""
    verdict = dialect.classify(state, f"[{state}] [{driver}][Server]why it failed{native} (SQLExecDirectW)")
    assert verdict.fault is Fault(fault)
    assert verdict.code == (str(number) if number else state)


@pytest.mark.parametrize(
    ("dialect", "said", "told"),
    [
        (
            SQLSERVER,
            "Violation of UNIQUE KEY constraint 'u'. Cannot insert duplicate key in object 'dbo.c'. The"
            " duplicate key value is (Eve). (2627)",
            "Violation of UNIQUE KEY constraint 'u'. Cannot insert duplicate key in object 'dbo.c'",
        ),
        (
            SQLSERVER,
            "Data would be truncated in table 'c', column 'n'. Truncated value: 'Eve'. (2628)",
            "Data would be truncated in table 'c', column 'n'.",
        ),
        (
            SQLSERVER,
            "Conversion failed when converting the nvarchar value 'Eve' to data type int. (245)",
            "Conversion failed when converting the nvarchar value to data type int.",
        ),
        (
            SQLSERVER,
            "Arithmetic overflow error for data type tinyint, value = 300. (220)",
            "Arithmetic overflow error for data type tinyint",
        ),
        (
            ORACLE,
            "ORA-20001: the customer is blocked\nORA-06512: at ERP.T, line 4 (20001)",
            "the customer is blocked",
        ),
        (HANA, "unique constraint violated: Table(C), Index(X) Eve (301)", "unique constraint violated"),
    ],
)
def test_an_errors_text_holds_no_row_values_and_no_second_lines(
    dialect: Dialect, said: str, told: str
) -> None:
    assert dialect.classify("23000", f"[23000] [Driver][Server]{said} (SQLExecDirectW)").text == told
