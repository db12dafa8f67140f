"""The org did what it was asked, and the answer is lost on the way back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from adapters.sandbox.erp import Line as InvoiceLine
from tests.faults.salesforce.history import OURS
from tests.faults.salesforce.scene import REMEDY, Scene, fault, until

LOST = "response lost after accept"
_ITEMS = [InvoiceLine("PLAN-M", 2, Decimal("98.00"))]


def _billed(scene: Scene, count: int) -> None:
    """Invoices in the ERP, which are created in Salesforce."""
    customer = scene.customers[0].customer_id
    with scene.site.nobody_looking():
        for _ in range(count):
            scene.site.erp.create_invoice(customer, _ITEMS, invoice_date=date(2026, 3, 2))


def _cut(scene: Scene) -> None:
    until(lambda: scene.place.calls.lost > 0, "an answer being lost")


@fault("answer-to-an-update", LOST)
def update(scene: Scene) -> Iterator[None]:
    """An update is read back, never sent again."""
    scene.place.calls.cut("PATCH /services/data/v62.0/sobjects/Account/")
    for customer in scene.customers:
        scene.site.erp.change_payment_terms(customer.customer_id, "Z060")
        until(lambda c=customer: scene.crm.account(c.account)["Payment_Terms__c"] == "NET60", "terms")  # type: ignore[misc] # bound now
    _cut(scene)
    yield
    scene.place.calls.mend()


@fault("answer-to-a-collection", LOST, edits=False)
def collection(scene: Scene) -> Iterator[None]:
    """A whole collection of updates and creates: each record is looked up by itself."""
    scene.place.calls.cut("PATCH /services/data/v62.0/composite/sobjects", 2)
    with scene.site.nobody_looking():
        for customer in scene.customers:
            scene.site.erp.change_payment_terms(customer.customer_id, "Z060")
    _cut(scene)
    _billed(scene, 4)
    yield
    scene.place.calls.mend()


@fault("answer-to-a-create", LOST, edits=False)
def create(scene: Scene) -> Iterator[None]:
    """A create is repeated under its external id: one record in the end."""
    scene.place.calls.cut("PATCH /services/data/v62.0/sobjects/Invoice__c/Isthmus_Id__c/", 2)
    _billed(scene, 1)
    _cut(scene)
    yield
    scene.place.calls.mend()


@fault("every-answer-for-a-while", LOST, says=r"^salesforce .*(DOWN|DEGRADED|uncertain)", does=REMEDY)
def every(scene: Scene) -> Iterator[None]:
    """No answer comes back at all, to reads and writes alike, though all is done."""
    scene.place.calls.cut(" /services/data/", 100_000)
    _billed(scene, 3)
    yield
    scene.place.calls.mend()


@fault("answers-too-late", LOST)
def late(scene: Scene) -> Iterator[None]:
    """Answers come when nobody waits for them any more."""
    scene.arm("answer-late", client=OURS, method="PATCH", count=4, delay=4)
    _billed(scene, 2)
    scene.site.erp.change_payment_terms(scene.customers[1].customer_id, "Z060")
    yield
    scene.met("answer-late", 4)
