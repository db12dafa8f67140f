"""The sample ERP keeps its own rules, and the same seed gives the same business."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.odbc.dialects import DIALECTS
from adapters.odbc.driver import find_driver, load_driver_manager
from adapters.sandbox.erp import Line, Refusal, SampleErp
from tests.mariadb import MariadbServer
from tests.postgres import PostgresServer

_NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
_DAY = date(2026, 1, 31)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this module's own."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariadbServer]:
    """A MariaDB server of this module's own."""
    server = MariadbServer()
    server.start()
    yield server
    server.stop()


Connections = Callable[[], str]
_FIRST = {"postgresql": "postgres", "mariadb": "mysql"}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def connections(request: pytest.FixtureRequest, tmp_path: Path) -> Connections:
    """Makes connection strings to new, empty databases."""
    dialect = DIALECTS[request.param]
    driver = find_driver(dialect)
    if driver is None:
        pytest.fail(f"no ODBC driver: apt-get install libodbc2 {dialect.driver.packages}")
    made = iter(range(100))
    if dialect.name == "sqlite":
        return lambda: f"Driver={driver};Database={tmp_path / f'erp{next(made)}.db'};"
    fixture = "postgres" if dialect.name == "postgresql" else dialect.name
    server: PostgresServer | MariadbServer = request.getfixturevalue(fixture)
    odbc = load_driver_manager(dialect, where="tests")

    def create() -> str:
        name = f"t{tmp_path.name.replace('-', '_')}_{next(made)}".lower()[-60:]
        connection = odbc.connect(server.connection(driver, _FIRST[dialect.name]), autocommit=True)
        connection.execute(f"CREATE DATABASE {dialect.quote(name)}")
        connection.close()
        return server.connection(driver, name)

    return create


@pytest.fixture
def erp(connections: Connections) -> Iterator[SampleErp]:
    """An installed ERP without data."""
    erp = SampleErp(connections(), seed=7, clock=lambda: _NOW)
    erp.install()
    yield erp
    erp.close()


def test_an_invoice_sums_its_lines_and_is_due_by_the_customers_terms(erp: SampleErp) -> None:
    customer = erp.create_customer("Adler", number="C-000001", payment_terms="Z014")
    lines = [Line("PLAN-S", 3, Decimal("59.70")), Line("USAGE-GB", 7, Decimal("0.84"))]
    number = erp.create_invoice(customer, lines, invoice_date=_DAY)
    (invoice,) = erp.rows("invoice")
    assert number == invoice["invoice_no"] == "90000001"
    amounts = {name: Decimal(invoice[name]) for name in ("net_amount", "tax_amount", "gross_amount")}
    assert amounts == {
        "net_amount": Decimal("60.54"),
        "tax_amount": Decimal("11.50"),
        "gross_amount": Decimal("72.04"),
    }
    assert (invoice["invoice_date"], invoice["due_date"]) == ("2026-01-31", "2026-02-14")
    assert (invoice["status"], invoice["paid_at"]) == ("O", None)
    found = erp.rows("invoice_line")
    assert sum(Decimal(line["amount"]) for line in found) == amounts["net_amount"]


def test_only_an_open_invoice_can_be_paid_or_cancelled(erp: SampleErp) -> None:
    customer = erp.create_customer("Adler")
    line = Line("PLAN-S", 1, Decimal("19.90"))
    paid, cancelled = (erp.create_invoice(customer, [line], invoice_date=_DAY) for _ in range(2))
    erp.pay(paid, _NOW)
    erp.cancel(cancelled)
    for number in (paid, cancelled, "99999999"):
        with pytest.raises(Refusal, match="not open"):
            erp.pay(number, _NOW)
    states = {row["invoice_no"]: (row["status"], row["paid_at"]) for row in erp.rows("invoice")}
    assert states == {paid: ("P", "2026-01-31 12:00:00"), cancelled: ("C", None)}
    assert erp.open_invoices() == []


