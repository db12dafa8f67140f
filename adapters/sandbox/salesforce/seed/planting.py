"""Puts the data into the org before anybody calls, as an import of long ago."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from adapters.sandbox.salesforce.org.actor import page_actor
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.seed import business
from adapters.sandbox.salesforce.seed.business import Goods, Made
from adapters.sandbox.salesforce.seed.customers import account

BATCH = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How much there is at the start, how old it is (hours), and whether the customers have any business.

    What is older than the events are kept has left no event and no line in the log.
    """

    accounts: int = 0
    business: bool = False
    hours: float = 1.0


def plant(org: Org, plan: Plan, seed: int) -> None:
    """Creates the data in transactions of 200, then lets the clock come back to the present."""
    rng = random.Random(seed)
    forgotten = plan.hours * 3600 > org.stream.retention.total_seconds()
    org.clock.advance(-plan.hours * 3600)
    org.publisher.quiet = org.journal.quiet = forgotten
    try:
        ids = _create(org, (("Account", account(rng, n)) for n in range(1, plan.accounts + 1)))
        if plan.business:
            _do_business(org, random.Random(f"business {seed}"), ids)
    finally:
        org.publisher.quiet = org.journal.quiet = False
        org.clock.advance(plan.hours * 3600)


def _create(org: Org, rows: Iterable[Made]) -> list[str]:
    """The ids of the new records, in order."""
    ids: list[str] = []
    waiting = iter(rows)
    actor = page_actor(org.staff.sales)
    while batch := list(islice(waiting, BATCH)):
        with org.transaction(actor) as transaction:
            ids += [transaction.create(name, body).id for name, body in batch]
    return ids


def _do_business(org: Org, rng: random.Random, accounts: list[str]) -> None:
    goods = _goods(org)
    today = org.clock.now().date()
    people = (each for n, one in enumerate(accounts, 1) for each in business.people(rng, one, n))
    _create(org, people)
    contracts = _create(org, (business.contract(rng, one, today) for one in accounts))
    pairs = list(zip(accounts, contracts, strict=True))
    orders = _create(org, (business.order(rng, one, agreed, goods, today) for one, agreed in pairs))

    def lines() -> Iterator[Made]:
        for (one, agreed), order in zip(pairs, orders, strict=True):
            yield from business.order_lines(rng, order, agreed, one, goods)

    _create(org, lines())
    bills = [business.invoice(rng, one, number, today) for number, one in enumerate(accounts * 2, 1)]
    paid = list(zip(_create(org, bills), bills, strict=True))[::3]
    _create(org, (business.payment(each, body["Gross_Amount__c"], today) for each, (_, body) in paid))


def _goods(org: Org) -> Goods:
    company, *_ = _create(org, business.companies())
    products = _create(org, business.products())
    [book] = _create(org, [("Pricebook2", {"Name": "Standard", "IsActive": True})])
    priced = list(zip(products, business.prices(), strict=True))
    entries = _create(
        org,
        (
            (
                "PricebookEntry",
                {"Pricebook2Id": book, "Product2Id": each, "UnitPrice": price, "IsActive": True},
            )
            for each, price in priced
        ),
    )
    return Goods(book, company, tuple((p, e, price) for (p, price), e in zip(priced, entries, strict=True)))
