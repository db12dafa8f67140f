"""What the agent wrote comes back, alone, with company, or altered."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce.history import OURS
from tests.faults.salesforce.scene import Scene, fault, holds, until

ECHO = "own echo"
#: So often an agent may write the same field of a record before it leaves the matter to a person.
BOUNCES = 10


@fault("own-echo", ECHO, edits=False)
def echo(scene: Scene) -> Iterator[None]:
    """What was written comes back and starts nothing."""
    for customer in scene.customers:
        scene.site.erp.change_payment_terms(customer.customer_id, "Z060")
    yield
    for customer in scene.customers:
        until(lambda c=customer: scene.site.at_rest(c.number), "rest")  # type: ignore[misc] # bound now
    scene.finally_(lambda: _once(scene))


def _once(scene: Scene) -> None:
    for customer in scene.customers:
        ours = [each for each in scene.crm.writes(customer.account) if each["client"] == OURS]
        terms = [each for each in ours if each["fields"].get("Payment_Terms__c") == "NET60"]
        holds(len(terms) <= 1, f"{customer.number}: the same terms were written {len(terms)} times")


@fault("echo-with-company", ECHO, edits=False, others=False)
def company(scene: Scene) -> Iterator[None]:
    """An automation of the org changes another mapped field in our own transaction: that is real news."""
    rule = {
        "object": "Account",
        "when_field": "Payment_Terms__c",
        "set_field": "BillingCity",
        "value_template": "Leipzig",
    }
    scene.history.ask("POST", "flows", rule)
    customer = scene.customers[0]
    scene.site.erp.change_payment_terms(customer.customer_id, "Z060")
    until(
        lambda: (scene.site.in_erp(customer.number) or {})["city"] == "Leipzig", "what the automation changed"
    )
    yield


@fault(
    "loop",
    ECHO,
    edits=False,
    others=False,
    bounces=True,
    leaves=frozenset({"loop", "drift", "conflict", "bounce"}),
)
def loop(scene: Scene) -> Iterator[None]:
    """An automation alters what the agent writes, each time: after some bounces somebody is asked."""
    customer = scene.customers[0]
    rule = {
        "object": "Account",
        "when_field": "Payment_Terms__c",
        "set_field": "Payment_Terms__c",
        "value_template": "NET14",
    }
    scene.history.ask("POST", "flows", rule)
    scene.site.erp.change_payment_terms(customer.customer_id, "Z060")
    scene.lasts(15.0)
    ours = [each for each in scene.crm.writes(customer.account) if each["client"] == OURS]
    bounced = sum("Payment_Terms__c" in each["fields"] for each in ours)
    holds(bounced <= BOUNCES, f"the terms of one customer were written {bounced} times in 15 s")
    yield
    scene.site.erp.change_payment_terms(customer.customer_id, "Z014")
