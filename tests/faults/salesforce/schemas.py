"""An administrator changes the object in the middle of the stream."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce.scene import REMEDY, Scene, fault, until

SCHEMA = "schema id changes mid-stream, field added/removed/retyped"


def _add(scene: Scene, name: str, kind: str) -> None:
    scene.history.ask("POST", "fields", {"object": "Account", "name": name, "type": kind})


def _remove(scene: Scene, name: str) -> None:
    scene.history.ask("DELETE", "fields", {"object": "Account", "name": name})


@fault("field-added", SCHEMA)
def added(scene: Scene) -> Iterator[None]:
    """New fields come, one in use at once."""
    _add(scene, "Region__c", "string")
    for customer in scene.customers:
        scene.crm.edit("Account", customer.account, Region__c="South")
    scene.arm("schema", scope="Account", count=3)
    yield


@fault("field-removed", SCHEMA)
def removed(scene: Scene) -> Iterator[None]:
    """A field that nobody mapped goes; old events still have it."""
    _add(scene, "Region__c", "string")
    with scene.site.nobody_looking():
        for customer in scene.customers:
            scene.crm.edit("Account", customer.account, Region__c="South")
        _remove(scene, "Region__c")
        scene.lasts(1.0)
    yield


@fault("field-retyped", SCHEMA)
def retyped(scene: Scene) -> Iterator[None]:
    """A field comes back under its name with another type."""
    _add(scene, "Rating__c", "string")
    for customer in scene.customers:
        scene.crm.edit("Account", customer.account, Rating__c="7")
    _remove(scene, "Rating__c")
    _add(scene, "Rating__c", "double")
    for customer in scene.customers:
        scene.crm.edit("Account", customer.account, Rating__c=7.5)
    yield


@fault(
    "mapped-field-removed",
    SCHEMA,
    says=r"Payment_Terms__c",
    does=REMEDY,
    leaves=frozenset({"field"}),
    edits=False,
)
def mapped(scene: Scene) -> Iterator[None]:
    """A mapped field goes: its mapping waits and says so, everything else flows; then it is undeleted."""
    accounts = scene.crm.query("SELECT Id, Payment_Terms__c FROM Account")
    _remove(scene, "Payment_Terms__c")
    first, second, third = scene.customers
    for customer in (second, third):
        scene.site.erp.change_payment_terms(customer.customer_id, "Z060")
    scene.edit(first, BillingCity="Wien")
    until(lambda: (scene.site.in_erp(first.number) or {})["city"] == "Wien", "what is not about that field")
    until(lambda: len(scene.site.exceptions("field")) == 1, "one exception for the field, not one per record")
    yield
    _add(scene, "Payment_Terms__c", "string")
    for account in accounts:
        scene.crm.edit("Account", account["Id"], Payment_Terms__c=account["Payment_Terms__c"])
    if scene.site.exceptions("field"):
        scene.retry("field")


@fault("mapped-field-retyped", SCHEMA, edits=False)
def mapped_retyped(scene: Scene) -> Iterator[None]:
    """A mapped picklist becomes plain text of the same values."""
    values = {each.account: scene.crm.account(each.account)["Payment_Terms__c"] for each in scene.customers}
    with scene.site.nobody_looking():
        _remove(scene, "Payment_Terms__c")
        _add(scene, "Payment_Terms__c", "string")
        for account, value in values.items():
            scene.crm.edit("Account", account, Payment_Terms__c=value)
    yield
