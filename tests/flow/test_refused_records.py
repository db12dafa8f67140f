"""A field that is refused for one record is not a field that is gone; and none waits for another (I12)."""

from __future__ import annotations

import pytest

from agent.core.delivery import Delivery, Outcome, OutcomeKind, Reason
from agent.flow.withholding import FIRST_MS
from tests.flow.judge import judge
from tests.flow.test_withholding import exceptions, served, terms, three
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I12")


def peculiar(world: World, keys: set[str]) -> None:
    """For these records alone the cloud does not take the terms (as the name of a person account)."""
    taken = world.cloud._apply

    def apply(delivery: Delivery) -> Outcome:
        if delivery.key in keys and "Terms" in delivery.fields:
            named = frozenset({"Terms"})
            return Outcome(OutcomeKind.REJECTED, reason=Reason.FIELD, code="INVALID_FIELD_FOR", fields=named)
        return taken(delivery)

    world.cloud._apply = apply  # type: ignore[method-assign] # as an org does


def held(world: World) -> dict[str, object]:
    """The terms of all customers in the ERP, by their key in the cloud."""
    by_id = {row.get("external_ref"): row.get("terms") for row in world.erp.rows.values()}
    return {key: by_id[world.id_of(key)] for key in world.customers}


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_record_that_does_not_take_a_field_does_not_stop_the_others(world: World, bad: int) -> None:
    keys = three(world)
    refused = set(keys[bad : bad + 1])
    peculiar(world, refused)
    for _ in range(12):
        for number in range(3):
            world.edit_erp(number, "terms")
        served(world, 2)
        world.wait(FIRST_MS / 1000)
        world.sweep()
    served(world, 2)
    wanted = held(world)
    assert {key: terms(world, key) for key in keys if key not in refused} == {
        key: value for key, value in wanted.items() if key not in refused
    }
    assert [kind for kind, _, _ in exceptions(world)] == ["rejected"]
    refused.clear()
    world.settle()
    judge(world)


def test_a_refused_record_is_not_sent_again_with_every_other(world: World) -> None:
    keys = three(world)
    peculiar(world, {keys[0]})
    for number in range(3):
        world.edit_erp(number, "terms")
    served(world, 2)
    for _ in range(20):
        world.edit_erp(2, "terms")
        served(world, 1)
    tried = int(world.rows("SELECT count(*) FROM outbox WHERE state = 'rejected'")[0][0])
    assert tried <= 3


def test_one_field_does_not_wait_for_another(world: World) -> None:
    """Every record differs in both; one field is taken again, the other never."""
    keys = three(world)
    for name in ("Terms", "Block"):
        world.lack("sf", name, True)
    for number in range(3):
        world.edit_erp(number, "terms")
        world.edit_sap(number, "AUFSD")
    served(world, 4)
    assert len(exceptions(world)) == 2
    for back in ("Terms", "Block"):
        world.cloud.lacking = {"Terms", "Block"} - {back}
        for _ in range(8):
            world.wait(FIRST_MS / 1000)
            world.sweep()
            served(world, 2)
        if back == "Terms":
            assert {key: terms(world, key) for key in keys} == held(world)
            for number in range(3):
                world.edit_erp(number, "terms")
            world.cloud.lacking.add("Terms")
            served(world, 3)
            continue
        blocks = {world.cloud.records[key].fields.get("Block") for key in keys}
        assert blocks == {row.get("AUFSD") for row in world.sap.records.values()}
