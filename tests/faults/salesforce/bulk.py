"""Backlogs that go out by a bulk job, and whole objects that are read by one, while things go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from adapters.sandbox.erp import Line as InvoiceLine
from tests.faults.salesforce.scene import Scene, fault, holds, until

LOST = "response lost after accept"
PARTIAL = "partial success (Composite, Bulk)"
GAPS = "GAP_* / GAP_OVERFLOW"
#: Invoices that the ERP bills at once: so many that they go by a job.
MANY = 12
JOBS: Mapping[str, object] = {"bulk_from": 5, "bulk_rows": 100}
#: Whole objects are read by a job, however small.
READ_BY_JOB: Mapping[str, object] = {"snapshot": "bulk", "snapshot_bulk_from": 0}
READ_BY_JOB_2: Mapping[str, object] = {"snapshot": "bulk2", "snapshot_bulk_from": 0}
_ITEMS = [InvoiceLine("PLAN-M", 2, Decimal("98.00"))]
INGEST = "/services/data/v62.0/jobs/ingest"


def _bill(scene: Scene, lines: list[InvoiceLine] | None = None) -> list[str]:
    """The ERP bills one customer many times while the agent is halted: a backlog."""
    customer = scene.customers[0].customer_id
    with scene.site.nobody_looking():
        return [
            scene.site.erp.create_invoice(customer, lines or _ITEMS, invoice_date=date(2026, 3, 2))
            for _ in range(MANY)
        ]


def _by_job(scene: Scene) -> None:
    until(
        lambda: any(INGEST in each.path for each in scene.place.calls.requests),
        "a bulk job for the backlog",
    )


@fault("bulk-answers-lost", LOST, settings=JOBS, edits=False)
def answers(scene: Scene) -> Iterator[None]:
    """The answers to making, filling and closing a job are lost, each in turn."""
    scene.place.calls.cut(INGEST, 3)
    _bill(scene)
    _by_job(scene)
    until(lambda: scene.place.calls.lost > 0, "an answer being lost")
    yield
    scene.place.calls.mend()


@fault("bulk-line-away", LOST, settings=JOBS, edits=False)
def away(scene: Scene) -> Iterator[None]:
    """The line goes when the job is under way."""
    _bill(scene)
    _by_job(scene)
    scene.place.calls.shut()
    yield
    scene.place.calls.mend()


@fault("bulk-job-fails", PARTIAL, settings=JOBS, edits=False)
def fails(scene: Scene) -> Iterator[None]:
    """A job fails as a whole: what it had not done goes another time."""
    scene.arm("job-failed", scope="Invoice__c")
    _bill(scene)
    _by_job(scene)
    yield


@fault("bulk-partial", PARTIAL, settings=JOBS, edits=False, leaves=frozenset({"rejected"}))
def partial(scene: Scene) -> Iterator[None]:
    """One row of a job is refused by a rule of the org; the others are done."""
    odd = [InvoiceLine("PLAN-M", 1, Decimal("13.13"))]
    rule = {"object": "Invoice__c", "when": "Net_Amount__c = 13.13", "message": "No such amount."}
    rules = scene.history.ask("POST", "validations", rule)["validations"]
    holds(rules > 0, "the rule is not there")
    customer = scene.customers[0].customer_id
    with scene.site.nobody_looking():
        for _ in range(MANY):
            scene.site.erp.create_invoice(customer, _ITEMS, invoice_date=date(2026, 3, 2))
        refused = scene.site.erp.create_invoice(customer, odd, invoice_date=date(2026, 3, 2))
    _by_job(scene)
    (item,) = until(lambda: scene.site.exceptions("rejected") or None, "the refusal being told")
    holds(item.business_key == refused, f"the refusal is about {item.business_key}, not {refused}")
    yield
    scene.history.ask("DELETE", "validations", rule)
    scene.retry("rejected")


def _gap(scene: Scene, marker: str) -> Iterator[None]:
    number, _ = scene.born()
    until(lambda: scene.site.in_erp(number), f"{number} in the ERP")
    scene.place.calls.cut(marker, 3)
    scene.arm("overflow", scope="Account")
    late, _ = scene.born()
    scene.struck("overflow")
    until(lambda: scene.place.calls.lost > 0, "an answer being lost")
    yield
    scene.place.calls.mend()
    until(lambda: scene.site.in_erp(late), "what was born in the gap", 60.0)


@fault("snapshot-answers-lost", GAPS, settings=READ_BY_JOB, edits=False)
def snapshot(scene: Scene) -> Iterator[None]:
    """A whole object is read through Bulk API 1.0 and answers are lost on the way."""
    yield from _gap(scene, "/services/async/")


@fault("snapshot-2-answers-lost", GAPS, settings=READ_BY_JOB_2, edits=False)
def snapshot_2(scene: Scene) -> Iterator[None]:
    """The same through Bulk API 2.0."""
    yield from _gap(scene, "/services/data/v62.0/jobs/query")
