"""The guard against mass changes decides by records, shares and floors, and by what a person agreed to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.delivery import DeliveryKind
from agent.core.guard import MassLimits, Scope, covered, judge, scope

UPDATES = Scope("customer", "erp", DeliveryKind.UPDATE)
DELETES = Scope("customer", "erp", DeliveryKind.DELETE)
CREATES = Scope("customer", "erp", DeliveryKind.CREATE)
LIMITS = MassLimits()


@pytest.mark.parametrize(
    ("of", "planned", "live", "held"),
    [
        pytest.param(UPDATES, 500, 100, False, id="so-few-are-never-held"),
        pytest.param(UPDATES, 501, 100, True, id="everything-at-a-small-target"),
        pytest.param(UPDATES, 2_500, 10_000, False, id="a-quarter-goes-unasked"),
        pytest.param(UPDATES, 2_501, 10_000, True, id="more-than-a-quarter"),
        pytest.param(DELETES, 10, 50, False, id="ten-deletes"),
        pytest.param(DELETES, 11, 50, True, id="eleven-deletes"),
        pytest.param(DELETES, 500, 10_000, False, id="one-in-twenty-deleted"),
        pytest.param(DELETES, 501, 10_000, True, id="more-than-one-in-twenty-deleted"),
        pytest.param(CREATES, 500, 0, False, id="the-first-records-of-an-empty-target"),
        pytest.param(CREATES, 501, 0, True, id="a-first-load"),
    ],
)
def test_a_change_is_held_above_both_floor_and_share(of: Scope, planned: int, live: int, held: bool) -> None:
    assert judge(of, LIMITS, planned, live, approved=False).hold is held


def test_what_a_person_agreed_to_is_not_held_and_stays_a_mass_change() -> None:
    judged = judge(UPDATES, LIMITS, 5_000, 10_000, approved=True)
    assert (judged.mass, judged.hold) == (True, False)


@given(planned=st.integers(0, 10**6), live=st.integers(0, 10**6), kind=st.sampled_from(DeliveryKind))
def test_more_records_planned_are_never_held_less(planned: int, live: int, kind: DeliveryKind) -> None:
    of = Scope("customer", "erp", kind)
    first = judge(of, LIMITS, planned, live, approved=False)
    assert first.hold <= judge(of, LIMITS, planned + 1, live, approved=False).hold
    assert not judge(of, LIMITS, min(planned, first.allowed), live, approved=False).mass


def test_deletes_are_guarded_more_narrowly_than_changes() -> None:
    assert LIMITS.delete_share < LIMITS.change_share
    assert LIMITS.delete_floor < LIMITS.change_floor


def test_a_scope_is_named_as_people_write_it() -> None:
    assert UPDATES.name == "customer@erp:update"
    assert scope(UPDATES.name) == UPDATES
    assert covered("customer@erp", UPDATES.name)
    assert covered("customer@erp:update", UPDATES.name)
    assert not covered("customer@er", UPDATES.name)
    assert not covered("customer@erp:delete", UPDATES.name)


@pytest.mark.parametrize("name", ["", "erp", "customer@erp", "@erp:update", "c@:update", "c@erp:x"])
def test_what_is_no_scope_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        scope(name)
