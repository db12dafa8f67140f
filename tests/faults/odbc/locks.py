"""Other people's locks: deadlocks, long transactions, a table that is somebody's for minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from adapters.sandbox.erp import Line
from tests.faults.odbc.scene import Scene, fault, holds, until

LOCKS = "deadlock, lock time-out"
TABLE = "table locked for hours"
TRIES = 8


@fault("deadlock", LOCKS, settings={"lock_timeout_s": 5.0})
def deadlock(scene: Scene) -> Iterator[None]:
    """Somebody locks the same customers in the opposite order, and the agent is the victim."""
    if scene.postgresql:  # whoever waits shorter looks for a deadlock first
        heavy = []
    else:  # whoever has changed more goes on
        scene.server.run(["CREATE TABLE heavy (id INTEGER PRIMARY KEY) ENGINE = InnoDB"])
        heavy = ["INSERT INTO heavy SELECT seq FROM seq_1_to_500"]
    before = scene.server.deadlocks()
    first, *_, last = sorted(customer.customer_id for customer in scene.customers)
    for turn in range(TRIES):
        clerk = scene.server.user()
        for statement in ["SET deadlock_timeout = '60s'"] if scene.postgresql else heavy:
            clerk.execute(statement)
        clerk.execute("SELECT name FROM customer WHERE customer_id = ? FOR UPDATE", last).fetchall()
        scene.together(BillingStreet=f"Querweg {turn}")
        until(lambda: scene.server.waiting() > 0, "the agent waiting for the last row")
        clerk.execute("UPDATE customer SET credit_limit = ? WHERE customer_id = ?", f"{1000 + turn}", first)
        if scene.postgresql:
            clerk.commit()
        else:
            clerk.rollback()
        if scene.server.deadlocks() > before:
            break
    scene.struck(scene.server.deadlocks() - before, "deadlocks of which the agent was the victim")
    yield


@fault("row-locked", LOCKS, says=r"^erp .*(DEGRADED|tried again)", does=r"tried again|uncertain")
def row_locked(scene: Scene) -> Iterator[None]:
    """Somebody keeps a customer locked; the agent waits a little, and goes on with the others."""
    mine, other = scene.customers[:2]
    clerk = scene.server.user()
    clerk.execute("SELECT name FROM customer WHERE customer_id = ? FOR UPDATE", mine.customer_id).fetchall()
    scene.edit(mine, BillingStreet="Am Schloss 1")
    waits = 0
    for turn in range(3):
        until(lambda: scene.server.waiting() > 0, "the agent waiting for the row")
        waits += 1
        scene.edit(other, BillingStreet=f"Nebenan {turn}")
        until(lambda street=f"Nebenan {turn}": scene.street(other) == street, "another customer's street")  # type: ignore[misc] # bound now
    scene.struck(waits, "waits for the lock")
    yield
    holds(scene.street(mine) != "Am Schloss 1", "the lock did not hold")
    clerk.rollback()


@fault(
    "table-locked",
    TABLE,
    says=r"^erp .*(DOWN|DEGRADED|tried again)",
    does=r"tried again|uncertain",
    others=False,
)
def table_locked(scene: Scene) -> Iterator[None]:
    """A batch run keeps the whole table of customers; invoices and the other systems go on."""
    open_ = _invoice(scene)
    clerk = scene.server.user()
    clerk.execute(
        "LOCK TABLE customer IN ACCESS EXCLUSIVE MODE"
        if scene.postgresql
        else "UPDATE customer SET changed_at = CURRENT_TIMESTAMP"  # a lock for all of it stops invoices, too
    )
    began = time.monotonic()
    scene.edit(scene.customers[0], BillingStreet="Langes Band 1")
    until(lambda: scene.server.waiting() > 0, "the agent waiting for the table")
    yield
    scene.server.sql("UPDATE invoice SET status = 'P' WHERE invoice_no = ?", open_)
    until(lambda: (scene.site.invoice(open_) or {}).get("Status__c") == "paid", "a payment in Salesforce")
    until(
        lambda: scene.site.sap.customers(scene.customers[0].number)[0]["stras"] == "Langes Band 1",
        "the street in SAP",
    )
    scene.struck(int(time.monotonic() - began), "seconds for which the table was locked")
    clerk.rollback()


def _invoice(scene: Scene) -> str:
    """The number of an open invoice that is in Salesforce."""
    number = scene.site.erp.create_invoice(
        scene.customers[1].customer_id,
        [Line("PLAN-M", 1, Decimal("98.00"))],
        invoice_date=date(2026, 3, 2),
    )
    until(lambda: scene.site.invoice(number), "the invoice in Salesforce")
    return number
