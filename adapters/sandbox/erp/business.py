"""What users of the sample ERP do: each call is one transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.sandbox.erp.database import Database
from adapters.sandbox.erp.schema import TABLES, create_script, drop_script

_CENT = Decimal("0.01")
_LAST_KEY = {"sqlite": "last_insert_rowid()", "postgresql": "lastval()", "mariadb": "last_insert_id()"}
_TEXT = {"sqlite": "TEXT", "postgresql": "TEXT", "mariadb": "CHAR"}
_TERM_DAYS = {"Z014": 14, "Z030": 30, "Z045": 45, "Z060": 60}
_CUSTOMER_COLUMNS = frozenset(
    {
        "number",
        "name",
        "street",
        "city",
        "postal_code",
        "country",
        "phone",
        "credit_limit",
        "payment_terms",
        "order_block",
        "external_ref",
    }
)


class Refusal(Exception):
    """The ERP said no: a rule, or no such record."""


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice line; ``amount`` is the line's net total."""

    product: str
    quantity: int
    amount: Decimal


class Business:
    """The ERP's programs on one connection."""

    def __init__(self, connection: str) -> None:
        self.database = Database(connection)

    def installed(self) -> bool:
        """Whether the ERP's tables are there."""
        with self.database.transaction() as database:
            try:
                database.rows("SELECT 1 FROM number_range WHERE name = 'invoice'")
            except database.error:
                return False
        return True

    def install(self) -> None:
        """Create tables and rules. On SQLite readers and writers get out of each other's way (WAL)."""
        if self.database.kind == "sqlite":
            self.database.pragma("PRAGMA journal_mode = WAL")
        with self.database.transaction() as database:
            for statement in create_script(database.kind):
                database.run(statement)

    def remove(self) -> None:
        """Drop everything of the ERP."""
        with self.database.transaction() as database:
            for statement in drop_script(database.kind):
                database.run(statement)

    def create_customer(self, name: str, **columns: str | Decimal | None) -> int:
        """A new customer; returns the number that the ERP assigned."""
        values = self._customer_values({"name": name, **columns})
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._refusing() as database:
            database.run(f"INSERT INTO customer ({names}) VALUES ({marks})", *values.values())  # noqa: S608
            return int(database.rows(f"SELECT {_LAST_KEY[database.kind]}")[0][0])

    def change_customer(self, customer_id: int, **columns: str | Decimal | None) -> None:
        """Set columns of a customer and its time of change. Raises Refusal."""
        values = self._customer_values(columns)
        setters = "".join(f"{name} = ?, " for name in values)
        with self._refusing() as database:
            touched = database.run(
                f"UPDATE customer SET {setters}changed_at = CURRENT_TIMESTAMP WHERE customer_id = ?",  # noqa: S608
                *values.values(),
                customer_id,
            )
            if touched != 1:
                raise Refusal(f"no customer {customer_id}")

    def change_credit_limit(self, customer_id: int, limit: Decimal) -> None:
        """Set the credit limit, in the ledger's currency."""
        self.change_customer(customer_id, credit_limit=limit)

    def change_payment_terms(self, customer_id: int, terms: str) -> None:
        """Set the payment terms (Z014, Z030, Z045, Z060)."""
        self.change_customer(customer_id, payment_terms=terms)

    def change_phone(self, customer_id: int, phone: str | None) -> None:
        """Set the phone number."""
        self.change_customer(customer_id, phone=phone)

    def delete_customer(self, customer_id: int) -> None:
        """Delete a customer without invoices. Raises Refusal."""
        with self._refusing() as database:
            if database.run("DELETE FROM customer WHERE customer_id = ?", customer_id) != 1:
                raise Refusal(f"no customer {customer_id}")

    def create_invoice(
        self,
        customer_id: int,
        lines: Sequence[Line],
        *,
        invoice_date: date,
        currency: str = "EUR",
        tax_percent: Decimal = Decimal(19),
    ) -> str:
        """Bill a customer; due by the customer's terms. Returns the invoice number. Raises Refusal."""
        net = sum((line.amount for line in lines), Decimal(0)).quantize(_CENT)
        tax = (net * tax_percent / 100).quantize(_CENT)
        day, money = self._cast("DATE"), self._cast("NUMERIC")
        with self._refusing() as database:
            # the number range first: it locks, so that numbers have no holes
            database.run("UPDATE number_range SET last = last + 1 WHERE name = 'invoice'")
            number = str(database.rows("SELECT last FROM number_range WHERE name = 'invoice'")[0][0])
            found = database.rows("SELECT payment_terms FROM customer WHERE customer_id = ?", customer_id)
            if not found:
                raise Refusal(f"no customer {customer_id}")
            due = invoice_date + timedelta(days=_TERM_DAYS[str(found[0][0])])
            database.run(
                f"INSERT INTO invoice ({', '.join(_NEW_INVOICE)})"  # noqa: S608
                f" VALUES (?, ?, {day}, {day}, ?, {money}, {money}, {money})",
                number,
                customer_id,
                invoice_date.isoformat(),
                due.isoformat(),
                currency,
                str(net),
                str(tax),
                str(net + tax),
            )
            for position, line in enumerate(lines, start=1):
                database.run(
                    f"INSERT INTO invoice_line ({', '.join(_COLUMNS['invoice_line'])})"  # noqa: S608
                    f" VALUES (?, ?, ?, ?, {money})",
                    number,
                    position,
                    line.product,
                    line.quantity,
                    str(line.amount.quantize(_CENT)),
                )
            return number

    def pay(self, invoice_no: str, at: datetime) -> None:
        """An open invoice was paid. Raises Refusal when it is not open."""
        moment = at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
        self._close_invoice(invoice_no, "P", moment)

    def cancel(self, invoice_no: str) -> None:
        """An open invoice is cancelled. Raises Refusal when it is not open."""
        self._close_invoice(invoice_no, "C", None)

    def _close_invoice(self, invoice_no: str, status: str, moment: str | None) -> None:
        with self._refusing() as database:
            touched = database.run(
                f"UPDATE invoice SET status = ?, paid_at = {self._cast('TIMESTAMP')}"  # noqa: S608
                " WHERE invoice_no = ? AND status = 'O'",
                status,
                moment,
                invoice_no,
            )
            if touched != 1:
                raise Refusal(f"invoice {invoice_no} is not open")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of one of the ERP's tables as text, in key order."""
        if table not in TABLES:
            raise Refusal(f"no table {table}")
        columns = _COLUMNS[table]
        chosen = ", ".join(f"CAST({column} AS {_TEXT[self.database.kind]})" for column in columns)
        with self.database.transaction() as database:
            found = database.rows(f"SELECT {chosen} FROM {table} ORDER BY 1, 2")  # noqa: S608
        return [dict(zip(columns, row, strict=True)) for row in found]

    def open_invoices(self) -> list[str]:
        """Numbers of invoices that are neither paid nor cancelled."""
        return [row["invoice_no"] for row in self.rows("invoice") if row["status"] == "O"]

    def customer_ids(self) -> list[int]:
        """Customers, oldest first."""
        return sorted(int(row["customer_id"]) for row in self.rows("customer"))

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    @contextmanager
    def _refusing(self) -> Iterator[Database]:
        """A transaction in which a rule or constraint of the ERP becomes a Refusal."""
        try:
            with self.database.transaction() as database:
                yield database
        except self.database.error as error:
            state, text = str(error.args[0]), str(error.args[-1])
            if state[:2] in {"22", "23", "P0", "45"} or "(19)" in text:
                raise Refusal(text.splitlines()[0]) from error
            raise

    def _customer_values(
        self, columns: Mapping[str, str | Decimal | None]
    ) -> dict[str, str | Decimal | None]:
        unknown = sorted(set(columns) - _CUSTOMER_COLUMNS)
        if unknown:
            raise Refusal(f"a customer has no {', '.join(unknown)}")
        values = dict(columns)
        limit = values.get("credit_limit")
        if limit is not None:
            fitted = Decimal(limit).quantize(_CENT)
            values["credit_limit"] = str(fitted) if self.database.kind == "sqlite" else fitted
        return values

    def _cast(self, type_name: str) -> str:
        return f"CAST(? AS {type_name})" if self.database.kind == "postgresql" else "?"


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "customer": (
        "customer_id",
        "number",
        "name",
        "street",
        "city",
        "postal_code",
        "country",
        "phone",
        "credit_limit",
        "payment_terms",
        "order_block",
        "external_ref",
    ),
    "invoice": (
        "invoice_no",
        "customer_id",
        "invoice_date",
        "due_date",
        "currency",
        "net_amount",
        "tax_amount",
        "gross_amount",
        "status",
        "paid_at",
    ),
    "invoice_line": ("invoice_no", "line_no", "product", "quantity", "amount"),
    "number_range": ("name", "last"),
}
_NEW_INVOICE = _COLUMNS["invoice"][:8]
