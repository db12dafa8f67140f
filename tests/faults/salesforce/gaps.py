"""Events that say less than they should, come twice, late, in another order, or never."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce.scene import REMEDY, Scene, fault, until

GAPS = "GAP_* / GAP_OVERFLOW"
ORDER = "duplicates, reorder across keys, split transaction"
GAP = frozenset({"gap"})


@fault("gap-update", GAPS, edits=False)
def gap_update(scene: Scene) -> Iterator[None]:
    """A change is announced without its values."""
    scene.arm("gap", scope="Account", count=3)
    for customer in scene.customers:
        scene.edit(customer, BillingCity=f"Leeds {customer.number}")
    scene.struck("gap")
    yield


@fault("gap-create", GAPS, edits=False)
def gap_create(scene: Scene) -> Iterator[None]:
    """A birth is announced without its values."""
    scene.arm("gap", scope="Account")
    number, _ = scene.born()
    scene.struck("gap")
    yield
    until(lambda: scene.site.in_erp(number), "what was born")


@fault("gap-delete-undelete", GAPS, edits=False)
def gap_delete(scene: Scene) -> Iterator[None]:
    """A delete and its reversal are announced without values."""
    customer = scene.customers[0]
    scene.arm("gap", scope="Account", count=2)
    scene.crm.delete("Account", customer.account)
    scene.lasts(1.0)
    scene.crm.undelete(customer.account)
    scene.struck("gap")
    yield


@fault("overflow", GAPS, leaves=GAP, edits=False)
def overflow(scene: Scene) -> Iterator[None]:
    """A transaction too large to be told: the whole object is read again, with births and deletes in it."""
    scene.arm("overflow", scope="Account")
    customer, gone, _ = scene.customers
    number = scene.number()
    fields = {
        "AccountNumber": number,
        "Name": "Überlauf AG",
        "BillingCity": "Wien",
        "BillingCountry": "AT",
    }
    born = {"op": "create", "object": "Account", "fields": fields}
    city = {"BillingCity": "Zürich"}
    edited = {"op": "update", "object": "Account", "id": customer.account, "fields": city}
    deleted = {"op": "delete", "object": "Account", "id": gone.account}
    scene.history.ask("POST", "transaction", {"user": "sales", "writes": [born, edited, deleted]})
    scene.typed[customer] = dict(city)
    scene.struck("overflow")
    yield
    until(lambda: scene.site.in_erp(number), "what was born in the overflow")
    until(lambda: scene.site.exceptions("deleted"), "what was deleted in the overflow being told")
    scene.crm.undelete(gone.account)
    scene.retry("rejected")  # invoices that the ERP booked meanwhile on the customer that was deleted


@fault("wildcard", GAPS, leaves=GAP, edits=False)
def wildcard(scene: Scene) -> Iterator[None]:
    """A change of every record (001*)."""
    scene.arm("wildcard", scope="Account")
    scene.edit(scene.customers[0], BillingCity="Wien")
    scene.struck("wildcard")
    yield


@fault("merged-record-ids", GAPS, edits=False)
def merged(scene: Scene) -> Iterator[None]:
    """One event for the same change of many records."""
    writes = [
        {"op": "update", "object": "Account", "id": each.account, "fields": {"BillingCity": "Wien"}}
        for each in scene.customers
    ]
    scene.arm("merge", scope="Account")
    scene.history.ask("POST", "transaction", {"user": "sales", "writes": writes})
    for customer in scene.customers:
        scene.typed[customer] = {"BillingCity": "Wien"}
    scene.struck("merge")
    yield


@fault("undecodable", GAPS, says=r"exceptions: [1-9]", leaves=frozenset({"undecodable"}), edits=False)
def undecodable(scene: Scene) -> Iterator[None]:
    """An event of which nothing can be read, not even whose it is."""
    scene.arm("undecodable", scope="Account")
    scene.edit(scene.customers[0], BillingCity="Wien")
    scene.struck("undecodable")
    yield


@fault("duplicates", ORDER)
def duplicates(scene: Scene) -> Iterator[None]:
    """Every event comes twice, under another replay id."""
    scene.arm("duplicate", scope="*", count=40)
    for customer in scene.customers:
        scene.site.crm.edit("Account", customer.account, Description="twice told")
    yield
    scene.met("duplicate", 40)


@fault("reordered-across-keys", ORDER)
def reordered(scene: Scene) -> Iterator[None]:
    """Events overtake those of other records."""
    scene.arm("reorder", scope="Account", count=20, delay=1)
    yield
    scene.met("reorder", 20)


@fault("late-bus", ORDER)
def late(scene: Scene) -> Iterator[None]:
    """The bus holds everything back for a while; reads see what no event told yet."""
    scene.arm("delay", scope="Account", delay=5)
    yield
    scene.met("delay", 1)


def looking_often(scene: Scene) -> None:
    """What was touched is looked at every second."""
    scene.place.tune(look_every_s=1.0)


@fault("event-never-sent", ORDER, edits=False, others=False, prepare=looking_often)
def never(scene: Scene) -> Iterator[None]:
    """Rarely an event never reaches the bus (Pub/Sub API guide): a look at what was touched finds it."""
    scene.arm("lose", scope="Account")
    scene.edit(scene.customers[0], BillingCity="Wien")
    scene.struck("lose")
    yield
    until(
        lambda: (scene.site.in_erp(scene.customers[0].number) or {})["city"] == "Wien",
        "what no event told",
        60,
    )


@fault("geocode-second-event", "own echo")
def geocode(scene: Scene) -> Iterator[None]:
    """Address edits are followed by the org's own event."""
    scene.arm("geocode", scope="Account", count=20)
    yield
    scene.met("geocode", 20)


@fault("gap-and-answers-lost", GAPS, edits=False)
def closing(scene: Scene) -> Iterator[None]:
    """The answers by which a gap is to be closed are lost, of the list and of the records."""
    number, _ = scene.born()
    until(lambda: scene.site.in_erp(number), f"{number} in the ERP")
    scene.place.calls.cut("/sobjects/Account/updated", 2)
    scene.place.calls.cut("/sobjects/Account/deleted", 1)
    scene.place.calls.cut("/services/data/v62.0/query", 3)
    scene.arm("overflow", scope="Account")
    late, _ = scene.born()
    scene.struck("overflow")
    until(lambda: scene.place.calls.lost > 0, "an answer being lost")
    yield
    scene.place.calls.mend()
    until(lambda: scene.site.in_erp(late), "what was born in the gap", 60.0)


@fault("gap-in-a-dead-org", GAPS, says=r"^salesforce .*(DOWN|DEGRADED)", does=REMEDY, edits=False)
def dead(scene: Scene) -> Iterator[None]:
    """A gap is known, and the org refuses every read for a while: nothing passes for fresh meanwhile."""
    scene.arm("unavailable", client="isthmus", count=1000)
    scene.arm("overflow", scope="Account")
    late, _ = scene.born()
    scene.struck("overflow")
    yield
    scene.history.ask("DELETE", "faults")
    until(lambda: scene.site.in_erp(late), "what was born in the gap", 60.0)
