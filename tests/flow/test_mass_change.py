"""What would write more than a set share of a scope waits for a person, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.change import RawValue
from agent.core.guard import MassLimits
from agent.core.rulebook import Rulebook
from agent.errors import InputError
from agent.flow import guarding
from agent.flow.acted import Acted
from agent.flow.acts import ExceptionActs
from tests.flow.judge import judge
from tests.flow.world import SYSTEMS, World, now


def release(world: World, scope: str, reason: str = "a price round") -> Acted:
    return now(ExceptionActs(world.engine).release(scope, "op1", reason))


def limited(world: World, type_: str, limits: MassLimits) -> None:
    """Limits for one entity type only."""
    book = world.engine.book
    entities = {n: replace(r, mass=limits) if n == type_ else r for n, r in book.entities.items()}
    world.engine.book = Rulebook(entities)


def customers(world: World, count: int) -> None:
    """Customers that all systems hold."""
    for _ in range(count):
        world.create()
    world.settle()
    world.wait(1_000.0)
    world.sweep()


def round_(world: World) -> None:
    """Everything that an agent does, a few times, and nobody releases anything."""
    for _ in range(8):
        for system in SYSTEMS:
            world.intake(system)
            world.deliver(system)
        world.post(True)
        world.wait(1.2)
        for system in ("sf", "erp"):
            world.confirm(system)


def held(world: World) -> list[str]:
    return [str(row[0]) for row in world.rows("SELECT scope FROM hold ORDER BY scope")]


def open_(world: World) -> list[tuple[object, ...]]:
    return world.rows(
        "SELECT system, subject, owner, due > opened FROM exception"
        " WHERE kind = 'mass-change' AND state = 'open' ORDER BY subject"
    )


def change(world: World, count: int) -> None:
    """The ERP's users change the terms of so many customers."""
    for customer in range(count):
        world.edit_erp(customer, "terms")


def test_the_record_too_many_holds_the_scope_and_one_exception_stands_for_it(world: World) -> None:
    customers(world, 6)
    limited(world, "customer", MassLimits(0.5, 2))
    before = world.meanwhile.passed["sf.apply"]
    change(world, 6)
    while world.intake("erp"):
        pass
    world.deliver("sf")
    assert held(world) == ["customer@sf:update"]
    assert open_(world) == [("sf", "customer@sf:update", "operations", 1)]
    assert world.meanwhile.passed["sf.apply"] == before
    assert world.rows("SELECT count(*) FROM outbox WHERE state = 'ready' AND held = 1") == [(6,)]


@pytest.mark.invariant("I21")
def test_deletes_are_held_from_a_limit_of_their_own_on(world: World) -> None:
    customers(world, 5)
    limited(world, "customer", MassLimits(delete_share=0.1, delete_floor=2))
    for customer in range(4):
        world.delete_cloud(customer)
    while world.intake("sf"):
        pass
    world.wait(2.0)
    world.confirm("sf")
    before = world.meanwhile.passed["erp.apply"]
    world.deliver("erp")
    assert "customer@erp:delete" in held(world)
    assert world.meanwhile.passed["erp.apply"] == before
    release(world, "customer@erp:delete", "customers who left")
    world.deliver("erp")
    assert world.meanwhile.passed["erp.apply"] == before + 1


def test_no_command_is_written_past_the_guard() -> None:
    agent = Path(guarding.__file__).parents[1]
    writers = [file.name for file in agent.rglob("*.py") if "outbox.add(" in file.read_text()]
    assert writers == ["guarding.py"]


def test_up_to_floor_and_share_everything_goes_unasked(world: World) -> None:
    customers(world, 6)
    limited(world, "customer", MassLimits(0.5, 2))
    change(world, 3)
    round_(world)
    assert held(world) == []
    judge(world)


def test_one_record_changed_again_and_again_is_no_mass_change(world: World) -> None:
    customers(world, 4)
    limited(world, "customer", MassLimits(0.5, 2))
    for _ in range(12):
        world.edit_erp(0, "terms")
        round_(world)
    assert held(world) == []