@pytest.mark.parametrize(
    "columns",
    [
        {"name": "!"},
        {"name": "A", "payment_terms": "Z999"},
        {"name": "A", "order_block": "Y"},
        {"name": "A", "credit_limit": Decimal(-1)},
        {"name": "A", "no_such_column": "x"},
    ],
)
def test_rules_refuse_a_customer_and_leave_nothing(
    erp: SampleErp, columns: dict[str, str | Decimal | None]
) -> None:
    with pytest.raises(Refusal):
        erp.create_customer(**columns)  # type: ignore[arg-type]  # the refusal is what is tested
    assert erp.rows("customer") == []


def test_a_customer_number_is_unique(erp: SampleErp) -> None:
    erp.create_customer("Adler", number="C-000001")
    with pytest.raises(Refusal):
        erp.create_customer("Birke", number="C-000001")


def test_a_blocked_customer_gets_no_invoice_and_the_number_is_not_used_up(erp: SampleErp) -> None:
    customer = erp.create_customer("Adler", order_block="X")
    line = Line("PLAN-S", 1, Decimal("19.90"))
    with pytest.raises(Refusal, match="blocked for orders"):
        erp.create_invoice(customer, [line], invoice_date=_DAY)
    erp.change_customer(customer, order_block="")
    assert erp.create_invoice(customer, [line], invoice_date=_DAY) == "90000001"


def test_a_customer_with_invoices_cannot_be_deleted(erp: SampleErp) -> None:
    customer, other = erp.create_customer("Adler"), erp.create_customer("Birke")
    erp.create_invoice(customer, [Line("PLAN-S", 1, Decimal("19.90"))], invoice_date=_DAY)
    with pytest.raises(Refusal):
        erp.delete_customer(customer)
    erp.delete_customer(other)
    assert erp.customer_ids() == [customer]


def test_users_change_terms_limits_and_phones(erp: SampleErp) -> None:
    customer = erp.create_customer("Adler")
    erp.change_credit_limit(customer, Decimal("12345678901.5"))
    erp.change_payment_terms(customer, "Z060")
    erp.change_phone(customer, None)
    (row,) = erp.rows("customer")
    assert (Decimal(row["credit_limit"]), row["payment_terms"], row["phone"]) == (
        Decimal("12345678901.50"),
        "Z060",
        None,
    )
    with pytest.raises(Refusal, match="no customer 999"):
        erp.change_phone(999, "1")


def test_the_same_seed_gives_the_same_business(connections: Connections) -> None:
    outcomes = []
    for _ in range(2):
        erp = SampleErp(connections(), seed=42, clock=lambda: _NOW)
        erp.install()
        erp.seed_customers(3)
        actions = [erp.step() for _ in range(40)]
        outcomes.append((actions, erp.rows("customer"), erp.rows("invoice"), erp.rows("invoice_line")))
        erp.close()
    assert outcomes[0] == outcomes[1]
    assert {action.action for action in outcomes[0][0]} > {"invoice", "pay", "phone"}


def test_users_without_customers_idle(erp: SampleErp) -> None:
    assert {erp.step().action for _ in range(10)} == {"idle"}


def test_the_command_installs_and_drives_and_tells_each_action_as_json(connections: Connections) -> None:
    command = [sys.executable, "-m", "adapters.sandbox.erp", "--connection", connections()]
    root = Path(__file__).parents[3]
    bare = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert bare.returncode == 2 and "--install" in bare.stderr
    options = ["--install", "--customers", "2", "--steps", "5", "--seed", "1"]
    done = subprocess.run([*command, *options], cwd=root, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["action"] for line in lines[:3]] == ["install", "customer", "customer"]
    assert len(lines) == 8
    again = subprocess.run([*command, *options], cwd=root, capture_output=True, text=True, check=True)
    assert "install" not in {json.loads(line)["action"] for line in again.stdout.splitlines()}


def test_an_unknown_database_is_wrong_use() -> None:
    command = [sys.executable, "-m", "adapters.sandbox.erp", "--connection", "DSN=x"]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "SQLite, PostgreSQL and MariaDB" in done.stderr


def test_the_erp_knows_nothing_of_an_agent(erp: SampleErp) -> None:
    erp.remove()
    assert not erp.installed()
    erp.install()
    assert erp.installed()
