"""Bulk jobs that write backlogs and read whole objects: they fail, are refused in part, and lose answers."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce.answers import LOST
from tests.faults.salesforce.gaps import GAP, GAPS
from tests.faults.salesforce.limits import PARTIAL, bill
from tests.faults.salesforce.scene import Scene, fault, holds, until

#: Two commands are a backlog here.
JOBS = {"bulk_from": 2, "bulk_rows": 1000}


def _billed_by_job(scene: Scene) -> None:
    """The terms of every customer change at once: a job carries them."""
    with scene.site.nobody_looking():
        bill(scene)


@fault("job-refuses-one", PARTIAL, leaves=frozenset({"rejected"}), edits=False, settings=JOBS)
def refuses_one(scene: Scene) -> Iterator[None]:
    """A rule of the org refuses one row of a job; the others are done."""
    rule = {
        "object": "Account",
        "when": f"AccountNumber = '{scene.customers[1].number}' AND Payment_Terms__c = 'NET60'",
        "message": "No such terms for this customer.",
    }
    scene.history.ask("POST", "validations", rule)
    _billed_by_job(scene)
    (item,) = until(lambda: scene.site.exceptions("rejected") or None, "the refusal being told")
    holds(item.business_key == scene.customers[1].number, f"the refusal is about {item.business_key}")
    yield
    scene.site.erp.change_payment_terms(scene.customers[1].customer_id, "Z045")
    until(lambda: scene.crm.account(scene.customers[1].account)["Payment_Terms__c"] == "NET45", "other terms")


@fault("job-fails", PARTIAL, edits=False, settings=JOBS)
def fails(scene: Scene) -> Iterator[None]:
    """A job fails as a whole: its rows are sent by requests."""
    scene.arm("job-failed", scope="Account")
    _billed_by_job(scene)
    scene.struck("job-failed")
    yield


def _lost(scene: Scene, request: str) -> Iterator[None]:
    scene.place.calls.cut(f"{request} /services/data/v62.0/jobs/ingest")
    _billed_by_job(scene)
    until(lambda: scene.place.calls.lost > 0, "an answer being lost")
    yield
    scene.place.calls.mend()


@fault("answer-to-a-job", LOST, edits=False, settings=JOBS)
def answer_to_a_job(scene: Scene) -> Iterator[None]:
    """Nobody learns the number of a job that was made: it holds no rows, and another is made."""
    yield from _lost(scene, "POST")


@fault("answer-to-a-job-s-rows", LOST, edits=False, settings=JOBS)
def answer_to_rows(scene: Scene) -> Iterator[None]:
    """The rows arrived, and nobody was told."""
    yield from _lost(scene, "PUT")


@fault("answer-to-a-job-s-start", LOST, edits=False, settings=JOBS)
def answer_to_the_start(scene: Scene) -> Iterator[None]:
    """The job runs, and nobody was told that it was begun."""
    yield from _lost(scene, "PATCH")


@fault("answer-about-a-job", LOST, edits=False, settings=JOBS)
def answer_about(scene: Scene) -> Iterator[None]:
    """What became of the rows is asked for again."""
    yield from _lost(scene, "GET")


def _overflowed(scene: Scene) -> Iterator[None]:
    customer = scene.customers[0]
    scene.arm("overflow", scope="Account")
    scene.edit(customer, BillingCity="Wien")
    scene.struck("overflow")
    yield
    until(lambda: (scene.site.in_erp(customer.number) or {})["city"] == "Wien", "what the overflow hid")


@fault("gap-read-by-bulk-job", GAPS, leaves=GAP, edits=False, settings={"snapshot": "bulk"})
def by_bulk(scene: Scene) -> Iterator[None]:
    """The whole object is read through Bulk API 1.0, whose first batch fails."""
    scene.arm("job-failed", scope="Account")
    yield from _overflowed(scene)


@fault("gap-read-by-bulk2-job", GAPS, leaves=GAP, edits=False, settings={"snapshot": "bulk2"})
def by_bulk2(scene: Scene) -> Iterator[None]:
    """The same through Bulk API 2.0, whose job waits."""
    scene.arm("job-late", scope="Account", delay=3)
    yield from _overflowed(scene)
