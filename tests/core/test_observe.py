"""Observe: an image only ever follows what is provably newer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.change import Operation
from agent.core.entity import Base, Grade, Image, Stale
from agent.core.observe import (
    Effect,
    Found,
    Seen,
    apply_read,
    apply_told,
    assume,
    confirm_by_echo,
    merge_event,
)
from tests.core.samples import EVERY_TIME_THE_SAME, VALUES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLACK = timedelta(seconds=2)
READ = Image(
    fields={"name": "read"}, fresh=True, token=5, not_before=NOON, not_after=NOON + timedelta(seconds=1)
)
FIELDS = st.dictionaries(st.sampled_from(["name", "phone"]), VALUES)
MOMENTS = st.integers(-20, 20).map(lambda seconds: NOON + timedelta(seconds=seconds))
EVENTS = st.builds(
    Seen,
    fields=FIELDS,
    operation=st.sampled_from([Operation.CREATE, Operation.UPDATE, Operation.DELETE]),
    order=st.integers(0, 5),
    at=st.none() | MOMENTS,
)


def _event(seconds: float, **fields: str) -> Seen:
    return Seen(fields, at=NOON + timedelta(seconds=seconds), order=9)


def test_an_event_from_before_the_read_changes_nothing() -> None:
    image, effect = merge_event(READ, _event(-3, name="older"), SLACK, 6)
    assert (image, effect) == (READ, Effect.OLDER)


def test_an_event_from_after_the_read_is_merged() -> None:
    image, effect = merge_event(READ, _event(4, name="newer"), SLACK, 6)
    assert (image.fields["name"], image.fresh, effect) == ("newer", True, Effect.MERGED)


@pytest.mark.parametrize("seconds", [-2.5, -1, 0, 0.5, 1, 2, 3])
def test_an_event_around_the_read_never_overwrites_it_and_asks_for_another_read(seconds: float) -> None:
    image, effect = merge_event(READ, _event(seconds, name="doubtful"), SLACK, 6)
    assert (image.fields["name"], image.fresh, effect) == ("read", False, Effect.STALE)


def test_an_event_around_the_read_that_says_nothing_new_costs_no_read() -> None:
    assert merge_event(READ, _event(0, name="read"), SLACK, 6) == (READ, Effect.EQUAL)


@pytest.mark.invariant("I2")
@EVERY_TIME_THE_SAME
@given(st.none() | st.just(READ), EVENTS)
def test_the_same_event_again_leaves_the_same_image(image: Image | None, event: Seen) -> None:
    once, _ = merge_event(image, event, SLACK, 6)
    twice, _ = merge_event(once, event, SLACK, 6)
    assert twice == once


@pytest.mark.invariant("I2")
@EVERY_TIME_THE_SAME
@given(st.none() | st.just(READ), EVENTS.filter(lambda e: e.order > 0), EVENTS.filter(lambda e: e.order > 0))
def test_an_earlier_event_after_a_later_one_changes_nothing(
    image: Image | None, one: Seen, other: Seen
) -> None:
    earlier, later = sorted((one, other), key=lambda e: e.order)
    if earlier.order == later.order:
        return
    merged, effect = merge_event(image, later, SLACK, 6)
    if effect is Effect.MERGED:
        assert merge_event(merged, earlier, SLACK, 7)[0] == merged


@pytest.mark.invariant("I3")
@EVERY_TIME_THE_SAME
@given(EVENTS)
def test_no_event_makes_an_image_fresh_that_a_gap_made_stale(event: Seen) -> None:
    gapped = READ.marked(Stale.GAP, 6)
    merged, _ = merge_event(gapped, event, SLACK, 7)
    assert not merged.fresh
    assert not confirm_by_echo(merged, event.fields, 7).fresh


def test_a_record_first_seen_in_an_update_must_be_read() -> None:
    image, effect = merge_event(None, _event(0, name="part"), SLACK, 1)
    assert (image.fresh, effect) == (False, Effect.STALE)
    whole, effect = merge_event(None, replace(_event(0, name="all"), operation=Operation.CREATE), SLACK, 1)
    assert (whole.fresh, effect) == (True, Effect.MERGED)


def test_our_own_write_is_confirmed_only_by_its_own_values() -> None:
    waiting = READ.marked(Stale.CONFIRM, 6)
    assert confirm_by_echo(waiting, {"name": "read"}, 7).fresh
    assert not confirm_by_echo(waiting, {"name": "other"}, 7).fresh


def test_a_read_issued_before_the_last_touch_proves_nothing() -> None:
    touched = replace(READ, token=8)
    image, effect = apply_read(touched, Found({"name": "late"}), issued=7, token=9)
    assert (image.fields["name"], image.fresh, effect) == ("read", False, Effect.STALE)
    image, effect = apply_read(touched, Found({"name": "late"}), issued=8, token=9)
    assert (image.fields["name"], image.fresh, effect) == ("late", True, Effect.MERGED)


def test_a_read_that_finds_nothing_keeps_what_was_known_and_says_that_it_is_gone() -> None:
    image, _ = apply_read(READ, Found(None), issued=5, token=6)
    assert (image.exists, dict(image.fields)) == (False, {"name": "read"})


@pytest.mark.invariant("I21")
def test_an_update_alone_never_brings_a_deleted_record_back() -> None:
    """However new it looks: it may have been on its way when the record was deleted. A read tells."""
    gone = Image(fields={"name": "read"}, fresh=True, exists=False, token=5, order=5)
    later = Seen({"name": "late"}, order=6, at=NOON)
    image, effect = merge_event(gone, later, SLACK, 9)
    assert (image.exists, image.fresh, effect) == (False, False, Effect.STALE)


@pytest.mark.parametrize("exists", [True, False])
def test_a_record_that_comes_back_is_read_because_its_event_shows_what_is_hidden_as_empty(
    exists: bool,
) -> None:
    known = Image(fields={"name": "read"}, fresh=True, exists=exists, token=5, order=5)
    back = Seen({"name": None}, operation=Operation.UNDELETE, order=6, at=NOON)
    image, effect = merge_event(known, back, SLACK, 9)
    assert (dict(image.fields), image.fresh, effect) == ({"name": "read"}, False, Effect.STALE)


@EVERY_TIME_THE_SAME
@given(st.sampled_from(Stale), st.sampled_from(Stale))
def test_a_later_mark_never_weakens_an_earlier_one(first: Stale, second: Stale) -> None:
    order = list(Stale)
    marked = READ.marked(first, 1).marked(second, 2)
    assert marked.stale == max(first, second, key=order.index)


def test_an_older_message_about_a_record_that_cannot_be_read_changes_nothing() -> None:
    told = replace(READ, order=5)
    assert apply_told(told, Seen({"name": "old"}, order=4), frozenset(), 9) == (told, Effect.OLDER)


def test_a_message_made_before_our_command_was_posted_says_nothing_about_what_we_wrote() -> None:
    posted = assume(Image(fields={}, fresh=True), {"name": "ours"}, order=7, token=1)
    image, _ = apply_told(posted, Seen({"name": "before", "block": "X"}, order=6), frozenset({"name"}), 2)
    assert dict(image.fields) == {"name": "ours", "block": "X"}
    assert (posted.grade, image.grade) == (Grade.ASSUMED, Grade.TOLD)


def test_a_value_that_cannot_be_mapped_stays_unknown_while_it_is_not_shown() -> None:
    base = {"phone": Base("old", 1), "name": Base("old", 1)}
    image = Image(fields={"name": "new"}, fresh=False, faulty=frozenset({"phone"}), base=base)
    image, _ = apply_read(image, Found({}, lacking=frozenset({"phone"})), 5, 6)
    assert image.fields == {} and image.faulty == {"phone"}
