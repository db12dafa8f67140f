"""The same business, tampering and reading on PostgreSQL and MariaDB."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from adapters.odbc import Settings as OdbcSettings
from adapters.odbc import administer
from adapters.odbc.dialects import DIALECTS
from adapters.odbc.driver import find_driver
from adapters.sandbox.business import tamper
from adapters.sandbox.business.ledger import ErpDesk
from adapters.sandbox.erp import SampleErp
from adapters.sandbox.oracle import erp as reading
from adapters.sandbox.oracle.world import UnreachableError
from agent.core.objects import FieldSpec, ObjectSpec
from tests.mariadb import MariadbServer
from tests.postgres import PostgresServer

_CUSTOMER = ObjectSpec(name="customer", key="customer_id", fields=(FieldSpec("city"),))


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def connection(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of a server of this module's own."""
    dialect = DIALECTS[request.param]
    driver = find_driver(dialect)
    if driver is None:
        pytest.fail(f"no ODBC driver: apt-get install {dialect.driver.packages}")
    server = PostgresServer() if dialect.name == "postgresql" else MariadbServer()
    server.start()
    if dialect.name == "postgresql":
        yield server.connection(driver, "postgres")
    else:
        yield server.connection(driver, "test")
    server.stop()


@pytest.fixture
def erp(connection: str) -> Iterator[SampleErp]:
    """An ERP with three customers."""
    erp = SampleErp(connection, seed=3)
    erp.install()
    erp.seed_customers(3)
    yield erp
    erp.remove()
    erp.close()


@pytest.fixture
async def desk(erp: SampleErp, connection: str) -> AsyncIterator[ErpDesk]:
    """Its users."""
    desk = ErpDesk(connection)
    await desk.open()
    yield desk
    await desk.close()


async def test_users_edit_what_they_see_and_bill(erp: SampleErp, desk: ErpDesk, connection: str) -> None:
    first, *_ = await desk.customers()
    before = next(row["phone"] for row in erp.rows("customer") if row["number"] == first.number)
    assert await desk.change_phone(first, "+49 1") == before
    assert await desk.change_phone(first, "+49 2") == "+49 1"
    await desk.change(first, credit_limit=Decimal("12.5"), payment_terms="Z014")
    number = await desk.bill(first, random.Random(1))
    assert await desk.settle(random.Random(1), paid=True) == number
    assert await desk.settle(random.Random(1), paid=True) is None
    customers, invoices = reading.read(connection)
    held = next(row.fields for row in customers if row.number == first.number)
    assert (held["phone"], held["credit_limit"], held["payment_terms"]) == ("+49 2", "12.50", "NET14")
    assert held["order_block"] == "no"
    assert [(row.number, row.fields["status"], row.fields["customer"]) for row in invoices] == [
        (number, "paid", first.number)
    ]


async def test_tampering_is_not_seen_by_the_installed_capture(erp: SampleErp, connection: str) -> None:
    settings = OdbcSettings(connection=connection)
    administration = administer("erp", settings, (_CUSTOMER,), str)
    await administration.install()
    try:
        erp.change_customer(erp.customer_ids()[0], city="Bonn")
        number = tamper(erp)
        with erp.database.transaction() as database:
            told = database.rows("SELECT COUNT(*) FROM isthmus_journal")
        assert told[0][0] == 1
        customers, _ = reading.read(connection)
        assert [row.number for row in customers if row.fields["city"] == "Nirgendwo"] == [number]
    finally:
        await administration.remove()
        await administration.close()


def test_a_server_that_is_not_there_is_told_without_the_password(connection: str) -> None:
    with pytest.raises(UnreachableError) as told:
        reading.read(connection.replace("Port=", "Port=1") + "Pwd=hunter2;")
    assert "hunter2" not in str(told.value)
