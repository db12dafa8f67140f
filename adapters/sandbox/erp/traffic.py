"""Users of the sample ERP at work: a seeded stream of business actions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from adapters.sandbox.erp.business import Business, Line, Refusal

_NAMES = ("Adler", "Birke", "Cedar", "Dorn", "Eiche", "Falke", "Ginster", "Hafen", "Iris", "Jade", "Kranich")
_FORMS = ("GmbH", "AG", "Ltd", "SARL", "BV")
_CITIES = (
    ("Berlin", "10115", "DE"),
    ("Wien", "1010", "AT"),
    ("Zürich", "8001", "CH"),
    ("Lyon", "69001", "FR"),
)
_PRODUCTS = (("PLAN-S", "19.90"), ("PLAN-M", "49.00"), ("PLAN-L", "129.50"), ("USAGE-GB", "0.12"))
_TERMS = ("Z014", "Z030", "Z045", "Z060")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a user did: what, on which record, and whether the ERP refused it."""

    action: str
    key: str = ""
    refused: str = ""

    def as_dict(self) -> dict[str, str]:
        """For printing; empty parts are left out."""
        return {name: value for name, value in asdict(self).items() if value}


class SampleErp(Business):
    """The ERP and its users. The same seed, clock and database give the same actions.

    ``weights`` gives how often each action happens; actions that find nothing to act on do nothing.
    """

    weights: tuple[tuple[str, int], ...] = (
        ("invoice", 30),
        ("pay", 20),
        ("cancel", 2),
        ("credit_limit", 16),
        ("payment_terms", 10),
        ("phone", 14),
    )

    def __init__(
        self, connection: str, *, seed: int = 0, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(connection)
        self._random = random.Random(seed)
        self._clock = clock

    def seed_customers(self, count: int, *, first: int = 1) -> list[int]:
        """Customers with numbers C-000001 onwards; returns their keys."""
        return [self.create_customer(**self.customer(first + index)) for index in range(count)]

    def customer(self, number: int) -> dict[str, str]:
        """Plausible columns of the customer with this number, without the credit columns."""
        choose = self._random.choice
        city, postal_code, country = choose(_CITIES)
        return {
            "number": f"C-{number:06d}",
            "name": f"{choose(_NAMES)} {choose(_NAMES)} {choose(_FORMS)} {number}",
            "street": f"Hauptstraße {self._random.randint(1, 200)}",
            "city": city,
            "postal_code": postal_code,
            "country": country,
            "phone": self._phone(),
        }

    def step(self) -> Action:
        """One action of some user. A refusal by the ERP is part of its result, not an error."""
        names, weights = zip(*self.weights, strict=True)
        name = self._random.choices(names, weights)[0]
        try:
            match name:
                case "invoice":
                    return self._bill()
                case "pay" | "cancel":
                    return self._settle(name)
                case _:
                    return self._change(name)
        except Refusal as refusal:
            return Action(name, refused=str(refusal))

    def _bill(self) -> Action:
        customers = self.customer_ids()
        if not customers:
            return Action("idle")
        lines = []
        for _ in range(self._random.randint(1, 4)):
            product, price = self._random.choice(_PRODUCTS)
            quantity = self._random.randint(1, 20)
            lines.append(Line(product, quantity, Decimal(price) * quantity))
        today: date = self._clock().date()
        return Action(
            "invoice", self.create_invoice(self._random.choice(customers), lines, invoice_date=today)
        )

    def _settle(self, name: str) -> Action:
        invoices = self.open_invoices()
        if not invoices:
            return Action("idle")
        invoice = self._random.choice(invoices)
        if name == "pay":
            self.pay(invoice, self._clock())
        else:
            self.cancel(invoice)
        return Action(name, invoice)

    def _change(self, name: str) -> Action:
        customers = self.customer_ids()
        if not customers:
            return Action("idle")
        customer = self._random.choice(customers)
        if name == "credit_limit":
            self.change_credit_limit(customer, Decimal(self._random.randint(1, 500) * 100))
        elif name == "payment_terms":
            self.change_payment_terms(customer, self._random.choice(_TERMS))
        else:
            self.change_phone(customer, self._phone())
        return Action(name, str(customer))

    def _phone(self) -> str:
        return f"+49 30 {self._random.randint(100000, 9999999)}"
