"""The org has enough: 503, limits, locked rows, and refusals of single records."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.faults.salesforce.history import OURS
from tests.faults.salesforce.scene import REMEDY, Scene, fault, holds, until

LIMIT = "503, REQUEST_LIMIT_EXCEEDED, TXN/concurrency limit"
LOCK = "UNABLE_TO_LOCK_ROW"
PARTIAL = "partial success (Composite, Bulk)"
ILL = r"^salesforce .*(DOWN|DEGRADED) .*"
#: Calls that an agent may make in a second that the org has enough of.
CALLS_A_SECOND = 4.0


def bill(scene: Scene) -> None:
    """The ERP bills every customer, so that there is something to write to Salesforce."""
    for customer in scene.customers:
        scene.site.erp.change_payment_terms(customer.customer_id, "Z060")


def _few_calls(scene: Scene, seconds: float) -> None:
    begun, before = time.monotonic(), len(scene.place.calls.requests)
    scene.lasts(seconds)
    rate = (len(scene.place.calls.requests) - before) / (time.monotonic() - begun)
    holds(rate <= CALLS_A_SECOND, f"{rate:.1f} calls a second while the org refuses all")


@fault("unavailable-503", LIMIT, says=ILL + "SERVER_UNAVAILABLE", does=REMEDY)
def unavailable(scene: Scene) -> Iterator[None]:
    """Every call of the agent's is answered 503 for a while."""
    scene.arm("unavailable", client=OURS, count=1000)
    bill(scene)
    yield
    _few_calls(scene, 4.0)
    scene.history.ask("DELETE", "faults")


@fault("concurrent-requests", LIMIT, says=ILL + "REQUEST_LIMIT_EXCEEDED", does=REMEDY)
def concurrent(scene: Scene) -> Iterator[None]:
    """Too many long requests at once: free again within seconds."""
    detail = "ConcurrentPerOrgLongTxn Limit exceeded."
    scene.arm("limit", client=OURS, count=1000, detail=detail)
    bill(scene)
    yield
    _few_calls(scene, 4.0)
    scene.history.ask("DELETE", "faults")


@fault("daily-requests", LIMIT, says=ILL + "REQUEST_LIMIT_EXCEEDED", does=REMEDY)
def daily(scene: Scene) -> Iterator[None]:
    """The day's calls are used up: next to nothing is asked until somebody says that there are more."""
    scene.arm("limit", client=OURS, count=1000, detail="TotalRequests Limit exceeded.")
    bill(scene)
    yield
    _few_calls(scene, 4.0)
    scene.history.ask("DELETE", "faults")
    scene.kill()


@fault("one-call-over-the-day", LIMIT, kills=False)
def once(scene: Scene) -> Iterator[None]:
    """One single refusal, and there is quota again: the agent finds out by itself."""
    scene.arm("limit", client=OURS, count=1, detail="TotalRequests Limit exceeded.")
    bill(scene)
    scene.struck("limit")
    yield


@fault("rows-locked", LOCK)
def locked(scene: Scene) -> Iterator[None]:
    """Rows are locked again and again; nothing becomes a matter for a person."""
    scene.arm("lock-row", client=OURS, scope="*", count=12)
    bill(scene)
    yield
    until(lambda: bool(scene.history.rejected()), "a row being locked")


@fault("partial-success", PARTIAL, leaves=frozenset({"rejected"}), edits=False)
def partial(scene: Scene) -> Iterator[None]:
    """One record of a collection is refused by a rule of the org; the others are done, this one waits."""
    rule = {
        "object": "Account",
        "when": f"AccountNumber = '{scene.customers[1].number}' AND Payment_Terms__c = 'NET60'",
        "message": "No such terms for this customer.",
    }
    scene.history.ask("POST", "validations", rule)
    with scene.site.nobody_looking():
        bill(scene)
    (item,) = until(lambda: scene.site.exceptions("rejected") or None, "the refusal being told")
    holds(item.business_key == scene.customers[1].number, f"the refusal is about {item.business_key}")
    for customer in (scene.customers[0], scene.customers[2]):
        terms = until(lambda c=customer: scene.crm.account(c.account)["Payment_Terms__c"], "terms")  # type: ignore[misc] # bound now
        holds(bool(terms), "no terms")
    yield
    scene.site.erp.change_payment_terms(scene.customers[1].customer_id, "Z045")
    until(lambda: scene.crm.account(scene.customers[1].account)["Payment_Terms__c"] == "NET45", "other terms")


@fault("partially-locked", PARTIAL, edits=False)
def partially_locked(scene: Scene) -> Iterator[None]:
    """One row of a collection is locked: it alone is sent again."""
    scene.arm("lock-row", client=OURS, scope="Account", after=1)
    with scene.site.nobody_looking():
        bill(scene)
    scene.struck("lock-row")
    yield
