"""Survivorship: one line of agreed values per field, a base per system, and a record of every loser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from agent.core import survivorship
from agent.core.delivery import DeliveryKind
from agent.core.entity import Agreed, Base, CommandState, Entity, Image, OpenCommand, Stale
from agent.core.survivorship import accepted, answered_by_read, merge
from tests.core.samples import EVERY_TIME_THE_SAME, SYSTEMS, TODAY, agreed_customer, customer, entities, seen

RULES = customer()
THREE = customer(systems=SYSTEMS)


@pytest.mark.invariant("I31")
@EVERY_TIME_THE_SAME
@given(entities())
def test_merging_twice_changes_nothing_more(entity: Entity) -> None:
    once = merge(entity, THREE, TODAY)
    twice = merge(once.entity, THREE, TODAY)
    assert twice.entity == once.entity
    assert twice.conflicts == ()


@pytest.mark.invariant("I31")
def test_a_system_that_held_the_last_agreed_value_all_the_time_is_confirmed_at_once() -> None:
    entity = Entity(
        id="customer-1",
        type="customer",
        images={
            "cloud": Image(fields={"name": None, "note": None}, fresh=True),
            "sap": Image(fields={"note": None}, fresh=True, base={"note": Base("a", 1)}),
        },
        agreed={"note": Agreed("a", 1, "cloud")},
        keys={"cloud": "c", "sap": "s"},
        birth="cloud",
    )
    once = merge(entity, THREE, TODAY)
    assert merge(once.entity, THREE, TODAY).entity == once.entity


@pytest.mark.invariant("I11")
@EVERY_TIME_THE_SAME
@given(entities())
def test_a_stale_image_decides_nothing(entity: Entity) -> None:
    images = {s: image.marked(Stale.CHANGED, 1) for s, image in entity.images.items()}
    merged = merge(replace(entity, images=images), THREE, TODAY)
    assert merged.conflicts == ()
    assert {n: a for n, a in merged.entity.agreed.items() if a.system != "isthmus"} == entity.agreed


@pytest.mark.invariant("I6")
@EVERY_TIME_THE_SAME
@given(entities())
def test_an_owned_field_is_what_its_owner_says(entity: Entity) -> None:
    merged = merge(entity, THREE, TODAY).entity
    for name, owner in (("name", "cloud"), ("terms", "erp")):
        image = entity.images.get(owner)
        if image is not None and image.fresh and image.exists and name in image.fields:
            assert merged.agreed[name].value == image.fields[name]


def test_the_side_that_changed_since_the_base_wins_without_a_conflict() -> None:
    entity = seen(agreed_customer({"phone": "old"}), "erp", phone="new")
    merged = merge(entity, RULES, TODAY)
    assert merged.entity.agreed["phone"] == Agreed("new", 2, "erp")
    assert merged.conflicts == ()


@pytest.mark.invariant("I10")
def test_when_both_changed_the_preferred_side_wins_and_the_loser_is_recorded() -> None:
    entity = seen(seen(agreed_customer({"phone": "old"}), "erp", phone="theirs"), "cloud", phone="ours")
    merged = merge(entity, RULES, TODAY)
    [conflict] = merged.conflicts
    assert merged.entity.agreed["phone"].value == "ours"
    assert (conflict.rule, conflict.loser_system, conflict.loser) == ("prefer:cloud", "erp", "theirs")
    assert conflict.decided


@pytest.mark.invariant("I10")
def test_the_preferred_side_wins_when_it_is_seen_last_too_and_the_loser_is_recorded() -> None:
    first = merge(seen(agreed_customer({"phone": "old"}), "erp", phone="theirs"), RULES, TODAY)
    assert first.entity.agreed["phone"].value == "theirs"
    merged = merge(seen(first.entity, "cloud", phone="ours"), RULES, TODAY)
    [conflict] = merged.conflicts
    assert merged.entity.agreed["phone"].value == "ours"
    assert (conflict.rule, conflict.loser_system, conflict.loser) == ("prefer:cloud", "erp", "theirs")
    assert conflict.decided


@pytest.mark.parametrize(("first", "then"), [("erp", "cloud"), ("cloud", "erp")])
def test_a_null_that_was_only_found_is_no_value_that_another_is_in_conflict_with(
    first: str, then: str
) -> None:
    found = merge(seen(agreed_customer({}), first, phone=None), RULES, TODAY)
    merged = merge(seen(found.entity, then, phone="said"), RULES, TODAY)
    assert (merged.entity.agreed["phone"].value, merged.conflicts) == ("said", ())


def test_when_both_changed_to_the_same_there_is_no_conflict() -> None:
    entity = seen(seen(agreed_customer({"note": "old"}), "erp", note="same"), "cloud", note="same")
    merged = merge(entity, RULES, TODAY)
    assert merged.conflicts == ()
    assert merged.entity.images["erp"].base["note"] == merged.entity.images["cloud"].base["note"]


@pytest.mark.invariant("I12")
def test_a_manual_field_that_both_changed_waits_alone() -> None:
    entity = seen(seen(agreed_customer({"note": "old", "phone": "1"}), "erp", note="b"), "cloud", note="a")
    merged = merge(seen(entity, "erp", note="b", phone="2"), RULES, TODAY)
    assert merged.entity.parked == {"erp.note"}
    assert merged.entity.agreed["phone"].value == "2"
    assert [c.decided for c in merged.conflicts] == [False]


def test_a_third_system_that_is_behind_is_not_in_conflict() -> None:
    entity = agreed_customer({"phone": "1"}, SYSTEMS)
    moved = seen(entity, "cloud", phone="2")
    merged = merge(moved, THREE, TODAY)
    assert merged.conflicts == ()
    assert merged.entity.images["sap"].base["phone"] == Base("1", 1)


def test_a_change_where_another_system_owns_is_recorded_once_and_overruled() -> None:
    entity = seen(agreed_customer({"name": "Meier"}), "erp", name="Mayer")
    merged = merge(entity, RULES, TODAY)
    [conflict] = merged.conflicts
    assert (conflict.rule, conflict.winner, conflict.loser) == ("owner:cloud", "Meier", "Mayer")
    assert merge(merged.entity, RULES, TODAY).conflicts == ()


@pytest.mark.invariant("I11")
def test_what_a_target_holds_while_our_command_is_in_flight_is_no_conflict() -> None:
    standing = OpenCommand(7, CommandState.UNCERTAIN, DeliveryKind.UPDATE, {"phone": "2"}, {"phone": 2})
    entity = seen(seen(agreed_customer({"phone": "1"}), "cloud", phone="3"), "erp", phone="2")
    merged = merge(replace(entity, commands={"erp": standing}), RULES, TODAY)
    assert merged.conflicts == ()


@pytest.mark.invariant("I29")
@EVERY_TIME_THE_SAME
@given(entities())
def test_no_winner_is_chosen_by_a_clock(entity: Entity) -> None:
    without = {s: replace(i, version=None, order=0, token=0) for s, i in entity.images.items()}
    assert (
        merge(replace(entity, images=without), THREE, TODAY).conflicts
        == merge(entity, THREE, TODAY).conflicts
    )


def test_an_accepted_command_moves_the_base_but_never_back() -> None:
    entity = agreed_customer({"phone": "1"})
    moved = accepted(entity, "erp", {"phone": "2"}, {"phone": 2})
    assert moved.images["erp"].base["phone"] == Base("2", 2)
    assert accepted(moved, "erp", {"phone": "1"}, {"phone": 1}).images["erp"].base["phone"] == Base("2", 2)


def test_a_field_that_a_create_left_out_was_created_as_null() -> None:
    moved = accepted(agreed_customer({}), "erp", {}, {"phone": 4})
    assert moved.images["erp"].base["phone"] == Base(None, 4)


def test_only_a_fresh_image_answers_what_became_of_a_command() -> None:
    entity = agreed_customer({"phone": "1", "name": "Meier"})
    sent = {"phone": "1", "name": "Mayer"}
    assert answered_by_read(entity, "erp", sent) == {"phone"}
    stale = entity.with_image("erp", entity.images["erp"].marked(Stale.CHANGED, 1))
    assert answered_by_read(stale, "erp", sent) == frozenset()
    assert answered_by_read(entity, "nowhere", sent) == frozenset()


def test_a_record_that_is_gone_says_nothing_about_its_fields() -> None:
    entity = agreed_customer({"phone": "1"})
    gone = replace(entity.images["erp"], exists=False, fields={"phone": None})
    merged = merge(entity.with_image("erp", gone), RULES, TODAY)
    assert merged.entity.agreed["phone"].value == "1"
    assert Image(fields={}, fresh=True) not in merged.entity.images.values()


@EVERY_TIME_THE_SAME
@given(entities())
def test_a_field_that_is_passed_over_is_one_that_merging_would_not_change(entity: Entity) -> None:
    states = (entity, merge(entity, THREE, TODAY).entity)
    shorter = [merge(state, THREE, TODAY) for state in states]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survivorship, "_unsettled", lambda _, rules: list(rules.fields))
        assert [merge(state, THREE, TODAY) for state in states] == shorter
