"""A field that a target does not take any more stops only itself, until it is taken again (I12)."""

from __future__ import annotations

import pytest

from agent.flow.acts import ExceptionActs
from agent.flow.withholding import FIRST_MS
from tests.flow.judge import judge
from tests.flow.world import World, now

pytestmark = pytest.mark.invariant("I12")


def exceptions(world: World) -> list[tuple[str, str, str]]:
    """Kind, system and subject of what stands open."""
    return [
        (str(kind), str(system), str(subject))
        for kind, system, subject in world.rows(
            "SELECT kind, system, subject FROM exception WHERE state = 'open' ORDER BY id"
        )
    ]


def served(world: World, rounds: int = 3) -> None:
    """Everything runs for a while, with what is broken staying broken."""
    for _ in range(rounds):
        for system in world.systems:
            world.intake(system)
        for system in world.systems:
            world.deliver(system)
        world.post(True)
        for system in ("sf", "erp"):
            world.confirm(system)
        world.wait(2.0)


def three(world: World) -> list[str]:
    """Customers that everybody holds."""
    world.pace(1.1)
    for _ in range(3):
        world.create()
    world.settle()
    return list(world.customers)


def terms(world: World, key: str) -> object:
    """What the cloud holds of a customer's terms."""
    return world.cloud.records[key].fields.get("Terms")


def test_one_exception_stands_for_all_records_and_their_other_fields_arrive(world: World) -> None:
    keys = three(world)
    world.lack("sf", "Terms", True)
    for number in range(3):
        world.edit_erp(number, "terms")
        world.edit_erp(number, "phone")
    served(world, 5)
    assert exceptions(world) == [("field", "sf", "customer.terms")]
    phones = {row.get("phone") for (kind, _), row in world.erp.rows.items() if kind == "customer"}
    assert {world.cloud.records[key].fields["Phone"] for key in keys} == phones
    rejected = world.rows("SELECT count(*) FROM outbox WHERE state = 'rejected'")[0][0]
    assert 1 <= int(rejected) <= 3  # those that were under way together


def test_it_goes_on_by_itself_once_the_field_is_back(world: World) -> None:
    keys = three(world)
    before = {key: terms(world, key) for key in keys}
    world.lack("sf", "Terms", True)
    for number in range(3):
        world.edit_erp(number, "terms")
    served(world)
    assert {key: terms(world, key) for key in keys} == before
    world.lack("sf", "Terms", False)
    world.wait(FIRST_MS / 1000)
    world.sweep()
    served(world)
    assert exceptions(world) == []
    wanted = sorted(str(row.get("terms")) for row in world.erp.rows.values())
    assert sorted(str(terms(world, key)) for key in keys) == wanted
    judge(world)


def test_one_record_at_a_time_tries_again_and_ever_more_rarely(world: World) -> None:
    three(world)
    world.lack("sf", "Terms", True)
    for number in range(3):
        world.edit_erp(number, "terms")
    served(world)
    tried = []
    for _ in range(4):
        before = int(world.rows("SELECT count(*) FROM outbox WHERE state = 'rejected'")[0][0])
        world.wait(300.0)
        world.sweep()
        served(world)
        tried.append(int(world.rows("SELECT count(*) FROM outbox WHERE state = 'rejected'")[0][0]) - before)
    assert tried[0] == 1 and set(tried) <= {0, 1} and 0 in tried
    assert exceptions(world) == [("field", "sf", "customer.terms")]


def test_a_person_may_say_that_it_is_back(world: World) -> None:
    keys = three(world)
    world.lack("sf", "Terms", True)
    world.edit_erp(0, "terms")
    served(world)
    world.lack("sf", "Terms", False)
    number = int(world.rows("SELECT id FROM exception WHERE state = 'open'")[0][0])
    acted = now(ExceptionActs(world.engine).retry(number, "op1", "the admin brought it back"))
    assert acted.done, acted.text
    served(world)
    assert exceptions(world) == []
    assert {str(terms(world, key)) for key in keys} == {
        str(row.get("terms")) for row in world.erp.rows.values()
    }


def test_a_record_is_created_without_the_field_and_a_document_is_not(world: World) -> None:
    three(world)
    world.lack("sf", "Amount", True)
    world.lack("erp", "phone", True)
    world.create()
    world.book_document(0)
    served(world, 6)
    assert sorted(exceptions(world)) == [
        ("field", "erp", "customer.phone"),
        ("field", "sf", "document.amount"),
    ]
    assert sum(kind == "customer" for kind, _ in world.erp.rows) == 4
    invoices = [one for one in world.cloud.records.values() if one.object == "Invoice__c"]
    assert invoices == []
    world.settle()
    judge(world)
    assert exceptions(world) == []


def test_the_books_balance_meanwhile(world: World) -> None:
    three(world)
    world.lack("sf", "Terms", True)
    world.edit_erp(0, "terms")
    served(world)
    waits = world.rows("SELECT reason, waits_on FROM waiting WHERE target = 'sf'")
    assert waits == [("withheld", "sf.customer.terms")]
    states = world.rows("SELECT state, count(*) FROM obligation WHERE target = 'sf' GROUP BY state")
    assert ("open", 1) in states


def test_what_a_read_cannot_see_stands_as_it_was_seen_last(world: World) -> None:
    """Never as a null: that would be written over everybody else's value."""
    keys = three(world)
    world.cloud.hidden.add("Name")
    world.overflow(0)
    for key in keys:
        world.cloud.user_edit(key, "Phone", f"+49 {key}")
    world.gap(0)
    served(world, 6)
    assert exceptions(world) == [("field", "sf", "customer.name")]
    names = {row.get("name") for (kind, _), row in world.erp.rows.items() if kind == "customer"}
    assert names == {world.cloud.records[key].fields["Name"] for key in keys}
    world.cloud.hidden.clear()
    world.wait(FIRST_MS / 1000)
    world.sweep()
    world.confirm("sf")
    assert exceptions(world) == []
    assert world.rows("SELECT type FROM gap WHERE system = 'sf'") == [("customer",)]  # it is read whole now
    world.settle()
    judge(world)
