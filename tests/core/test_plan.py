"""Plan: what to send to one target, from the state of one entity and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import plan as planner
from agent.core.delivery import DeliveryKind
from agent.core.entity import CommandState, Entity, Image, OpenCommand, Stale
from agent.core.ownership import owner
from agent.core.plan import Agree, Hold, Send, Surroundings, Wait, plan
from agent.core.survivorship import accepted, merge
from tests.core.samples import (
    EVERY_TIME_THE_SAME,
    FIELDS,
    SYSTEMS,
    TODAY,
    agreed_customer,
    customer,
    entities,
    seen,
)

RULES = customer(systems=SYSTEMS)
ALONE = Surroundings()
SYSTEM = st.sampled_from(SYSTEMS)


def _merged(entity: Entity) -> Entity:
    return merge(entity, RULES, TODAY).entity


def _standing(state: CommandState) -> OpenCommand:
    return OpenCommand(1, state, DeliveryKind.UPDATE, {"phone": "2"}, {"phone": 2})


@pytest.mark.invariant("I31")
@EVERY_TIME_THE_SAME
@given(entities(), SYSTEM)
def test_the_same_state_always_gives_the_same_plan(entity: Entity, target: str) -> None:
    merged = _merged(entity)
    again = replace(
        merged, images=dict(sorted(merged.images.items(), reverse=True)), agreed=dict(merged.agreed)
    )
    assert plan(merged, target, RULES, TODAY, ALONE) == plan(again, target, RULES, TODAY, ALONE)


@pytest.mark.invariant("I7")
@EVERY_TIME_THE_SAME
@given(entities(), SYSTEM)
def test_an_update_holds_only_fields_that_differ_and_that_the_target_does_not_own(
    entity: Entity, target: str
) -> None:
    merged = _merged(entity)
    decision = plan(merged, target, RULES, TODAY, ALONE)
    if not isinstance(decision, Send) or decision.kind is DeliveryKind.CREATE:
        return
    held = merged.images[target].fields
    assert decision.fields
    for name, value in decision.fields.items():
        assert name not in held or held[name] != value
        assert owner(FIELDS[name], TODAY) != target


@pytest.mark.invariant("I9")
@EVERY_TIME_THE_SAME
@given(entities(), SYSTEM)
def test_after_the_target_took_a_command_there_is_nothing_left_to_send(entity: Entity, target: str) -> None:
    merged = _merged(entity)
    decision = plan(merged, target, RULES, TODAY, ALONE)
    if not isinstance(decision, Send):
        return
    after = accepted(merged, target, decision.fields, decision.numbers)
    image = after.images[target]
    held = {**image.fields, **dict.fromkeys(decision.numbers), **decision.fields}
    after = after.with_image(target, replace(image, fields=held, fresh=True, stale=None, exists=True))
    after = _merged(replace(after, keys={**after.keys, target: "key"}))
    later = plan(after, target, RULES, TODAY, ALONE)
    assert not isinstance(later, Send), later


@pytest.mark.invariant("I11")
@EVERY_TIME_THE_SAME
@given(entities(), SYSTEM)
def test_a_stale_target_is_never_written_to(entity: Entity, target: str) -> None:
    image = entity.images.get(target, Image(fields={}, fresh=False)).marked(Stale.CHANGED, 1)
    stale = replace(entity.with_image(target, image), keys={**entity.keys, target: "key"})
    assert not isinstance(plan(_merged(stale), target, RULES, TODAY, ALONE), Send)


@pytest.mark.invariant("I17")
@EVERY_TIME_THE_SAME
@given(entities(), SYSTEM, st.sampled_from([CommandState.SENT, CommandState.STORED, CommandState.UNCERTAIN]))
def test_nothing_is_planned_beside_a_command_in_flight(
    entity: Entity, target: str, state: CommandState
) -> None:
    busy = replace(entity, commands={target: _standing(state)})
    assert plan(_merged(busy), target, RULES, TODAY, ALONE) == Wait(Hold.IN_FLIGHT, target)


def test_equal_images_agree() -> None:
    assert plan(agreed_customer({"name": "Meier"}, SYSTEMS), "erp", RULES, TODAY, ALONE) == Agree()


def test_a_shared_field_is_sent_on_the_condition_of_what_was_seen() -> None:
    entity = _merged(seen(agreed_customer({"phone": "1", "name": "Meier"}, SYSTEMS), "cloud", phone="2"))
    decision = plan(entity, "erp", RULES, TODAY, ALONE)
    assert isinstance(decision, Send)
    assert (dict(decision.fields), decision.guard) == ({"phone": "2"}, {"phone": "1"})
    assert decision.rules == {"phone": "prefer:cloud@v1"}


def test_an_owned_field_is_sent_without_a_condition() -> None:
    entity = _merged(seen(agreed_customer({"name": "Meier"}, SYSTEMS), "cloud", name="Mayer"))
    decision = plan(entity, "erp", RULES, TODAY, ALONE)
    assert decision == Send(DeliveryKind.UPDATE, {"name": "Mayer"}, {"name": 2}, {"name": "owner:cloud@v1"})


def test_a_field_of_a_stale_owner_waits_while_another_targets_fields_go() -> None:
    entity = seen(agreed_customer({"name": "Meier", "phone": "1"}, SYSTEMS), "cloud", phone="2")
    merged = _merged(entity)
    stale = merged.with_image("erp", merged.images["erp"].marked(Stale.CONFIRM, 9))
    assert plan(stale, "erp", RULES, TODAY, ALONE) == Wait(Hold.TARGET_STALE, "erp")
    assert isinstance(plan(stale, "sap", RULES, TODAY, ALONE), Send)


@pytest.mark.invariant("I20")
def test_a_create_needs_a_fresh_look_at_where_the_record_was_born() -> None:
    entity = agreed_customer({"name": "Meier"})
    unborn = replace(entity, keys={"cloud": "c1"}, images={"cloud": entity.images["cloud"]})
    decision = plan(unborn, "erp", RULES, TODAY, ALONE)
    assert isinstance(decision, Send) and decision.kind is DeliveryKind.CREATE
    stale = unborn.with_image("cloud", unborn.images["cloud"].marked(Stale.GAP, 1))
    assert plan(stale, "erp", RULES, TODAY, ALONE) == Wait(Hold.SOURCE_STALE, "cloud")


@pytest.mark.invariant("I21")
def test_a_record_that_is_gone_where_it_was_born_is_sent_nowhere() -> None:
    entity = agreed_customer({"name": "Meier"}, SYSTEMS)
    gone = entity.with_image("cloud", replace(entity.images["cloud"], exists=False))
    assert plan(seen(gone, "erp", name="other"), "erp", RULES, TODAY, ALONE) == Wait(Hold.DELETED, "cloud")


@pytest.mark.invariant("I12")
def test_a_parked_field_is_left_out_and_the_others_go() -> None:
    entity = seen(agreed_customer({"name": "Meier", "note": "1"}, SYSTEMS), "cloud", name="Mayer", note="2")
    parked = replace(_merged(entity), parked=frozenset({"erp.note"}))
    decision = plan(parked, "erp", RULES, TODAY, ALONE)
    assert isinstance(decision, Send)
    assert set(decision.fields) == {"name"}


def test_what_was_refused_is_not_sent_again_until_its_users_changed_it() -> None:
    entity = _merged(seen(agreed_customer({"name": "Meier"}, SYSTEMS), "cloud", name="Mayer"))
    refused = replace(entity, parked=frozenset({"erp"}), refused={"erp": {"name": "Mayer"}})
    assert plan(refused, "erp", RULES, TODAY, ALONE) == Wait(Hold.PARKED, "erp")
    corrected = _merged(seen(refused, "cloud", name="Maier"))
    assert isinstance(plan(corrected, "erp", RULES, TODAY, ALONE), Send)


@EVERY_TIME_THE_SAME
@given(entities(), SYSTEM)
def test_a_field_that_is_passed_over_is_one_that_a_plan_would_not_hold(entity: Entity, target: str) -> None:
    states = (entity, _merged(entity))
    shorter = [plan(state, target, RULES, TODAY, ALONE) for state in states]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "_calm", lambda _: False)
        assert [plan(state, target, RULES, TODAY, ALONE) for state in states] == shorter