def test_a_mass_change_that_trickles_out_is_one_all_the_same(world: World) -> None:
    customers(world, 6)
    limited(world, "customer", MassLimits(0.5, 2))
    for customer in range(6):
        world.edit_erp(customer, "terms")
        round_(world)
    assert held(world) == ["customer@sf:update"]
    accepted = world.rows(
        "SELECT count(DISTINCT entity) FROM outbox WHERE target = 'sf' AND state = 'accepted'"
        " AND fields LIKE '%terms%'"
    )
    assert accepted == [(3,)]


def test_other_scopes_of_the_same_system_go_on(world: World) -> None:
    customers(world, 4)
    limited(world, "customer", MassLimits(0.1, 1))
    change(world, 4)
    world.book_document(0)
    round_(world)
    assert held(world) == ["customer@sf:update"]
    assert [r.object for r in world.cloud.records.values()].count("Invoice__c") == 1
    judge(world)


def test_an_approval_lets_what_stands_go_and_the_rest_of_the_change_too(world: World) -> None:
    customers(world, 6)
    limited(world, "customer", MassLimits(0.5, 2))
    change(world, 5)
    round_(world)
    acted = release(world, "customer@sf")
    assert "approved: 3 commands of customer@sf:update" in acted.text
    change(world, 6)
    round_(world)
    assert held(world) == []
    [(state, resolution)] = world.rows("SELECT state, resolution FROM exception WHERE kind = 'mass-change'")
    assert (state, resolution) == ("closed", "approved by op1: a price round")
    judge(world)


def test_an_approval_ends_with_its_change_and_the_next_one_is_asked_about_anew(world: World) -> None:
    customers(world, 6)
    limited(world, "customer", MassLimits(0.5, 2))
    change(world, 5)
    round_(world)
    release(world, "customer@sf:update")
    round_(world)
    world.sweep()
    change(world, 6)
    round_(world)
    assert held(world) == []
    world.wait(1_000.0)
    world.sweep()
    change(world, 1)
    round_(world)
    assert held(world) == []
    change(world, 6)
    round_(world)
    assert held(world) == ["customer@sf:update"]
    why = world.rows("SELECT why FROM journal WHERE subject = 'flow' AND before = 'approved'")
    assert why == [("the mass change is over",)]


def test_what_is_put_right_at_its_source_is_withdrawn_and_the_hold_ends_by_itself(world: World) -> None:
    customers(world, 3)
    change(world, 3)
    world.settle()
    world.wait(1_000.0)
    limited(world, "customer", MassLimits(0.1, 1))
    keys = [key for object_, key in world.erp.rows if object_ == "customer"]
    before = {key: str(world.erp.rows["customer", key]["terms"]) for key in keys}
    for key in keys:
        world.erp.user_edit("customer", key, "terms", "wiped")
    while world.intake("erp"):
        pass
    assert held(world) == ["customer@sf:update"]
    for key in keys:
        world.erp.user_edit("customer", key, "terms", before[key])
    round_(world)
    world.sweep()
    assert held(world) == []
    [(state, resolution)] = world.rows("SELECT state, resolution FROM exception WHERE kind = 'mass-change'")
    assert (state, resolution) == ("closed", "nothing of it is left: what differed was put right")
    judge(world)


def test_a_first_load_is_asked_about_once_and_the_approval_covers_all_of_it(world: World) -> None:
    limited(world, "customer", MassLimits(0.25, 2))
    for _ in range(8):
        world.create()
    while world.intake("sf"):
        pass
    # The third is our own id, which every record born in the cloud is to carry.
    assert held(world) == ["customer@erp:create", "customer@sap:create", "customer@sf:update"]
    assert "where it holds 0" in world.rows("SELECT why FROM hold WHERE scope = 'customer@erp:create'")[0][0]
    assert open_(world)[0][:3] == ("erp", "customer@erp:create", "operations")
    for scope in ("customer@erp", "customer@sap", "customer@sf"):
        release(world, scope, "the first load")
    for _ in range(4):
        world.create()
    round_(world)
    assert held(world) == []
    judge(world)


