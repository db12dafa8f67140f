"""What hangs on the customers of a subscription business: people, products, prices, contracts, orders,
subscriptions, invoices and payments."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

Made = tuple[str, dict[str, Any]]

_COMPANIES = (("1000", "Isthmus Europe SE", "DE", "EUR"), ("2000", "Isthmus Americas Inc.", "US", "USD"))
_TAXES = (("A1", "DE", "19"), ("A2", "DE", "7"), ("V1", "FR", "20"), ("U0", "US", "0"), ("P1", "PL", "23"))
_PRODUCTS = (
    ("Fleet Portal", "Subscription", "monthly", "49.00", "each"),
    ("Fleet Portal Plus", "Subscription", "monthly", "89.00", "each"),
    ("Route Planner", "Subscription", "yearly", "1200.00", "each"),
    ("Telematics Data", "Usage", "monthly", "0.09", "GB"),
    ("Map Requests", "Usage", "monthly", "0.02", "each"),
    ("Gateway Box G2", "Hardware", "once", "349.00", "each"),
    ("Installation", "Service", "once", "180.00", "hour"),
    ("Premium Support", "Subscription", "yearly", "2400.00", "each"),
)
_FIRST = ("Anna", "José", "Łucja", "Oksana", "Νίκος", "Søren", "Chloé", "健太", "Maria", "Peter")
_LAST = (
    "Schäfer",
    "Núñez",
    "Wójcik",
    "Шевченко",
    "Παππάς",
    "Østergård",
    "Lefèvre",
    "佐藤",
    "O'Neill",
    "Braun",
)
_TITLES = ("Head of Logistics", "Accounts Payable", "Fleet Manager", "CFO")


@dataclass(frozen=True, slots=True)
class Goods:
    """What is sold: ids of the products with their prices and price book entries."""

    book: str
    company: str
    lines: tuple[tuple[str, str, Decimal], ...]


def companies() -> Iterator[Made]:
    """The legal entities and tax codes."""
    for code, name, country, currency in _COMPANIES:
        body = {"Company_Code__c": code, "Name": name, "Country__c": country, "Currency__c": currency}
        yield "Legal_Entity__c", body
    for code, country, rate in _TAXES:
        body = {"Code__c": code, "Name": f"{country} {rate} %", "Country__c": country, "Rate__c": rate}
        yield "Tax_Code__c", body


def products() -> Iterator[Made]:
    """The products."""
    for number, (name, family, period, _, unit) in enumerate(_PRODUCTS, 1):
        body = {"Name": name, "ProductCode": f"P-{number:03}", "Family": family, "IsActive": True}
        body |= {
            "Billing_Period__c": period,
            "QuantityUnitOfMeasure": unit,
            "StockKeepingUnit": f"SKU-{number:05}",
        }
        yield "Product2", body


def prices() -> list[Decimal]:
    """The list price of each product, in order."""
    return [Decimal(price) for _, _, _, price, _ in _PRODUCTS]


def people(rng: random.Random, account: str, number: int) -> Iterator[Made]:
    """One to three contacts of a customer."""
    for at in range(1, rng.randrange(2, 5)):
        first, last = rng.choice(_FIRST), rng.choice(_LAST)
        body = {"AccountId": account, "FirstName": first, "LastName": last, "Title": rng.choice(_TITLES)}
        body |= {"Email": f"person{number}.{at}@customer{number:06d}.example"}
        yield "Contact", body


def contract(rng: random.Random, account: str, today: date) -> Made:
    """The contract of a customer."""
    start = (today - timedelta(days=rng.randrange(30, 900))).isoformat()
    return "Contract", {
        "AccountId": account,
        "Status": "Activated",
        "StartDate": start,
        "ContractTerm": rng.choice((12, 24, 36)),
    }


def order(rng: random.Random, account: str, agreed: str, goods: Goods, today: date) -> Made:
    """An order under the contract."""
    day = (today - timedelta(days=rng.randrange(1, 300))).isoformat()
    return "Order", {
        "AccountId": account,
        "ContractId": agreed,
        "Pricebook2Id": goods.book,
        "EffectiveDate": day,
        "Status": "Activated",
        "Type": rng.choice(("New", "Renewal", "Change")),
        "PoNumber": f"PO{rng.randrange(10**6, 10**7)}",
        "Legal_Entity__c": goods.company,
    }


def order_lines(rng: random.Random, order_id: str, agreed: str, account: str, goods: Goods) -> Iterator[Made]:
    """Items of an order, each with the subscription that it began."""
    for product, entry, price in rng.sample(goods.lines, rng.randrange(1, 4)):
        quantity = rng.randrange(1, 60)
        yield (
            "OrderItem",
            {"OrderId": order_id, "PricebookEntryId": entry, "Quantity": quantity, "UnitPrice": price},
        )
        yield (
            "Subscription__c",
            {
                "Account__c": account,
                "Product__c": product,
                "Contract__c": agreed,
                "Quantity__c": quantity,
                "Unit_Price__c": price,
                "Status__c": rng.choice(("Active", "Active", "Suspended")),
                "Delivery_Window__c": "08:30:00.000Z",
            },
        )


def invoice(rng: random.Random, account: str, number: int, today: date) -> Made:
    """An invoice whose sums agree."""
    net = Decimal(rng.randrange(5_000, 900_000)).scaleb(-2)
    tax = (net * Decimal("0.19")).quantize(Decimal("0.01"))
    day = today - timedelta(days=rng.randrange(5, 200))
    return "Invoice__c", {
        "Name": f"9{number:07d}",
        "Invoice_Number__c": f"9{number:07d}",
        "Account__c": account,
        "Invoice_Date__c": day.isoformat(),
        "Due_Date__c": (day + timedelta(days=30)).isoformat(),
        "Currency__c": "EUR",
        "Net_Amount__c": net,
        "Tax_Amount__c": tax,
        "Gross_Amount__c": net + tax,
        "Status__c": "open",
    }


def payment(invoice_id: str, amount: object, today: date) -> Made:
    """The payment of an invoice."""
    return "Payment__c", {
        "Invoice__c": invoice_id,
        "Amount__c": amount,
        "Currency__c": "EUR",
        "Received_On__c": today.isoformat(),
    }
