"""Texts that are sent as what changed in them: made whole, verified, or read (facts of change events)."""

from __future__ import annotations

import difflib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sandbox.salesforce.cdc import diff
from agent.core.change import Change, ChangeKind
from agent.core.difference import applied, completed

LINES = st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), max_size=30)
LONG = "\n".join(f"clause {number}: the customer pays within {number} days" for number in range(60))


def difference(before: str, after: str, context: int) -> str:
    """A unified diff with so many lines of context, and the new text's hash."""
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=context, lineterm="")
    hunks = list(lines)[2:]
    return "\n".join(["--- ", f"+++ {hashlib.sha256(after.encode()).hexdigest()}", *hunks])


@given(LINES, LINES, st.integers(0, 4))
def test_a_difference_gives_the_new_text(before: list[str], after: list[str], context: int) -> None:
    old, new = "\n".join(before), "\n".join(after)
    assert applied(old, difference(old, new, context)) == new


@given(LINES, LINES, LINES)
def test_a_difference_from_another_text_gives_the_new_text_or_nothing(
    before: list[str], after: list[str], other: list[str]
) -> None:
    """Never a third text."""
    new = "\n".join(after)
    assert applied("\n".join(other), difference("\n".join(before), new, 1)) in (new, None)


def test_what_an_org_sends_is_understood() -> None:
    new = LONG.replace("within 30 days", "within 31 days – 支払い")
    sent = diff.of(LONG, new)
    assert sent is not None
    assert applied(LONG, sent) == new
    assert applied(LONG + "!", sent) is None


@pytest.mark.parametrize(
    "text", ["", "--- ", "--- \n+++ ", "--- \n+++ nothex", LONG, "--- \n+++ " + "0" * 64, "@@ -1 +1 @@"]
)
def test_what_is_no_difference_is_never_a_value(text: str) -> None:
    assert applied(LONG, text) is None


def test_a_change_with_a_difference_keeps_its_other_fields() -> None:
    new = LONG.replace("within 30 days", "within 31 days")
    sent = diff.of(LONG, new)
    assert sent is not None
    told = Change(
        "t:1",
        "events",
        ChangeKind.EVENT,
        "Account",
        ("A",),
        fields={"Phone": "1"},
        differences={"Description": sent},
    )
    whole = completed(told, {"Description": LONG})
    assert (whole.kind, dict(whole.fields)) == (ChangeKind.EVENT, {"Phone": "1", "Description": new})
    others: list[dict[str, object]] = [{}, {"Description": None}, {"Description": LONG + "x"}]
    for mirrored in others:
        gap = completed(told, mirrored)
        assert (gap.kind, dict(gap.fields), dict(gap.differences)) == (ChangeKind.GAP, {}, {})
        assert gap.reason.startswith("Description: ")