def test_the_exception_says_how_much_money_is_behind_it(world: World) -> None:
    customers(world, 3)
    limited(world, "document", MassLimits(0.1, 1))
    keys = [key for object_, key in world.erp.rows if object_ == "customer"]
    for number, (key, amount) in enumerate(zip(keys, ("100.10", "200.20", "300.30"), strict=True), 1):
        world.documents += 1
        fields: dict[str, RawValue] = {"amount": amount, "customer_id": key, "status": "open"}
        world.erp.user_create("invoice", f"i{number}", fields)
    while world.intake("erp"):
        pass
    world.sweep()
    assert held(world) == ["document@sf:create"]
    assert world.rows("SELECT amount, currency FROM exception WHERE kind = 'mass-change'") == [
        ("600.60", None)
    ]
    judge(world)


def test_an_agreement_does_not_outlive_its_change_while_the_agent_is_down(world: World) -> None:
    customers(world, 6)
    limited(world, "customer", MassLimits(0.5, 2))
    change(world, 5)
    round_(world)
    release(world, "customer@sf")
    round_(world)
    world.wait(86_400.0)
    world.restart()
    limited(world, "customer", MassLimits(0.5, 2))
    change(world, 6)
    round_(world)
    assert held(world) == ["customer@sf:update"]


@pytest.mark.invariant("I15")
def test_a_held_scope_survives_restarts_and_everything_adds_up(world: World) -> None:
    customers(world, 4)
    limited(world, "customer", MassLimits(0.1, 1))
    change(world, 4)
    round_(world)
    world.restart()
    limited(world, "customer", MassLimits(0.1, 1))
    before = world.meanwhile.passed["sf.apply"]
    round_(world)
    assert held(world) == ["customer@sf:update"]
    assert world.meanwhile.passed["sf.apply"] == before
    judge(world)


def test_a_command_that_comes_back_into_a_held_scope_is_held(world: World) -> None:
    customers(world, 3)
    limited(world, "customer", MassLimits(0.1, 1))
    change(world, 1)
    world.fault("sf", "busy")
    world.intake("erp")

    def others() -> None:
        change(world, 3)
        while now(world.intakes["erp"].step()):
            pass

    world.meanwhile.armed["sf.apply"] = others
    world.deliver("sf")
    assert held(world) == ["customer@sf:update"]
    calls = world.meanwhile.passed["sf.apply"]
    world.wait(10.0)
    world.deliver("sf")
    assert world.meanwhile.passed["sf.apply"] == calls
    judge(world)


def test_closing_or_retrying_the_exception_does_not_let_the_change_go(world: World) -> None:
    customers(world, 3)
    limited(world, "customer", MassLimits(0.1, 1))
    change(world, 3)
    round_(world)
    [(number,)] = world.rows("SELECT id FROM exception WHERE kind = 'mass-change'")
    acts = ExceptionActs(world.engine)
    for act in (acts.close, acts.retry):
        refused = now(act(int(number), "op1", "away with it"))
        assert not refused.done
        assert "flow release" in refused.text
    assert held(world) == ["customer@sf:update"]


def test_an_approval_needs_a_reason_and_a_scope_that_exists(world: World) -> None:
    customers(world, 3)
    limited(world, "customer", MassLimits(0.1, 1))
    change(world, 3)
    round_(world)
    with pytest.raises(InputError, match="needs a reason"):
        release(world, "customer@sf", "")
    with pytest.raises(InputError, match="no scope 'customr@sf:update'; did you mean 'customer@sf:update'"):
        release(world, "customr@sf:update")
    assert release(world, "customer@erp").text == "customer@erp was not held"
    assert "still wait for an approval: customer@sf:update" in release(world, "*").text
    assert held(world) == ["customer@sf:update"]


def test_a_sweep_tells_anew_how_much_is_held(world: World) -> None:
    customers(world, 5)
    limited(world, "customer", MassLimits(0.1, 1))
    change(world, 2)
    round_(world)
    change(world, 5)
    round_(world)
    world.sweep()
    [(cause,)] = world.rows("SELECT cause FROM exception WHERE kind = 'mass-change'")
    assert cause.endswith(("; commands held: 4", "; commands held: 5"))
