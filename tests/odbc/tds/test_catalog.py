"""Tables as FreeTDS's catalogue functions tell of them."""

from __future__ import annotations

import pytest

from tests.odbc.tds.catalog import Table, describe
from tests.odbc.tds.conftest import Connect
from tests.odbc.tds.datatypes import (
    BIGINT,
    BIT,
    DATE,
    DATETIME,
    DATETIME2,
    DECIMAL,
    INT,
    NVARCHAR,
    NVARCHAR_MAX,
    ROWVERSION,
    VARBINARY,
    VARCHAR,
)
from tests.odbc.tds.script import Script
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

CUSTOMER = Table(
    "customer",
    [
        Column("customer_id", INT),
        Column("name", NVARCHAR(40)),
        Column("code", VARCHAR(10)),
        Column("credit_limit", DECIMAL(18, 4)),
        Column("points", BIGINT),
        Column("blocked", BIT),
        Column("born", DATE),
        Column("changed_at", DATETIME2(7)),
        Column("made_at", DATETIME),
        Column("notes", NVARCHAR_MAX),
        Column("seal", VARBINARY(20)),
        Column("version", ROWVERSION),
    ],
    primary_key=["customer_id"],
    unique=["code"],
)
ORDER = Table("customerXorder", [Column("order_id", INT)], primary_key=["order_id"], schema="sales")


@pytest.fixture(autouse=True)
def tables(script: Script) -> None:
    """A server with two tables."""
    describe(script, CUSTOMER, ORDER)


def test_types_newer_than_2005_are_told_as_nvarchar_and_max_types_as_long_ones(connect: Connect) -> None:
    cursor = connect().cursor()
    told = {row.column_name: row.type_name for row in cursor.columns(table="customer").fetchall()}
    assert told == {
        "customer_id": "int",
        "name": "nvarchar",
        "code": "varchar",
        "credit_limit": "decimal",
        "points": "bigint",
        "blocked": "bit",
        "born": "nvarchar",
        "changed_at": "nvarchar",
        "made_at": "datetime",
        "notes": "ntext",
        "seal": "varbinary",
        "version": "timestamp",
    }


def test_the_procedure_for_new_clients_tells_the_types_when_asked_by_name(connect: Connect) -> None:
    rows = connect().execute("{CALL sp_columns_100(?)}", "customer").fetchall()
    told = {row.COLUMN_NAME: row.TYPE_NAME for row in rows}
    assert [told[name] for name in ("born", "changed_at", "notes")] == ["date", "datetime2", "nvarchar"]


def test_sizes_and_scales_are_told(connect: Connect) -> None:
    rows = connect().cursor().columns(table="customer").fetchall()
    told = {row.column_name: (row.column_size, row.decimal_digits) for row in rows}
    assert (told["name"], told["credit_limit"], told["points"]) == ((40, None), (18, 4), (19, 0))


def test_an_underscore_in_a_name_stands_for_any_character(connect: Connect) -> None:
    found = connect().cursor().columns(table="customer_order").fetchall()
    assert [(row.table_schem, row.table_name) for row in found] == [("sales", "customerXorder")]


def test_a_schema_narrows_the_search(connect: Connect) -> None:
    cursor = connect().cursor()
    assert cursor.columns(table="customer", schema="sales").fetchall() == []
    assert [row.table_name for row in cursor.tables(schema="sales").fetchall()] == ["customerXorder"]


def test_a_table_that_is_not_there_has_no_columns(connect: Connect) -> None:
    assert connect().cursor().columns(table="nothing").fetchall() == []


def test_the_primary_key_is_told(connect: Connect, server: Server) -> None:
    found = connect().cursor().primaryKeys(table="customer").fetchall()
    assert [(row.column_name, row.key_seq) for row in found] == [("customer_id", 1)]
    assert server.record.asked[-1].sql == "sp_pkeys"


def test_unique_columns_are_told(connect: Connect) -> None:
    found = connect().cursor().statistics("customer", unique=True).fetchall()
    assert [(row.non_unique, row.column_name) for row in found] == [
        (None, None),
        (0, "customer_id"),
        (0, "code"),
    ]
